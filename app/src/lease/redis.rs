//! The lease directly in the fleet's Redis, for servers that know no router. Each change is one script, so a
//! router never sees half of it. The keys carry the edge as hash tag: `srv:{main}:meow-1`.

use ::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use ::redis::{Client, Script, ScriptInvocation};
use async_trait::async_trait;

use super::{ATTEMPT_MAX, LEASE_TTL, LeaseError, Registrar, Server};
use crate::args::RedisUrl;
use crate::name::Name;

/// The leases of one edge.
pub(super) struct RedisRegistrar {
    connection: ConnectionManager,
    edge: Name,
    put: Script,
    delete: Script,
}

impl RedisRegistrar {
    /// Connects when first used. Needs a runtime around it.
    pub(super) fn new(url: &RedisUrl, edge: &Name) -> Result<Self, LeaseError> {
        // No retries here: the caller has its own back-off.
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(ATTEMPT_MAX))
            .set_response_timeout(Some(ATTEMPT_MAX))
            .set_number_of_retries(0);
        Ok(Self {
            connection: ConnectionManager::new_lazy_with_config(Client::open(url.as_str())?, config)?,
            edge: edge.clone(),
            put: Script::new(include_str!("put.lua")),
            delete: Script::new(include_str!("delete.lua")),
        })
    }

    /// A call of `script` with the four keys that both scripts share, and the id.
    fn call<'script>(&self, script: &'script Script, id: &str) -> ScriptInvocation<'script> {
        let edge = &self.edge;
        let mut call = script.key(format!("srv:{{{edge}}}:{id}"));
        call.key(format!("{{{edge}}}:srv:index"));
        call.key(format!("srv-lease:{{{edge}}}"));
        call.key(format!("{{{edge}}}:epoch"));
        call.arg(id);
        call
    }
}

#[async_trait]
impl Registrar for RedisRegistrar {
    async fn put(&self, server: &Server) -> Result<(), LeaseError> {
        let mut call = self.call(&self.put, &server.id);
        call.arg(u64::try_from(LEASE_TTL.as_millis()).unwrap_or(u64::MAX));
        call.arg("draining").arg(server.draining.to_string());
        call.arg("addr").arg(&server.addr).arg("app").arg(server.app);
        call.arg("variant").arg(server.variant).arg("roles").arg(server.roles.join(","));
        call.arg("release").arg(server.release).arg("started_ms").arg(server.started_ms);
        for (field, percent) in [("cpu", server.cpu), ("mem", server.mem)] {
            if let Some(percent) = percent {
                call.arg(field).arg(percent.to_string());
            }
        }
        Ok(call.invoke_async(&mut self.connection.clone()).await?)
    }

