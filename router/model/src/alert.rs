//! Alerts: what a rule saw, once, with an id that is the same however often it is sent.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How long the same alert (rule, route, rollout run) stays quiet after it was raised.
pub const ALERT_COOLDOWN_MS: u64 = 60_000;

/// Identity of an alert, 32 hex digits; retries of one alert carry one id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AlertId(String);

impl AlertId {
    /// Derives the id from what makes two alerts the same one.
    #[must_use]
    pub fn derive(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part.len().to_le_bytes());
            hash.update(part.as_bytes());
        }
        Self(hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An id read back from the store or an API path.
    #[must_use]
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl std::fmt::Display for AlertId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One alert as it is stored and shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Identity; see [`AlertId`].
    pub id: AlertId,
    /// Rule that fired, e.g. `upload-size`.
    pub rule: String,
    /// What the alert is about; alerts of one rule and fingerprint within the cooldown are one.
    pub fingerprint: String,
    /// Route of the offending request.
    pub route: String,
    /// Plugin that raised it.
    pub plugin: String,
    /// One line for people.
    pub message: String,
    /// What was seen.
    pub observed: u64,
    /// The limit it broke.
    pub limit: u64,
    /// Variant the request had been given, if any.
    pub variant: Option<String>,
    /// Rollout that it aborted, if any.
    pub rollout: Option<String>,
    /// Request that broke the limit.
    pub request_id: String,
    /// When, ms since the Unix epoch.
    pub at_ms: u64,
}
