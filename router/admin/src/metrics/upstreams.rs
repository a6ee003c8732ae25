//! What the data plane counts of the servers it sends requests to.

use std::sync::Arc;

use prometheus::proto::{Metric, MetricFamily};
use sluice_snapshot::Snapshot;
use sluice_snapshot::time::unix_ms;
use sluice_snapshot::upstream::{Failure, Known, UpstreamTotals};

use super::families::{Row, counter, counters, gauge, gauges, histogram, histograms, number};

/// What is counted of each upstream since the start.
const COUNTERS: [Row<UpstreamTotals>; 7] = [
    ("sluice_upstream_requests_total", "Attempts at servers.", |totals| totals.requests),
    ("sluice_upstream_retries_total", "Requests that were sent again.", |totals| totals.retries),
    ("sluice_upstream_retries_denied_total", "Retries that the budget did not allow.", |totals| totals.retries_denied),
    ("sluice_upstream_ejections_total", "Servers ejected after failures.", |totals| totals.ejections),
    ("sluice_upstream_breaker_opens_total", "How often the breaker opened.", |totals| totals.breaker_opens),
    ("sluice_upstream_breaker_refused_total", "Requests refused by the open breaker.", |totals| totals.breaker_refused),
    ("sluice_upstream_pending_refused_total", "Requests refused because too many waited.", |totals| {
        totals.pending_refused
    }),
];

/// What is shown of each upstream as it stands.
const GAUGES: [Row<Upstream>; 3] = [
    ("sluice_upstream_pending", "Requests that wait for a connection.", |upstream| upstream.totals.pending),
    ("sluice_upstream_connections", "Connections held, as of the last look around.", |upstream| {
        upstream.totals.connections
    }),
    ("sluice_upstream_servers_unhealthy", "Servers that fail the active checks.", |upstream| {
        upstream.known.unhealthy.len() as u64
    }),
];

/// One upstream at the time of a scrape.
struct Upstream {
    name: String,
    totals: UpstreamTotals,
    known: Arc<Known>,
}

impl Upstream {
    fn read(snapshot: &Snapshot, name: &str, now_ms: u64) -> Self {
        let cell = snapshot.cells.upstream(name);
        Self { name: name.to_owned(), totals: cell.totals(now_ms), known: cell.read() }
    }
}

pub(super) fn families(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let now_ms = unix_ms();
    let upstreams: Vec<Upstream> =
        snapshot.policy.upstreams.iter().map(|upstream| Upstream::read(snapshot, &upstream.name, now_ms)).collect();
    let mut families = counted(&upstreams);
    families.extend(standing(&upstreams));
    families.extend(servers(&upstreams));
    families
}

fn counted(upstreams: &[Upstream]) -> Vec<MetricFamily> {
    let each = |(name, help, of): Row<UpstreamTotals>| {
        let sample = |upstream: &Upstream| counter(&[("upstream", &upstream.name)], of(&upstream.totals));
        counters(name, help, upstreams.iter().map(sample))
    };
    let failures = upstreams.iter().flat_map(|upstream| {
        let by_cause = Failure::ALL.into_iter().zip(upstream.totals.failures);
        by_cause.map(|(cause, count)| counter(&[("upstream", &upstream.name), ("cause", cause.as_str())], count))
    });
    let durations =
        upstreams.iter().map(|upstream| histogram(&[("upstream", &upstream.name)], &upstream.totals.latency));
    let mut families: Vec<MetricFamily> = COUNTERS.into_iter().map(each).collect();
    families.extend([
        counters("sluice_upstream_failures_total", "Attempts at servers that failed, by cause.", failures),
        histograms(
            "sluice_upstream_duration_seconds",
            "From the begin of an attempt to the head of its response.",
            durations,
        ),
    ]);
    families
}

fn standing(upstreams: &[Upstream]) -> Vec<MetricFamily> {
    let each = |(name, help, of): Row<Upstream>| {
        let sample = |upstream: &Upstream| gauge(&[("upstream", &upstream.name)], number(of(upstream)));
        gauges(name, help, upstreams.iter().map(sample))
    };
    GAUGES.into_iter().map(each).collect()
}

fn servers(upstreams: &[Upstream]) -> Vec<MetricFamily> {
    let (mut in_flight, mut ejected): (Vec<Metric>, Vec<Metric>) = (Vec::new(), Vec::new());
    for upstream in upstreams {
        for (server, totals) in &upstream.totals.servers {
            let labels = [("upstream", &*upstream.name), ("server", &**server)];
            in_flight.push(gauge(&labels, number(totals.in_flight)));
            ejected.push(gauge(&labels, number(totals.ejected_by)));
        }
    }
    vec![
        gauges("sluice_server_requests_in_flight", "Requests on their way to a server.", in_flight),
        gauges("sluice_server_ejected_workers", "Workers that leave a server alone after failures.", ejected),
    ]
}
