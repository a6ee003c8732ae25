//! Connections to Redis: one that is pushed to and only reads, one that writes. Both live and end together.

use std::error::Error as _;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, IntoConnectionInfo as _, ProtocolVersion, PushInfo, RedisError, RedisResult,
};
use tokio::time::timeout;

use super::keys::Keys;
use super::push::Pushes;
use crate::error::OpenError;

/// How long connecting may take.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(2);
/// How long one answer may take: with a probe each second, what we have is never more than 3 s old unnoticed.
pub(super) const ANSWER_WAIT_MAX: Duration = Duration::from_secs(1);
/// How long the kernel waits for an acknowledgement before it ends a connection.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(3);

/// Why the store is not followed any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    /// Redis, or the way to it, failed.
    #[error("cannot {doing}")]
    Redis {
        /// What was tried.
        doing: &'static str,
        #[source]
        source: RedisError,
    },
    /// No answer in time.
    #[error("cannot {doing}: no answer in time")]
    TimedOut {
        /// What was tried.
        doing: &'static str,
    },
    /// The connection ended.
    #[error("the connection ended")]
    Disconnected,
    /// Redis answers, but not with what it held before.
    #[error("the store lost its data; holding the last state seen")]
    Data,
}

impl Lost {
    /// With its cause, in one line.
    pub(super) fn describe(&self) -> String {
        self.source().map_or_else(|| self.to_string(), |source| format!("{self}: {source}"))
    }
}

/// Awaits an answer of Redis, for a bounded time.
pub(super) async fn within<T>(
    limit: Duration,
    doing: &'static str,
    answer: impl Future<Output = RedisResult<T>>,
) -> Result<T, Lost> {
    match timeout(limit, answer).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(Lost::Redis { doing, source }),
        Err(_elapsed) => Err(Lost::TimedOut { doing }),
    }
}

/// Where Redis is.
pub(super) struct Target {
    client: Client,
}

/// A pair of fresh connections; key changes are pushed from now on.
pub(super) struct Connections {
    /// Pushed to; reads only.
    pub(super) reader: MultiplexedConnection,
    /// Everything else.
    pub(super) writer: MultiplexedConnection,
    /// What arrives unasked on the first.
    pub(super) pushes: Arc<Pushes>,
}

impl Target {
    /// Understands the URL; connects nowhere.
    pub(super) fn new(url: &str) -> Result<Self, OpenError> {
        let info = url.into_connection_info().map_err(OpenError::Url)?;
        // RESP3: over RESP2, tracking says OK and delivers nothing.
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let tcp = TcpSettings::default().set_nodelay(true).set_user_timeout(TCP_USER_TIMEOUT);
        let info = info.set_redis_settings(settings).set_tcp_settings(tcp);
        Ok(Self { client: Client::open(info).map_err(OpenError::Url)? })
    }

    /// Address and database, without user and password: what tells this store from another one.
    pub(super) fn describe(&self) -> String {
        let info = self.client.get_connection_info();
        format!("{}/{}", info.addr(), info.redis_settings().db())
    }

    /// Connects twice and asks to be told of changes.
    pub(super) async fn connect(&self, keys: &Keys) -> Result<Connections, Lost> {
        let pushes = Arc::new(Pushes::default());
        let inbox = Arc::clone(&pushes);
        let pushed = settings().set_push_sender(move |push: PushInfo| -> Result<(), RedisError> {
            inbox.accept(push);
            Ok(())
        });
        let mut reader = self.open(&pushed).await?;
        let mut tracking = redis::cmd("CLIENT");
        tracking.arg("TRACKING").arg("ON").arg("BCAST");
        for prefix in keys.tracked_prefixes() {
            tracking.arg("PREFIX").arg(prefix);
        }
        within(ANSWER_WAIT_MAX, "follow changes", tracking.exec_async(&mut reader)).await?;
        let writer = self.open(&settings()).await?;
        Ok(Connections { reader, writer, pushes })
    }

    async fn open(&self, config: &AsyncConnectionConfig) -> Result<MultiplexedConnection, Lost> {
        let opened = self.client.get_multiplexed_async_connection_with_config(config);
        within(CONNECT_WAIT_MAX, "connect", opened).await
    }
}

/// No time-out of the crate: its default of 500 ms breaks long loads. Each call has its own.
fn settings() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(Some(CONNECT_WAIT_MAX))
}
