//! Upstreams as a worker knows them: who belongs to one, which server is next, and who is left alone for a while.
//!
//! A snapshot has a `Group` for each of its upstreams: what the policy says, and the present members. What was learnt
//! from traffic (connections, ejections, the breaker, the retry budget) is in the `Course` of the upstream, kept by the
//! worker's `Registry` over every swap. Nothing here waits but the `gate`, and nothing here reads a clock.

mod balance;
mod breaker;
mod budget;
mod course;
mod ejection;
mod group;
mod members;
mod registry;
mod server;

pub(crate) use breaker::Pass;
pub(crate) use budget::pause;
pub(crate) use group::{Group, Outcome, Wanted};
pub(crate) use registry::Registry;
pub(crate) use server::{InFlight, Server};
