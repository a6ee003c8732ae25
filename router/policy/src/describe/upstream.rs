//! An upstream as data.

use serde_json::{Value, json};
use sluice_document::units::duration_text;

use super::{fields, range};
use crate::upstream::{
    Balance, Breaker, Ejection, HealthCheck, Protocol, RetryBudget, Servers, StaticServer, Upstream,
};

pub(super) fn describe(upstream: &Upstream) -> Value {
    let Upstream {
        name: _,
        servers,
        protocol,
        balance,
        connections_max,
        pending_max,
        idle_timeout,
        health,
        ejection,
        slow_start,
        breaker,
        retry_budget,
    } = upstream;
    let RetryBudget { percent, per_second_min } = retry_budget;
    json!({
        "servers": servers_of(servers),
        "protocol": match protocol {
            Protocol::Http1 => "http1",
            Protocol::H2c => "h2c",
        },
        "balance": match balance {
            Balance::LeastInFlight => json!("least-in-flight"),
            Balance::RoundRobin => json!("round-robin"),
            Balance::Hash(key) => json!({ "hash": fields(key) }),
        },
        "connections_max": connections_max,
        "pending_max": pending_max,
        "idle_timeout": duration_text(*idle_timeout),
        "health": health.as_ref().map(health_of),
        "ejection": ejection_of(ejection),
        "slow_start": duration_text(*slow_start),
        "breaker": breaker.as_ref().map(breaker_of),
        "retry_budget": { "percent": percent, "per_second_min": per_second_min },
    })
}

fn servers_of(servers: &Servers) -> Value {
    let server = |server: &StaticServer| match server.weight {
        crate::upstream::SERVER_WEIGHT_DEFAULT => server.address.clone(),
        weight => format!("{} (weight {weight})", server.address),
    };
    match servers {
        Servers::Static(listed) => listed.iter().map(server).collect(),
        Servers::Dns { host, port, refresh } => {
            json!({ "dns": format!("{host}:{port}"), "refresh": duration_text(*refresh) })
        }
        Servers::Discover { app, variant } => json!({ "discover": format!("{app}, {variant}") }),
    }
}

fn health_of(health: &HealthCheck) -> Value {
    let HealthCheck { path, host, interval, timeout, healthy_after, unhealthy_after, statuses } = health;
    json!({
        "path": path,
        "host": host,
        "interval": duration_text(*interval),
        "timeout": duration_text(*timeout),
        "healthy_after": healthy_after,
        "unhealthy_after": unhealthy_after,
        "statuses": range(statuses),
    })
}

fn ejection_of(ejection: &Ejection) -> Value {
    let Ejection { consecutive_failures, base, max, share_max_percent } = ejection;
    json!({
        "consecutive_failures": consecutive_failures,
        "base": duration_text(*base),
        "max": duration_text(*max),
        "share_max": share_max_percent,
    })
}

fn breaker_of(breaker: &Breaker) -> Value {
    let Breaker { failures_percent, requests_min, window, open } = breaker;
    json!({
        "failures": failures_percent,
        "requests_min": requests_min,
        "window": duration_text(*window),
        "open": duration_text(*open),
    })
}
