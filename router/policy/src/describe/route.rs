//! A route as data.

use serde_json::{Value, json};
use sluice_document::units::{duration_text, size_text};

use super::{fields, filters};
use crate::limits::{RateLimit, RouteLimits};
use crate::policy::Policy;
use crate::route::{Retries, Route, Target, Timeouts, WeightedUpstream};

pub(super) fn describe(policy: &Policy, route: &Route) -> Value {
    let Route { name: _, hosts, matches, chain, rollout, target, timeouts, retries, filters, limits, error_pages } =
        route;
    let mut content = json!({
        "hosts": hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "match": matches.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "plugins": chain.iter().map(|plugin| policy.plugins[*plugin].name.as_str()).collect::<Vec<_>>(),
        "rollout": rollout.map(|rollout| policy.rollouts[rollout].name.as_str()),
        "to": to(policy, target),
        "timeouts": timeouts_of(timeouts),
        "retries": retries_of(retries),
        "limits": limits_of(limits),
        "error_pages": error_pages.iter().map(|page| policy.error_pages[*page].name.as_str()).collect::<Vec<_>>(),
    });
    if let (Value::Object(content), Value::Object(own)) = (&mut content, filters::describe(policy, filters)) {
        content.extend(own);
    }
    content
}

fn to(policy: &Policy, target: &Target) -> Value {
    let share = |to: &WeightedUpstream| format!("{} (weight {})", policy.upstreams[to.upstream].name, to.weight);
    match target {
        Target::Upstreams(targets) => match targets.as_slice() {
            [only] => json!(policy.upstreams[only.upstream].name),
            several => several.iter().map(share).collect(),
        },
        Target::Redirect => Value::Null,
        Target::Builtin(builtin) => json!(format!("builtin {}", builtin.as_str())),
    }
}

fn timeouts_of(timeouts: &Timeouts) -> Value {
    let Timeouts { request, connect, first_byte, per_try } = timeouts;
    json!({
        "request": duration_text(*request),
        "connect": duration_text(*connect),
        "first_byte": duration_text(*first_byte),
        "per_try": duration_text(*per_try),
    })
}

fn retries_of(retries: &Retries) -> Value {
    let Retries { attempts, statuses, backoff } = retries;
    json!({ "attempts": attempts, "statuses": statuses, "backoff": duration_text(*backoff) })
}

fn limits_of(limits: &RouteLimits) -> Value {
    let RouteLimits { body_bytes_max, in_flight_max, rate } = limits;
    json!({
        "body": body_bytes_max.map(size_text),
        "in_flight": in_flight_max,
        "rate": rate.as_ref().map(rate_of),
    })
}

fn rate_of(rate: &RateLimit) -> Value {
    let RateLimit { requests, per, burst, key } = rate;
    json!({ "requests": requests, "per": duration_text(*per), "burst": burst, "key": fields(key) })
}
