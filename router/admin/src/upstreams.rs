//! `/v1/upstreams`: every upstream of the current revision, its servers and how they stand.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use sluice_policy::{Balance, Protocol, Upstream};
use sluice_snapshot::Cells;
use sluice_snapshot::upstream::{Failure, Listed, listed};

use crate::Shared;
use crate::api::now_ms;

pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/v1/upstreams", get(upstreams))
}

#[derive(Debug, Serialize)]
struct UpstreamInfo {
    name: String,
    protocol: &'static str,
    balance: &'static str,
    servers: Vec<ServerInfo>,
    /// Requests that wait for a connection now.
    pending: u64,
    connections: u64,
    requests: u64,
    retries: u64,
    failures: std::collections::BTreeMap<&'static str, u64>,
    ejections: u64,
    breaker_opens: u64,
}

#[derive(Debug, Serialize)]
struct ServerInfo {
    address: String,
    weight: u32,
    /// It passes the active checks, or there are none.
    healthy: bool,
    /// Workers that leave it alone after failures.
    ejected_by: u64,
    /// It gets no new requests: its lease says so, or it has left and ends what is in flight.
    draining: bool,
    in_flight: u64,
}

async fn upstreams(State(context): State<Shared>) -> Json<Vec<UpstreamInfo>> {
    let (_, snapshot) = context.handle.published().load();
    Json(snapshot.policy.upstreams.iter().map(|upstream| describe(upstream, &snapshot.cells)).collect())
}

fn describe(upstream: &Upstream, cells: &Cells) -> UpstreamInfo {
    let cell = cells.upstream(&upstream.name);
    let known = cell.read();
    let mut totals = cell.totals(now_ms());
    let mut server = |Listed { address, weight, is_draining }| {
        let counted = totals.servers.remove(&address).unwrap_or_default();
        ServerInfo {
            healthy: upstream.health.is_none() || !known.is_unhealthy(&address),
            ejected_by: counted.ejected_by,
            draining: is_draining,
            in_flight: counted.in_flight,
            address,
            weight,
        }
    };
    let mut servers: Vec<ServerInfo> =
        listed(upstream, &cells.servers().read(), &known).into_iter().map(&mut server).collect();
    // What is left has left the upstream, and ends what is in flight.
    let leaving = totals.servers.into_iter().filter(|(_, counted)| counted.in_flight > 0);
    servers.extend(leaving.map(|(address, counted)| ServerInfo {
        address,
        weight: 0,
        healthy: true,
        ejected_by: counted.ejected_by,
        draining: true,
        in_flight: counted.in_flight,
    }));
    UpstreamInfo {
        name: upstream.name.clone(),
        protocol: match upstream.protocol {
            Protocol::Http1 => "http1",
            Protocol::H2c => "h2c",
        },
        balance: match upstream.balance {
            Balance::LeastInFlight => "least-in-flight",
            Balance::RoundRobin => "round-robin",
            Balance::Hash(_) => "hash",
        },
        servers,
        pending: totals.pending,
        connections: totals.connections,
        requests: totals.requests,
        retries: totals.retries,
        failures: Failure::ALL.iter().map(|failure| failure.as_str()).zip(totals.failures).collect(),
        ejections: totals.ejections,
        breaker_opens: totals.breaker_opens,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    use sluice_policy::upstream::HealthCheck;
    use sluice_policy::{Servers, StaticServer};
    use sluice_snapshot::upstream::ServerStats;

    use super::*;

    #[test]
    fn servers_are_shown_as_listed_and_then_those_that_end_what_they_have() {
        let listed = |address: &str, weight| StaticServer { address: address.to_owned(), weight };
        let mut upstream = Upstream::new("app".to_owned(), Servers::Static(vec![listed("b:1", 2), listed("a:1", 0)]));
        upstream.health = Some(HealthCheck::new("/".to_owned()));
        let cells = Cells::new();
        let cell = cells.upstream("app");
        cell.update(|known| known.unhealthy = vec!["a:1".to_owned()]);
        let counted = |address: &str, in_flight| {
            let stats = ServerStats::new(address);
            stats.in_flight.store(in_flight, Ordering::Relaxed);
            stats.ejected_until_ms.store(u64::MAX, Ordering::Relaxed);
            Arc::new(stats)
        };
        for worker in 0..2 {
            cell.stats(worker).set_servers(vec![counted("b:1", 3), counted("old:1", 1), counted("gone:1", 0)]);
        }
        let shown = serde_json::to_value(describe(&upstream, &cells)).unwrap();
        let server = |index: usize| shown["servers"][index].clone();
        assert_eq!(shown["servers"].as_array().unwrap().len(), 3);
        assert_eq!((server(0)["address"].as_str(), server(0)["in_flight"].as_u64()), (Some("b:1"), Some(6)));
        assert_eq!((server(0)["ejected_by"].as_u64(), server(0)["healthy"].as_bool()), (Some(2), Some(true)));
        assert_eq!((server(1)["weight"].as_u64(), server(1)["healthy"].as_bool()), (Some(0), Some(false)));
        assert_eq!((server(2)["address"].as_str(), server(2)["draining"].as_bool()), (Some("old:1"), Some(true)));
    }
}
