//! Where a request goes once every plugin has spoken: the same choice as the request path makes, with its reasons.

use sluice_model::bucket::slot;
use sluice_model::field::Field;
use sluice_model::weight::BasisPoints;
use sluice_policy::filter::Scheme;
use sluice_policy::location::Address;
use sluice_policy::{Balance, Found, Protocol, Rollout, Servers, Target, Upstream, WeightedUpstream};
use sluice_snapshot::upstream::{Listed, listed};
use sluice_snapshot::{Cells, RolloutCell, Snapshot};

use crate::explain::chain::{self, Ending, Heard};
use crate::explain::question::Head;
use crate::explain::report::{Outcome, RolloutSeen, ServerSeen, UpstreamSeen};

/// Status of a builtin's answer.
const OK: u16 = 200;

/// What becomes of a request of the route in `found` whose chain said this.
pub(crate) fn outcome(snapshot: &Snapshot, found: Found, head: &Head, heard: &Heard) -> Outcome {
    let answered = |by: String, status| Outcome::Answered { by, status, location: None };
    match &heard.answered {
        Some(Ending::Answer { plugin, status }) => return answered(format!("plugin `{plugin}`"), *status),
        Some(Ending::Failure { plugin, status }) => {
            let reason = format!("plugin `{plugin}` fails, and its policy is to refuse then");
            return Outcome::Refused { status: *status, reason };
        }
        None => {}
    }
    match &snapshot.policy.routes[found.route].target {
        Target::Builtin(builtin) => answered(format!("builtin `{}`", builtin.as_str()), OK),
        Target::Redirect => redirect(snapshot, found, head),
        Target::Upstreams(targets) => sent(snapshot, found.route, head, heard, targets),
    }
}

fn redirect(snapshot: &Snapshot, found: Found, head: &Head) -> Outcome {
    let route = &snapshot.policy.routes[found.route];
    let Some(redirect) = &route.filters.redirect else {
        return Outcome::Refused { status: 500, reason: "the route has no target".to_owned() };
    };
    let address = Address {
        scheme: Scheme::Http,
        host: &head.host,
        port: head.port,
        path: head.path(),
        query: head.query.as_deref(),
    };
    let location = redirect.location(&address, &route.matches[found.matched].path);
    Outcome::Answered { by: "the redirect of the route".to_owned(), status: redirect.status, location: Some(location) }
}

/// The rollout of the route, and the user's place in it.
pub(crate) fn rollout(snapshot: &Snapshot, route: usize, head: &Head) -> Option<RolloutSeen> {
    let policy = &snapshot.policy;
    let declared = &policy.rollouts[policy.routes[route].rollout?];
    let cell = snapshot.routes[route].rollout.as_deref()?;
    let view = cell.view();
    let weight = match &view {
        Some(view) if !cell.is_aborted() => view.effective_weight(),
        Some(_) | None => BasisPoints::ZERO,
    };
    let found = head.fields().first_present(&declared.key);
    let place = found.as_ref().zip(view.as_ref()).map(|((_, value), view)| slot(&view.salt, value));
    Some(RolloutSeen {
        name: declared.name.clone(),
        state: state(cell),
        weight: weight.as_percent(),
        key: found.map(|(index, _)| declared.key[index].to_string()),
        slot: place,
        canary_slots: weight.get(),
        variant: place.and_then(|slot| cell.owner(slot)),
    })
}

fn state(cell: &RolloutCell) -> String {
    match cell.view() {
        _ if cell.is_aborted() => "aborted".to_owned(),
        Some(view) => view.state.to_string(),
        None => "unknown: the store has not said anything yet".to_owned(),
    }
}

