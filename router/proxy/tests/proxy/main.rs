//! The data plane over real sockets: real clients on one side, real origins on the other, nothing in between but us.

#![expect(clippy::unwrap_used, clippy::panic, reason = "clippy knows tests by #[test], not their helpers")]

mod access_log;
mod balance;
mod bodies;
mod client;
mod client_faults;
mod complaints;
mod connections;
mod cors;
mod counters;
mod decisions;
mod edits;
mod ejection;
mod error_pages;
mod fault_matrix;
mod faulty;
mod fields;
mod frames;
mod h2_floods;
mod h2_heads;
mod h2_lifetime;
mod h2_requests;
mod h2_servers;
mod h2client;
mod h2origin;
mod h2wire;
mod heads;
mod lifetime;
mod limits;
mod origin;
mod overload;
mod pending;
mod plugins;
mod redirects;
mod retries;
mod rewrites;
mod router;
mod schema;
mod servers;
mod slow;
mod timeouts;
mod traces;
