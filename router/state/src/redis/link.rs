//! Why a store is not followed any more, and the bound on every wait for it.

use std::error::Error as _;
use std::future::Future;
use std::time::Duration;

use redis::{RedisError, RedisResult};
use tokio::time::timeout;

use super::secrets::SecretFault;
use super::url::Host;

/// How long connecting may take.
pub(super) const CONNECT_WAIT_MAX: Duration = Duration::from_secs(2);
/// How long one answer may take: with a probe each second, what we have is never more than 3 s old unnoticed.
pub(super) const ANSWER_WAIT_MAX: Duration = Duration::from_secs(1);

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
    /// A password or a certificate cannot be had.
    #[error("cannot connect")]
    Secret(#[from] SecretFault),
    /// The connection ended.
    #[error("the connection ended")]
    Disconnected,
    /// No Sentinel told who the master is.
    #[error("no Sentinel knows the master `{0}`")]
    NoMaster(String),
    /// Sentinel, or the server itself, says that another one is the master.
    #[error("{0} is not the master")]
    NotMaster(Host),
    /// No node of the Cluster owns the slot.
    #[error("no node of the Cluster owns slot {0}")]
    NoOwner(u16),
    /// Redis answers, but not with what it held before.
    #[error("the store lost its data; holding the last state seen")]
    Data,
    /// Nothing is wrong: other switches are to be followed, which takes fresh connections.
    #[error("other switches are to be followed")]
    Rewatch,
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
