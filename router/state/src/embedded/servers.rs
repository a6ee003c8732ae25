//! Leases of servers: they end by this router's clock.

use sluice_model::lease::{Lease, Server};

use super::state::{Done, State};
use super::tables::SERVERS;
use crate::error::StoreError;
use crate::event::Event;
use crate::store::SERVERS_MAX;

impl State {
    /// A renewal stays in memory; only what routing reads is worth a commit.
    pub(super) fn put_server(&mut self, server: Server, now_ms: u64) -> Done<()> {
        let known = self.leases.get(&server.id);
        let moved = known.is_none_or(|lease| !lease.server.is_same_but_for_load(&server));
        if known.is_none() && self.leases.len() >= SERVERS_MAX {
            return Err(StoreError::Full { what: "servers", max: SERVERS_MAX });
        }
        if moved {
            let text = serde_json::to_string(&server)?;
            self.commit(|transaction| {
                transaction.open_table(SERVERS)?.insert(&*server.id, &*text)?;
                Ok(())
            })?;
        }
        let ends_ms = now_ms.saturating_add(self.lease_ttl_ms);
        self.leases.insert(server.id.clone(), Lease { server, ends_ms });
        self.renewed = true;
        Ok(((), if moved { self.tell_servers() } else { Vec::new() }))
    }

    pub(super) fn delete_server(&mut self, id: &str) -> Done<()> {
        if !self.leases.contains_key(id) {
            return Ok(((), Vec::new()));
        }
        self.forget(&[id.to_owned()])?;
        Ok(((), self.tell_servers()))
    }

    /// Ends the leases that are over, and tells of renewals since the last time.
    pub(super) fn expire_leases(&mut self, now_ms: u64) -> Result<Vec<Event>, StoreError> {
        let over = self.leases.iter().filter(|(_, lease)| !lease.holds(now_ms));
        let over: Vec<String> = over.map(|(id, _)| id.clone()).collect();
        if !over.is_empty() {
            tracing::warn!(servers = over.join(" "), "leases ended without a renewal");
            self.forget(&over)?;
            self.renewed = true;
        }
        Ok(if self.renewed { self.tell_servers() } else { Vec::new() })
    }

    fn forget(&mut self, ids: &[String]) -> Result<(), StoreError> {
        self.commit(|transaction| {
            let mut servers = transaction.open_table(SERVERS)?;
            for id in ids {
                servers.remove(&**id)?;
            }
            Ok(())
        })?;
        self.leases.retain(|id, _| !ids.contains(id));
        Ok(())
    }

    fn tell_servers(&mut self) -> Vec<Event> {
        self.renewed = false;
        vec![self.servers()]
    }

    pub(super) fn servers(&self) -> Event {
        Event::Servers(self.leases.values().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use redb::ReadableTable as _;

    use super::*;
    use crate::embedded::state::fresh;
    use crate::embedded::tables::Content;

    fn server(id: &str) -> Server {
        let addr = "127.0.0.1:1";
        serde_json::from_value(serde_json::json!({ "id": id, "addr": addr, "app": "meow", "variant": "stable" }))
            .unwrap()
    }

    #[test]
    fn servers_end_at_their_bound_and_renewals_do_not_count() {
        let servers = (0..SERVERS_MAX - 1).map(|n| (n.to_string(), server(&n.to_string()))).collect();
        let (mut state, _folder) = fresh(Content { servers, ..Content::default() });
        assert!(state.put_server(server("last"), 1).is_ok());
        assert!(matches!(state.put_server(server("one more"), 1), Err(StoreError::Full { .. })));
        assert!(state.put_server(server("last"), 2).is_ok());
    }

    #[test]
    fn a_renewal_is_not_written() {
        let (mut state, _folder) = fresh(Content::default());
        assert_eq!(state.put_server(server("a"), 1).unwrap().1.len(), 1);
        let busy = Server { cpu: Some(50.0), ..server("a") };
        assert!(state.put_server(busy, 2).unwrap().1.is_empty(), "told of with the next look at the leases");
        assert_eq!(state.expire(3).unwrap().1.len(), 1);
        let text = state.commit(|transaction| {
            let servers = transaction.open_table(SERVERS)?;
            let text = servers.get("a")?.map(|text| text.value().to_owned());
            Ok(text)
        });
        assert!(text.unwrap().unwrap().contains("\"cpu\":null"));
    }
}
