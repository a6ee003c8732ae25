//! Control with real folders, real plugins and the embedded store: what an operator and a plugin author would notice.
//!
//! The plugins come from `cargo xtask plugins`; `SLUICE_PLUGINS_DIR` says where they are, if elsewhere.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail a test by a panic")]

mod explain;
mod fallbacks;
mod faults;
mod live;
mod releases;
mod reloads;
mod restarts;
mod rollbacks;
mod site;
mod trials;
mod upstreams;
