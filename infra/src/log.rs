//! The log, on stderr: what daemons do. Commands speak to their user themselves, and log faults only.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Filter of the log, e.g. `debug` or `sluice_infra=debug`.
const VARIABLE: &str = "SLUICE_INFRA_LOG";

/// Begins it. A daemon says what it does, a command what goes wrong.
pub(crate) fn start(daemon: bool) {
    let usual = if daemon { "info" } else { "error" };
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new(usual));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
}