/// As `pick` of the request path: a plugin's variant, else that of the weighted upstream; an abort overrides both.
fn sent(snapshot: &Snapshot, route: usize, head: &Head, heard: &Heard, targets: &[WeightedUpstream]) -> Outcome {
    let policy = &snapshot.policy;
    let by_weight = || shares(snapshot, targets);
    let Some(declared) = policy.routes[route].rollout.map(|rollout| &policy.rollouts[rollout]) else {
        let reason = if targets.len() > 1 { "by weight" } else { "the route names no other" };
        return Outcome::Sent { variant: None, reason: reason.to_owned(), upstreams: by_weight() };
    };
    let is_aborted = snapshot.routes[route].rollout.as_deref().is_some_and(RolloutCell::is_aborted);
    // What is counted as it streams comes too late for this request.
    let aborts_now = heard.aborted_by.as_ref().filter(|_| !chain::is_form(head));
    let (variant, reason) = match &heard.variant {
        Some((variant, plugin)) => (variant.clone(), format!("chosen by plugin `{plugin}`")),
        None => match only_variant(declared, targets) {
            Some(variant) => (variant, "no plugin chose a variant, so the route's target counts".to_owned()),
            None => {
                let reason = "no plugin chose a variant: by weight".to_owned();
                return Outcome::Sent { variant: None, reason, upstreams: by_weight() };
            }
        },
    };
    let (variant, reason) = match aborts_now {
        Some(plugin) if variant != declared.stable => {
            (declared.stable.clone(), format!("plugin `{plugin}` would abort the rollout with this very request"))
        }
        _ if is_aborted && variant != declared.stable => {
            (declared.stable.clone(), "the rollout is aborted, which overrides any plugin".to_owned())
        }
        _ => (variant, reason),
    };
    let upstream = declared.upstream_of(&variant);
    let upstreams = upstream.map(|index| seen(&policy.upstreams[index], &snapshot.cells, 100.0));
    Outcome::Sent { variant: Some(variant), reason, upstreams: upstreams.into_iter().collect() }
}

/// The variant of the only target that has a weight.
fn only_variant(rollout: &Rollout, targets: &[WeightedUpstream]) -> Option<String> {
    let mut weighted = targets.iter().filter(|target| target.weight > 0);
    let (only, None) = (weighted.next()?, weighted.next()) else { return None };
    rollout.variants.iter().find(|(_, serves)| *serves == only.upstream).map(|(variant, _)| variant.clone())
}

fn shares(snapshot: &Snapshot, targets: &[WeightedUpstream]) -> Vec<UpstreamSeen> {
    let total: f64 = targets.iter().map(|target| f64::from(target.weight)).sum();
    let share = |weight: u32| 100.0 * f64::from(weight) / total.max(1.0);
    let upstream = |target: &WeightedUpstream| {
        seen(&snapshot.policy.upstreams[target.upstream], &snapshot.cells, share(target.weight))
    };
    targets.iter().map(upstream).collect()
}

fn seen(upstream: &Upstream, cells: &Cells, share: f64) -> UpstreamSeen {
    let known = cells.upstream(&upstream.name).read();
    let server = |listed: Listed| ServerSeen {
        out: if listed.is_draining {
            Some("drains".to_owned())
        } else if listed.weight == 0 {
            Some("has weight 0".to_owned())
        } else {
            known.is_unhealthy(&listed.address).then(|| "fails its checks".to_owned())
        },
        weight: listed.weight,
        address: listed.address,
    };
    let servers = listed(upstream, &cells.servers().read(), &known).into_iter().map(server).collect();
    let source = match &upstream.servers {
        Servers::Static(_) => "listed in the policy".to_owned(),
        Servers::Dns { host, port, .. } => format!("resolved from {host}:{port}"),
        Servers::Discover { app, variant } => format!("leases of app `{app}`, variant `{variant}`"),
    };
    UpstreamSeen { name: upstream.name.clone(), share, source, balance: balance(upstream), servers }
}

fn balance(upstream: &Upstream) -> String {
    let protocol = match upstream.protocol {
        Protocol::Http1 => "HTTP/1.1",
        Protocol::H2c => "HTTP/2",
    };
    match &upstream.balance {
        Balance::LeastInFlight => format!("{protocol}, the one with fewer requests in flight of two"),
        Balance::RoundRobin => format!("{protocol}, in turn by weight"),
        Balance::Hash(key) => {
            let key: Vec<String> = key.iter().map(Field::to_string).collect();
            format!("{protocol}, by a hash of {}", key.join(", else "))
        }
    }
}
