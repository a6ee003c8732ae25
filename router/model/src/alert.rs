//! Alerts: what a rule saw, once, with an id that is the same however often it is sent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How long the same alert (rule, route, rollout run) stays quiet after it was raised.
pub const ALERT_COOLDOWN_MS: u64 = 60_000;

/// Ends the id of the notice that an alert is over.
const RESOLVED: &str = "-resolved";

/// Identity of an alert, 32 hex digits; retries of one alert carry one id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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

    /// The id of the notice that the alert of this id is over.
    #[must_use]
    pub fn resolved(&self) -> Self {
        Self(format!("{}{RESOLVED}", self.0))
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

/// Whether what an alert is about still goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertStatus {
    /// It goes on.
    #[default]
    Firing,
    /// It was not seen any more for as long as its rule keeps it up.
    Resolved,
}

impl AlertStatus {
    /// The word that stands in the store and in notices.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        [Self::Firing, Self::Resolved].into_iter().find(|status| status.as_str() == text)
    }
}

/// An alert that is up: seen, and not resolved yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Firing {
    /// As it was raised.
    pub alert: Alert,
    /// When it was last seen, ms since the Unix epoch.
    pub seen_ms: u64,
    /// How long it stays up after that, ms.
    pub keep_ms: u64,
}

/// A notice that no sink took in all its tries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Place among the dead letters, as the store has it.
    pub entry: String,
    /// What was to be told.
    pub alert: Alert,
    /// Whom.
    pub sink: String,
    /// Why it failed last, one line.
    pub error: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up, ms since the Unix epoch.
    pub at_ms: u64,
}

/// One alert as it is stored and shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// Whether it goes on. The resolved notice of an alert has the id of the alert with `-resolved` behind it.
    #[serde(default)]
    pub status: AlertStatus,
    /// Labels of its rule.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Router that raised it.
    #[serde(default)]
    pub router: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_of_its_parts_and_of_their_borders() {
        let id = AlertId::derive(&["size", "app"]);
        assert_eq!(id, AlertId::derive(&["size", "app"]));
        assert!(id.as_str().len() == 32 && id.as_str().bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        for other in [&["sizea", "pp"][..], &["size", "app", ""], &["app", "size"], &["sizeapp"], &[]] {
            assert_ne!(AlertId::derive(other), id, "{other:?}");
        }
        assert_eq!(id.resolved().as_str(), format!("{id}-resolved"));
    }

    #[test]
    fn words_of_a_status_read_back() {
        for status in [AlertStatus::Firing, AlertStatus::Resolved] {
            assert_eq!(AlertStatus::from_text(status.as_str()), Some(status));
            assert_eq!(serde_json::to_string(&status).unwrap(), format!("\"{}\"", status.as_str()));
        }
        assert_eq!(AlertStatus::from_text("over"), None);
    }

    #[test]
    fn an_alert_of_the_version_before_reads() {
        let mut text = serde_json::to_value(Alert { rule: "size".into(), ..Alert::default() }).unwrap();
        for later in ["status", "labels", "router"] {
            assert!(text.as_object_mut().unwrap().remove(later).is_some());
        }
        let alert: Alert = serde_json::from_value(text).unwrap();
        assert_eq!((alert.rule.as_str(), alert.status), ("size", AlertStatus::Firing));
    }
}
