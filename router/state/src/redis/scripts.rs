//! The Lua scripts, each with the function that calls it. A script is atomic; nothing that it must not tear apart is
//! done in two commands.

use std::time::Duration;

use redis::{RedisResult, Script, ScriptInvocation};
use sluice_model::lease::Server;
use sluice_model::rollout::Rollout;

use super::codec::{Pairs, rollout_fields, server_fields};
use super::keys::Keys;
use super::writer::Writer;
use crate::clock::millis;
use crate::store::SERVERS_MAX;

/// Leases that one call removes.
const REAPED_MAX: usize = 1_000;
/// Stands for "there is none" where an epoch is expected.
const NONE: &str = "";

/// All scripts of the store.
pub(super) struct Scripts {
    put_server: Script,
    delete_server: Script,
    reap: Script,
    refill: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            put_server: Script::new(include_str!("scripts/put_server.lua")),
            delete_server: Script::new(include_str!("scripts/delete_server.lua")),
            reap: Script::new(include_str!("scripts/reap.lua")),
            refill: Script::new(include_str!("scripts/refill.lua")),
        }
    }

    /// Takes or renews a lease; true if routing must know.
    pub(super) async fn put_server(
        &self,
        mut to: Writer,
        keys: &Keys,
        server: &Server,
        ttl: Duration,
    ) -> RedisResult<bool> {
        let mut call = self.put_server.key(keys.server(&server.id));
        call.key(keys.index()).key(keys.leases()).key(keys.epoch());
        call.arg(&server.id).arg(millis(ttl)).arg(SERVERS_MAX);
        with_fields(&mut call, server_fields(server)).invoke_async(&mut to).await
    }

    /// Gives a lease back; true if there was one.
    pub(super) async fn delete_server(&self, mut to: Writer, keys: &Keys, id: &str) -> RedisResult<bool> {
        let mut call = self.delete_server.key(keys.server(id));
        call.key(keys.index()).key(keys.leases()).key(keys.epoch()).arg(id);
        call.invoke_async(&mut to).await
    }

    /// Removes leases that are over; returns how many.
    pub(super) async fn reap(&self, mut to: Writer, keys: &Keys) -> RedisResult<u64> {
        let mut call = self.reap.key(keys.leases());
        call.key(keys.index()).key(keys.epoch()).arg(REAPED_MAX);
        call.invoke_async(&mut to).await
    }

    /// Puts rollouts back into a store that was seen with epoch `seen`, and sets its epoch to `next`.
    pub(super) async fn refill<'a>(
        &self,
        mut to: Writer,
        keys: &Keys,
        seen: Option<u64>,
        next: u64,
        rollouts: impl IntoIterator<Item = (&'a String, &'a Rollout)>,
    ) -> RedisResult<bool> {
        let mut call = self.refill.key(keys.epoch());
        call.arg(text_of(seen)).arg(next);
        for (name, rollout) in rollouts {
            let pairs = rollout_fields(rollout);
            let flat: Vec<&str> = pairs.iter().flat_map(|(name, value)| [*name, value]).collect();
            call.key(keys.rollout(name)).arg(rollout.epoch).arg(serde_json::json!(flat).to_string());
        }
        call.invoke_async(&mut to).await
    }
}

fn text_of(epoch: Option<u64>) -> String {
    epoch.map_or_else(|| NONE.to_owned(), |epoch| epoch.to_string())
}

fn with_fields<'call, 'script>(
    call: &'call mut ScriptInvocation<'script>,
    fields: Pairs,
) -> &'call mut ScriptInvocation<'script> {
    for (name, value) in fields {
        call.arg(name).arg(value);
    }
    call
}
