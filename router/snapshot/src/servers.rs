//! The live list of servers that hold a lease.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use sluice_model::lease::Lease;

/// All servers of the fleet, as of a version.
#[derive(Debug, Default)]
pub struct ServersCell {
    version: AtomicU64,
    leases: RwLock<Arc<[Lease]>>,
}

impl ServersCell {
    /// Moves when a server joins, leaves or drains; a mere heartbeat does not move it.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// All leases, ordered by server id.
    #[must_use]
    pub fn read(&self) -> Arc<[Lease]> {
        Arc::clone(&self.leases.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the list.
    pub fn apply(&self, mut leases: Vec<Lease>) {
        leases.sort_by(|a, b| a.server.id.cmp(&b.server.id));
        let moved = {
            let mut current = self.leases.write().unwrap_or_else(PoisonError::into_inner);
            let moved = !same_membership(&current, &leases);
            *current = leases.into();
            moved
        };
        if moved {
            self.version.fetch_add(1, Ordering::Release);
        }
    }
}

/// True if routing reads the same from both lists.
fn same_membership(a: &[Lease], b: &[Lease]) -> bool {
    let of = |lease: &Lease| {
        let server = &lease.server;
        (server.id.clone(), server.addr.clone(), server.app.clone(), server.variant.clone(), server.draining)
    };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| of(a) == of(b))
}

#[cfg(test)]
mod tests {
    use sluice_model::lease::Server;

    use super::*;

    fn lease(id: &str, ends_ms: u64) -> Lease {
        let server = Server {
            id: id.to_owned(),
            addr: "127.0.0.1:1".to_owned(),
            app: "meow".to_owned(),
            variant: "stable".to_owned(),
            roles: Vec::new(),
            release: String::new(),
            cpu: None,
            mem: None,
            draining: false,
            started_ms: 0,
        };
        Lease { server, ends_ms }
    }

    #[test]
    fn a_heartbeat_updates_without_moving_the_version() {
        let cell = ServersCell::default();
        cell.apply(vec![lease("b", 1), lease("a", 1)]);
        let version = cell.version();
        cell.apply(vec![lease("a", 9), lease("b", 9)]);
        assert_eq!(cell.version(), version);
        assert_eq!(cell.read()[0].ends_ms, 9);
        cell.apply(vec![lease("a", 9)]);
        assert_eq!(cell.version(), version + 1);
    }
}
