//! `[upstreams.NAME]`: a group of servers, how one is chosen, how many connections it may get.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use super::keys::Keys;
use super::reader::{Named, Reader, Value};
use super::values::{choice, duration, integer};
use super::{fields, health, servers};
use crate::upstream::{Balance, CONNECTIONS_MAX_MAX, Protocol, Upstream};

/// Most requests that may wait for a connection: as many as connections.
pub(crate) const PENDING_MAX_MAX: usize = CONNECTIONS_MAX_MAX;
/// How long a connection may stay idle: from the resolution of a timer to an hour.
const IDLE_RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60 * 60);
/// How long a slow start may take; zero = none.
const SLOW_START_RANGE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(60 * 60);
/// How the protocols are written.
const PROTOCOLS: [(&str, Protocol); 2] = [("http1", Protocol::Http1), ("h2c", Protocol::H2c)];

pub(crate) fn read<'d>(reader: &mut Reader<'_>, name: Named, value: &'d Value<'d>) -> Option<Upstream> {
    let mut keys = Keys::of(reader, value)?;
    let servers = servers::read(reader, &name, &mut keys);
    let protocol =
        keys.optional(reader, "protocol", |reader, value| choice(reader, value, "protocol of servers", &PROTOCOLS));
    let balance = keys.optional(reader, "balance", balance);
    let connections_max =
        keys.optional(reader, "connections_max", |reader, value| integer(reader, value, &(1..=CONNECTIONS_MAX_MAX)));
    let pending_max =
        keys.optional(reader, "pending_max", |reader, value| integer(reader, value, &(0..=PENDING_MAX_MAX)));
    let idle_timeout = keys.optional(reader, "idle_timeout", |reader, value| duration(reader, value, &IDLE_RANGE));
    let slow_start = keys.optional(reader, "slow_start", |reader, value| duration(reader, value, &SLOW_START_RANGE));
    let health = keys.optional(reader, "health", health::check);
    let ejection = keys.optional(reader, "ejection", health::ejection);
    let breaker = keys.optional(reader, "breaker", health::breaker);
    let retry_budget = keys.optional(reader, "retry_budget", health::retry_budget);
    keys.finish(reader);
    let default = Upstream::new(name.text, servers?);
    Some(Upstream {
        protocol: protocol.unwrap_or(default.protocol),
        balance: balance.unwrap_or_default(),
        connections_max: connections_max.unwrap_or(default.connections_max),
        pending_max: pending_max.unwrap_or(default.pending_max),
        idle_timeout: idle_timeout.unwrap_or(default.idle_timeout),
        slow_start: slow_start.unwrap_or(default.slow_start),
        health,
        ejection: ejection.unwrap_or_default(),
        breaker,
        retry_budget: retry_budget.unwrap_or_default(),
        ..default
    })
}

/// `"least-in-flight"`, `"round-robin"` or `{ hash = [FIELD, ..] }`.
fn balance<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Balance> {
    /// The ways that need nothing but their name.
    #[derive(Clone, Copy)]
    enum Plain {
        LeastInFlight,
        RoundRobin,
    }
    if !matches!(value.get_ref(), DeValue::Table(_)) {
        let choices = [("least-in-flight", Plain::LeastInFlight), ("round-robin", Plain::RoundRobin)];
        return choice(reader, value, "way to balance", &choices).map(|plain| match plain {
            Plain::LeastInFlight => Balance::LeastInFlight,
            Plain::RoundRobin => Balance::RoundRobin,
        });
    }
    let mut keys = Keys::of(reader, value)?;
    let hint = "write { hash = [\"cookie:uid\", \"client-address\"] }, \"least-in-flight\" or \"round-robin\"";
    let hash = keys.required(reader, "hash", hint, |reader, value| fields::key(reader, value, "key of a hash"));
    keys.finish(reader);
    hash.map(Balance::Hash)
}
