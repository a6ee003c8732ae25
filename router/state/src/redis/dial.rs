//! One connection to one server: user, password, database, TLS, and the settings of every socket.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo as _, ProtocolVersion, PushInfo, RedisError,
    RedisResult,
};

use super::link::{ANSWER_WAIT_MAX, CONNECT_WAIT_MAX, Lost, within};
use super::push::Pushes;
use super::secrets::{Account, Secrets};
use super::url::{Host, Topology, Url};

/// How long the kernel waits for an acknowledgement before it ends a connection.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(3);

/// Opens connections, all with the same secrets.
pub(super) struct Dialer {
    secrets: Secrets,
    database: u16,
}

impl Dialer {
    pub(super) fn new(url: &Url, secrets: Secrets) -> Self {
        let database = match url.topology {
            Topology::One { database, .. } | Topology::Sentinel { database, .. } => database,
            Topology::Cluster { .. } => 0,
        };
        Self { secrets, database }
    }

    /// Whether the certificates are some.
    pub(super) fn check(&self) -> RedisResult<()> {
        let nowhere = Host { name: "localhost".to_owned(), port: 1 };
        self.client(&nowhere, &self.secrets.redis, self.database).map(drop)
    }

    /// To a Redis.
    pub(super) async fn redis(&self, host: &Host) -> Result<MultiplexedConnection, Lost> {
        self.open(host, &self.secrets.redis, self.database, &settings()).await
    }

    /// To a Redis that pushes which keys with these prefixes change, from now on. Such a connection only reads.
    pub(super) async fn pushed(
        &self,
        host: &Host,
        prefixes: &[String],
        pushes: &Arc<Pushes>,
    ) -> Result<MultiplexedConnection, Lost> {
        let inbox = Arc::clone(pushes);
        let settings = settings().set_push_sender(move |push: PushInfo| -> Result<(), RedisError> {
            inbox.accept(push);
            Ok(())
        });
        let mut connection = self.open(host, &self.secrets.redis, self.database, &settings).await?;
        let mut tracking = redis::cmd("CLIENT");
        tracking.arg("TRACKING").arg("ON").arg("BCAST");
        for prefix in prefixes {
            tracking.arg("PREFIX").arg(prefix);
        }
        within(ANSWER_WAIT_MAX, "follow changes", tracking.exec_async(&mut connection)).await?;
        Ok(connection)
    }

    /// To a Sentinel.
    pub(super) async fn sentinel(&self, host: &Host) -> Result<MultiplexedConnection, Lost> {
        self.open(host, &self.secrets.sentinel, 0, &settings()).await
    }

    async fn open(
        &self,
        host: &Host,
        account: &Account,
        database: u16,
        settings: &AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, Lost> {
        let client = self.client(host, account, database);
        let opened = async { client?.get_multiplexed_async_connection_with_config(settings).await };
        within(CONNECT_WAIT_MAX, "connect", opened).await
    }

    fn client(&self, host: &Host, account: &Account, database: u16) -> RedisResult<Client> {
        let Host { name, port } = host.clone();
        let address = match &self.secrets.tls {
            Some(_) => ConnectionAddr::TcpTls { host: name, port, insecure: false, tls_params: None },
            None => ConnectionAddr::Tcp(name, port),
        };
        let info = address.into_connection_info()?;
        // RESP3: over RESP2, tracking says OK and delivers nothing.
        let mut login = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3).set_db(database.into());
        if let Some(user) = &account.user {
            login = login.set_username(user);
        }
        if let Some(password) = &account.password {
            login = login.set_password(password);
        }
        let tcp = TcpSettings::default().set_nodelay(true).set_user_timeout(TCP_USER_TIMEOUT);
        let info = info.set_redis_settings(login).set_tcp_settings(tcp);
        match &self.secrets.tls {
            Some(certificates) => Client::build_with_tls(info, certificates.clone()),
            None => Client::open(info),
        }
    }
}

/// No time-out of the crate: its default of 500 ms breaks long loads. Each call has its own.
fn settings() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(Some(CONNECT_WAIT_MAX))
}
