//! `[upstreams.NAME]`: a group of servers, how one is chosen, how many connections it may get.

use std::ops::RangeInclusive;
use std::time::Duration;

use sluice_document::keys::Keys;
use sluice_document::reader::{Named, Reader, Value};
use sluice_document::shape::{FIELD, Form, HOST_AND_PORT, Key, Rule, Shape};
use sluice_document::values::{choice, duration, integer};
use toml::de::DeValue;

use super::{fields, health, servers};
use crate::upstream::{Balance, CONNECTIONS_MAX_MAX, Protocol, Upstream};

/// Connections that may be asked for.
const CONNECTIONS_RANGE: RangeInclusive<u64> = 1..=CONNECTIONS_MAX_MAX as u64;
/// Requests that may wait for a connection: as many as connections.
const PENDING_RANGE: RangeInclusive<u64> = 0..=CONNECTIONS_MAX_MAX as u64;
/// How long a connection may stay idle: from the resolution of a timer to an hour.
const IDLE_RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60 * 60);
/// How long a slow start may take; zero = none.
const SLOW_START_RANGE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(60 * 60);
/// How the protocols are written.
const PROTOCOLS: [(&str, Protocol); 2] = [("http1", Protocol::Http1), ("h2c", Protocol::H2c)];

pub(crate) const SHAPE: Shape = Shape::new(
    "[upstreams.NAME]",
    &[
        Key::optional(
            "servers",
            Form::List(&Form::Either(&[HOST_AND_PORT, Form::Table(&servers::SERVER)]), 1, servers::SERVERS_MAX),
            "The servers of the group",
        ),
        Key::optional("dns", Form::Table(&servers::DNS), "Every address of a name, resolved again and again"),
        Key::optional("discover", Form::Table(&servers::DISCOVER), "The servers that hold a lease"),
        Key::default(
            "protocol",
            Form::Words(&["http1", "h2c"]),
            "\"http1\"",
            "What the servers speak; h2c is HTTP/2 over cleartext by prior knowledge",
        ),
        Key::default(
            "balance",
            Form::Either(&[Form::Words(&["least-in-flight", "round-robin"]), Form::Table(&BALANCE)]),
            "\"least-in-flight\"",
            "How a server is chosen",
        ),
        Key::default(
            "connections_max",
            Form::Integer(CONNECTIONS_RANGE),
            "256",
            "Connections of one worker to the whole group",
        ),
        Key::default(
            "pending_max",
            Form::Integer(PENDING_RANGE),
            "1024",
            "Requests of one worker that may wait for a connection; more are answered 503",
        ),
        Key::default(
            "idle_timeout",
            Form::Duration(IDLE_RANGE),
            "\"4s\"",
            "How long a connection may stay idle; below the servers' own keep-alive",
        ),
        Key::default(
            "slow_start",
            Form::Duration(SLOW_START_RANGE),
            "\"0s\"",
            "Time in which a server that comes back grows to its full share",
        ),
        Key::optional("health", Form::Table(&health::HEALTH), "Active checks; none without it"),
        Key::default("ejection", Form::Table(&health::EJECTION), "{}", "Passive checks, per worker"),
        Key::optional(
            "breaker",
            Form::Table(&health::BREAKER),
            "When the whole upstream is left alone, per worker; never without it",
        ),
        Key::default(
            "retry_budget",
            Form::Table(&health::RETRY_BUDGET),
            "{}",
            "What retries may add to the load, per worker",
        ),
    ],
)
.with_rule(Rule::ExactlyOne(&["servers", "dns", "discover"]));
const BALANCE: Shape = Shape::new(
    "balance",
    &[Key::required(
        "hash",
        Form::OneOrMore(&FIELD, fields::KEY_FIELDS_MAX),
        "Fields of which the first that is present is hashed; a server that leaves moves only its own keys",
    )],
);

pub(crate) fn read<'d>(reader: &mut Reader<'_>, name: Named, value: &'d Value<'d>) -> Option<Upstream> {
    let mut keys = Keys::of(reader, value, &SHAPE)?;
    let servers = servers::read(reader, &name, &mut keys);
    let protocol =
        keys.optional(reader, "protocol", |reader, value| choice(reader, value, "protocol of servers", &PROTOCOLS));
    let balance = keys.optional(reader, "balance", balance);
    let connections_max =
        keys.optional(reader, "connections_max", |reader, value| integer(reader, value, &CONNECTIONS_RANGE));
    let pending_max = keys.optional(reader, "pending_max", |reader, value| integer(reader, value, &PENDING_RANGE));
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
    let mut keys = Keys::of(reader, value, &BALANCE)?;
    let hint = "write { hash = [\"cookie:uid\", \"client-address\"] }, \"least-in-flight\" or \"round-robin\"";
    let hash = keys.required(reader, "hash", hint, |reader, value| fields::key(reader, value, "key of a hash"));
    keys.finish(reader);
    hash.map(Balance::Hash)
}
