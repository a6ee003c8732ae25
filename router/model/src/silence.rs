//! Silences: alerts that match are stored and shown, and nobody is told of them. Never stops an abort.

use serde::{Deserialize, Serialize};

use crate::alert::Alert;

/// Most silences at a time.
pub const SILENCES_MAX: usize = 256;

/// One silence. What it names must all match; what it leaves out matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Identity, 8 hex digits.
    pub id: String,
    /// Alerts of this rule.
    #[serde(default)]
    pub rule: Option<String>,
    /// Alerts of this route.
    #[serde(default)]
    pub route: Option<String>,
    /// Alerts of this fingerprint.
    #[serde(default)]
    pub fingerprint: Option<String>,
    /// When it ends, ms since the Unix epoch.
    pub until_ms: u64,
    /// Who made it.
    pub by: String,
    /// Why, one line.
    pub reason: String,
}

impl Silence {
    /// True if `alert` is silenced at `now_ms`.
    #[must_use]
    pub fn covers(&self, alert: &Alert, now_ms: u64) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        now_ms < self.until_ms
            && is(&self.rule, &alert.rule)
            && is(&self.route, &alert.route)
            && is(&self.fingerprint, &alert.fingerprint)
    }
}
