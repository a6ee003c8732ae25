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

#[cfg(test)]
mod tests {
    use super::*;

    const UNTIL_MS: u64 = 1_000;

    fn alert() -> Alert {
        Alert { rule: "size".into(), route: "app".into(), fingerprint: "demo".into(), ..Alert::default() }
    }

    fn silence() -> Silence {
        Silence { until_ms: UNTIL_MS, ..Silence::default() }
    }

    #[test]
    fn what_it_names_must_match_and_what_it_leaves_out_does() {
        let some = |text: &str| Some(text.to_owned());
        assert!(silence().covers(&alert(), 0), "it names nothing");
        let all = Silence { rule: some("size"), route: some("app"), fingerprint: some("demo"), ..silence() };
        assert!(all.covers(&alert(), 0));
        for other in [
            Silence { rule: some("siz"), ..all.clone() },
            Silence { route: some("App"), ..all.clone() },
            Silence { fingerprint: some(""), ..all },
        ] {
            assert!(!other.covers(&alert(), 0), "{other:?}");
        }
    }

    #[test]
    fn it_ends_with_its_time() {
        assert!(silence().covers(&alert(), UNTIL_MS - 1));
        assert!(!silence().covers(&alert(), UNTIL_MS));
    }

    #[test]
    fn what_it_leaves_out_need_not_be_written() {
        let text = r#"{"id":"0a1b2c3d","until_ms":1000,"by":"ops","reason":"move"}"#;
        assert!(serde_json::from_str::<Silence>(text).unwrap().covers(&alert(), 0));
    }
}
