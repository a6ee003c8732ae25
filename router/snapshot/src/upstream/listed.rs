//! Who belongs to an upstream: what its policy lists, what its name resolves to, or who holds a lease.

use sluice_model::lease::Lease;
use sluice_policy::upstream::SERVER_WEIGHT_DEFAULT;
use sluice_policy::{Servers, Upstream};

use super::Known;

/// One server of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// `host:port`.
    pub address: String,
    /// Share, relative; 0 = no requests.
    pub weight: u32,
    /// Its lease says that it gets no new requests.
    pub is_draining: bool,
}

/// The servers of an upstream, in the order of its source.
#[must_use]
pub fn listed(upstream: &Upstream, leases: &[Lease], known: &Known) -> Vec<Listed> {
    let evenly =
        |address: &String, is_draining| Listed { address: address.clone(), weight: SERVER_WEIGHT_DEFAULT, is_draining };
    match &upstream.servers {
        Servers::Static(servers) => {
            let server = |server: &sluice_policy::StaticServer| Listed {
                address: server.address.clone(),
                weight: server.weight,
                is_draining: false,
            };
            servers.iter().map(server).collect()
        }
        Servers::Dns { host, port, .. } => {
            known.addresses(host, *port).iter().map(|address| evenly(address, false)).collect()
        }
        Servers::Discover { app, variant } => {
            let servers = leases.iter().map(|lease| &lease.server);
            let own = servers.filter(|server| server.app == *app && server.variant == *variant);
            own.map(|server| evenly(&server.addr, server.draining)).collect()
        }
    }
}
