//! What becomes of an alert that is not seen any more.

use sluice_model::alert::{Alert, AlertId, AlertStatus, Firing};

/// Behind the id of an alert: its resolved notice.
pub(crate) const RESOLVED_SUFFIX: &str = "-resolved";

/// The notice that `firing` goes on no more.
pub(crate) fn resolved(firing: &Firing, now_ms: u64) -> Alert {
    let alert = firing.alert.clone();
    let id = AlertId::from_text(format!("{}{RESOLVED_SUFFIX}", alert.id));
    Alert { id, status: AlertStatus::Resolved, at_ms: now_ms, ..alert }
}
