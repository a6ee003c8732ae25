//! What came of a case, as data and in words: what golden files hold and expectations are held against.

use serde::Serialize;
use sluice_wasm::{AlertEffect, Digest, Effect, Response};

/// What came of a case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CaseOutcome {
    /// `next`, `respond`, `variant:NAME`, `failed` or `refused`.
    pub verdict: String,
    /// Whether the plugin was called in any phase.
    pub called: bool,
    /// What happened in each phase that the plugin takes part in, in order.
    pub phases: Vec<PhaseOutcome>,
    /// The plugin's own answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<ResponseSeen>,
    /// Log lines, in order; those of `log` effects come with their phase's other effects.
    pub log: Vec<String>,
    /// Effects and edits that were taken out because they were not granted.
    pub refused_effects: u64,
    /// Why it failed, or what it refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Where it failed: not part of what is compared, for it moves with every build.
    #[serde(skip)]
    pub backtrace: Option<String>,
}

/// What happened in one phase.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PhaseOutcome {
    /// `request`, `body-size`, `body-chunk` or `response`.
    pub phase: String,
    /// Calls that were made.
    pub calls: u64,
    /// Why the plugin was not called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// The last decision of the phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// Edits, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<String>,
    /// Effects, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<EffectSeen>,
}

/// An effect that a router would carry out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EffectSeen {
    /// `alert RULE`, `alert RULE, abort`, `add NAME VALUE`, `tag TEXT` or `log LINE`.
    pub effect: String,
    /// Of an alert: its message, and what was seen and allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// An answer of the plugin itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResponseSeen {
    /// Status.
    pub status: u16,
    /// Header fields.
    pub headers: Vec<(String, String)>,
    /// Body; one that is no text is told by its length and digest.
    pub body: String,
}

impl CaseOutcome {
    /// A call failed.
    pub(super) fn failed(failure: String, backtrace: Option<&str>) -> Self {
        let backtrace = backtrace.filter(|frames| !frames.is_empty()).map(ToOwned::to_owned);
        Self { verdict: "failed".to_owned(), failure: Some(failure), backtrace, ..Self::default() }
    }

    /// New state was refused.
    pub(super) fn refused(reason: &str) -> Self {
        Self { verdict: "refused".to_owned(), failure: Some(reason.to_owned()), ..Self::default() }
    }

    /// All edits, in order.
    #[must_use]
    pub fn edits(&self) -> Vec<String> {
        self.phases.iter().flat_map(|phase| phase.edits.iter().cloned()).collect()
    }

    /// All effects but log lines, in order.
    #[must_use]
    pub fn effects(&self) -> Vec<String> {
        let effects = self.phases.iter().flat_map(|phase| &phase.effects).map(|seen| seen.effect.clone());
        effects.filter(|effect| !effect.starts_with(LOG)).collect()
    }

    /// All log lines: those that were written directly, then those that came as effects.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let effects = self.phases.iter().flat_map(|phase| &phase.effects);
        let lines = effects.filter_map(|seen| seen.effect.strip_prefix(LOG)).map(ToOwned::to_owned);
        self.log.iter().cloned().chain(lines).collect()
    }
}

/// What a log line begins with, as an effect.
const LOG: &str = "log ";

impl ResponseSeen {
    pub(super) fn new(status: u16, own: Option<&Response>) -> Self {
        let (headers, body) = own.map_or((Vec::new(), &[][..]), |own| (own.headers.clone(), own.body.as_slice()));
        let body = String::from_utf8(body.to_vec())
            .unwrap_or_else(|_| format!("{} bytes, sha256 {}", body.len(), Digest::of(body)));
        Self { status, headers, body }
    }
}

impl From<&Effect> for EffectSeen {
    fn from(effect: &Effect) -> Self {
        let plain = |effect: String| Self { effect, detail: None };
        match effect {
            Effect::RaiseAlert(AlertEffect { rule, message, observed, limit, abort_rollout }) => Self {
                effect: format!("alert {rule}{}", if *abort_rollout { ", abort" } else { "" }),
                detail: Some(format!("{message} (observed {observed}, limit {limit})")),
            },
            Effect::Add { name, value } => plain(format!("add {name} {value}")),
            Effect::Log { message, .. } => plain(format!("{LOG}{message}")),
            Effect::Tag(tag) => plain(format!("tag {tag}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_are_told_in_the_words_of_expectations() {
        let alert = |abort_rollout| {
            let (rule, message) = ("upload-size".to_owned(), "too large".to_owned());
            EffectSeen::from(&Effect::RaiseAlert(AlertEffect { rule, message, observed: 9, limit: 5, abort_rollout }))
        };
        assert_eq!(alert(false).effect, "alert upload-size");
        assert_eq!(alert(true).effect, "alert upload-size, abort");
        assert_eq!(alert(true).detail.as_deref(), Some("too large (observed 9, limit 5)"));
        let level = sluice_wasm::Level::Info;
        let effects = vec![
            EffectSeen::from(&Effect::Log { level, message: "hello".to_owned() }),
            EffectSeen::from(&Effect::Tag("t".to_owned())),
        ];
        let phase = PhaseOutcome { effects, ..PhaseOutcome::default() };
        let outcome = CaseOutcome { phases: vec![phase], log: vec!["first".to_owned()], ..CaseOutcome::default() };
        assert_eq!(
            (outcome.effects(), outcome.lines()),
            (vec!["tag t".to_owned()], vec!["first".to_owned(), "hello".to_owned()])
        );
    }

    #[test]
    fn a_body_that_is_no_text_is_told_by_its_digest() {
        let seen =
            |body: &[u8]| ResponseSeen::new(200, Some(&Response { headers: Vec::new(), body: body.to_vec() })).body;
        assert_eq!(seen(b"words"), "words");
        assert!(seen(b"\xff\xfe").starts_with("2 bytes, sha256 "), "{}", seen(b"\xff\xfe"));
    }
}