    async fn delete(&self, id: &str) -> Result<(), LeaseError> {
        Ok(self.call(&self.delete, id).invoke_async(&mut self.connection.clone()).await?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use ::redis::aio::MultiplexedConnection;
    use ::redis::{FromRedisValue, cmd};

    use super::*;
    use crate::release::Release;
    use crate::testing::RedisServer;

    async fn ask<T: FromRedisValue>(connection: &mut MultiplexedConnection, words: &[&str]) -> T {
        let mut command = cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(connection).await.unwrap()
    }

    #[tokio::test]
    async fn the_keys_are_those_of_the_fleet() {
        let redis = RedisServer::start().await;
        let mut connection = redis.connect().await;
        let registrar = RedisRegistrar::new(&redis.url(), &"main".parse().unwrap()).unwrap();
        let mut server = Server::new(&"meow-1".parse().unwrap(), "10.0.0.7:8001".to_owned(), Release::Canary);
        server.cpu = Some(12.5);
        registrar.put(&server).await.unwrap();

        let fields: BTreeMap<String, String> = ask(&mut connection, &["HGETALL", "srv:{main}:meow-1"]).await;
        let started = server.started_ms.to_string();
        let expected = [
            ("addr", "10.0.0.7:8001"),
            ("app", "meow"),
            ("variant", "canary"),
            ("roles", "app"),
            ("release", env!("CARGO_PKG_VERSION")),
            ("cpu", "12.5"),
            ("draining", "false"),
            ("started_ms", started.as_str()),
        ];
        assert_eq!(fields, expected.map(|(field, value)| (field.to_owned(), value.to_owned())).into());
        let ttl_ms: u64 = ask(&mut connection, &["PTTL", "srv:{main}:meow-1"]).await;
        assert!((10_000..=15_000).contains(&ttl_ms), "{ttl_ms}");
        let members: Vec<String> = ask(&mut connection, &["SMEMBERS", "{main}:srv:index"]).await;
        assert_eq!(members, ["meow-1"]);
        let end_ms: f64 = ask(&mut connection, &["ZSCORE", "srv-lease:{main}", "meow-1"]).await;
        let now: (u64, u64) = ask(&mut connection, &["TIME"]).await;
        let left_s = end_ms / 1000.0 - Duration::new(now.0, 0).as_secs_f64();
        assert!((10.0..=16.0).contains(&left_s), "{left_s}");
    }

    #[tokio::test]
    async fn the_epoch_rises_on_join_and_leave_only() {
        let redis = RedisServer::start().await;
        let mut connection = redis.connect().await;
        let registrar = RedisRegistrar::new(&redis.url(), &"main".parse().unwrap()).unwrap();
        let mut server = Server::new(&"meow-1".parse().unwrap(), "10.0.0.7:8001".to_owned(), Release::Stable);
        ask::<()>(&mut connection, &["SET", "{main}:epoch", "7"]).await;
        let epoch = ["GET", "{main}:epoch"];

        registrar.put(&server).await.unwrap();
        assert_eq!(ask::<u64>(&mut connection, &epoch).await, 8);
        registrar.put(&server).await.unwrap();
        server.draining = true;
        registrar.put(&server).await.unwrap();
        assert_eq!(ask::<u64>(&mut connection, &epoch).await, 8);
        assert_eq!(ask::<String>(&mut connection, &["HGET", "srv:{main}:meow-1", "draining"]).await, "true");
        registrar.delete("meow-1").await.unwrap();
        registrar.delete("meow-1").await.unwrap();
        assert_eq!(ask::<u64>(&mut connection, &epoch).await, 9);
        let left: Vec<String> = ask(&mut connection, &["KEYS", "*"]).await;
        assert_eq!(left, ["{main}:epoch"]);
    }

    #[tokio::test]
    async fn an_epoch_that_is_missing_stays_missing() {
        let redis = RedisServer::start().await;
        let registrar = RedisRegistrar::new(&redis.url(), &"main".parse().unwrap()).unwrap();
        let server = Server::new(&"meow-1".parse().unwrap(), "10.0.0.7:8001".to_owned(), Release::Stable);
        registrar.put(&server).await.unwrap();
        registrar.delete("meow-1").await.unwrap();
        let left: Vec<String> = ask(&mut redis.connect().await, &["KEYS", "*"]).await;
        assert!(left.is_empty(), "{left:?}");
    }

    #[tokio::test]
    async fn routers_that_track_the_index_hear_of_joins_restarts_and_drains_but_not_of_heartbeats() {
        let redis = RedisServer::start().await;
        let mut connection = redis.connect().await;
        let registrar = RedisRegistrar::new(&redis.url(), &"main".parse().unwrap()).unwrap();
        let mut server = Server::new(&"meow-1".parse().unwrap(), "10.0.0.7:8001".to_owned(), Release::Stable);
        // WATCH sees what tracking sees: a signalled change of the key.
        let [before, restarted] = ["10.0.0.7:8001", "10.0.0.7:9001"];
        for (addr, draining, heard) in [
            (before, false, true),
            (before, false, false),
            (before, true, true),
            (before, true, false),
            (restarted, true, true),
        ] {
            (server.addr, server.draining) = (addr.to_owned(), draining);
            ask::<()>(&mut connection, &["WATCH", "{main}:srv:index"]).await;
            registrar.put(&server).await.unwrap();
            ask::<()>(&mut connection, &["MULTI"]).await;
            let unchanged: Option<Vec<String>> = ask(&mut connection, &["EXEC"]).await;
            assert_eq!(unchanged.is_none(), heard, "{addr}, draining {draining}");
        }
    }
}
