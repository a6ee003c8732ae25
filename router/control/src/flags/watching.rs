//! Which switches the store is to follow: those of `sluice.toml`, and those that plugins of the revision that serves read.
//!
//! Runs beside the builder, for the store answers only after `apply` has taken what it says. A plugin that is new in a
//! revision reads its switch as missing, which is off, until the store has told it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sluice_snapshot::{Plugin, Seat};
use sluice_state::SWITCHES_MAX;
use tokio::sync::watch;
use tokio::time::sleep;

use super::FLAG_PREFIX;
use crate::fault::{FaultSource, chain};
use crate::shared::Shared;

/// How long a failed call waits for its next try.
const RETRY: Duration = Duration::from_secs(1);
/// What the fault is about.
const SUBJECT: &str = "switches";

/// See the module.
#[derive(Debug)]
pub(crate) struct Watching {
    shared: Arc<Shared>,
    /// Followed by the store, in order.
    followed: Vec<String>,
}

impl Watching {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        // The store was opened with these.
        let followed = wanted(&shared.switches, std::iter::empty()).0;
        Self { shared, followed }
    }

    /// Runs until control stops.
    pub(crate) async fn run(mut self, mut revision: watch::Receiver<u64>) {
        loop {
            let is_done = self.round().await;
            tokio::select! {
                changed = revision.changed() => if changed.is_err() { return },
                () = sleep(RETRY), if !is_done => {}
            }
        }
    }

    /// Has followed what is to be followed; true if the store does. Cancel safe: all of it can be repeated.
    pub(crate) async fn round(&mut self) -> bool {
        let snapshot = self.shared.published.load().1;
        let plugins = snapshot.seats.iter().flat_map(Seat::occupants).map(AsRef::as_ref);
        let (names, left_out) = wanted(&self.shared.switches, plugins);
        drop(snapshot);
        let followed = if names == self.followed { Ok(()) } else { self.shared.store.watch_switches(&names).await };
        let message = match &followed {
            Err(error) => Some(format!("the store does not follow {} yet: {}", names.join(", "), chain(error))),
            Ok(()) if left_out.is_empty() => None,
            Ok(()) => Some(format!("no key can be named {}: these stay off", left_out.join(", "))),
        };
        self.shared.board.set(FaultSource::State, SUBJECT, message);
        if followed.is_ok() && names != self.followed {
            self.shared.flags.follow_switches(&names);
            self.followed = names;
        }
        followed.is_ok()
    }
}

/// The names to follow, in order, and those that cannot be followed.
fn wanted<'a>(switches: &[String], plugins: impl Iterator<Item = &'a Plugin>) -> (Vec<String>, Vec<String>) {
    let mut names: BTreeSet<String> = switches.iter().cloned().collect();
    let read =
        plugins.flat_map(|plugin| plugin.activation.state.iter()).filter_map(|key| key.strip_prefix(FLAG_PREFIX));
    names.extend(read.map(str::to_owned));
    let (mut fit, mut left_out): (Vec<String>, Vec<String>) =
        names.into_iter().partition(|name| sluice_model::flag::is_name(name));
    if fit.len() > SWITCHES_MAX {
        left_out.extend(fit.split_off(SWITCHES_MAX));
    }
    let left_out = left_out.iter().map(|name| format!("`{}`", name.escape_debug())).collect();
    (fit, left_out)
}
