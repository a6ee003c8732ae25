//! Our own init, for a droplet of the local cloud: starts services, keeps them running, keeps what they print.
//!
//! [`Server`] runs in the droplet's first process and listens on `/run/sluice/init.sock` below the root; [`Supervisor`] is
//! its client and one of the two [`crate::Init`]s. They speak one line of JSON each way (`protocol`), of bounded length.
//! One `service` task owns one child: nobody else starts, signals or reaps it. A service that was started comes back
//! with the droplet, one that was stopped does not, as with `systemctl enable --now`.

mod client;
mod journal;
mod launch;
mod protocol;
mod record;
mod restarts;
mod server;
mod service;

pub use client::Supervisor;
pub use launch::resolve;
pub(crate) use restarts::IN_A_ROW_MAX as RESTARTS_IN_A_ROW_MAX;
pub use server::{Server, ServerSettings};
