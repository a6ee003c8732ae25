//! Tests of the store through its public face: the same contract on both backends, then what is special to each.
//! Redis is a real `redis-server`, started by the test on a free port of loopback.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on ends; clippy only sees test functions"
)]

mod cluster;
mod contract;
mod embedded;
mod faults;
mod fixture;
mod flags;
mod hostile;
mod jobs;
mod notices;
mod redis;
mod scaling;
mod server;
mod support;
