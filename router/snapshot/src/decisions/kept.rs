//! The place of one decision: numbers, and a buffer that holds all its texts. Its size never changes.

use super::Decision;
use super::facts::{Attempt, Facts, Step};

/// Calls into plugins that are kept of one request: four plugins with two phases each.
pub const STEPS_KEPT_MAX: usize = 8;
/// Attempts at servers that are kept of one request; the last one replaces those beyond.
pub const ATTEMPTS_KEPT_MAX: usize = 4;
/// Longest text, bytes; a longer one is cut and ends with an ellipsis.
pub const TEXT_BYTES_MAX: usize = 96;
/// All texts of one request, bytes: about twice of what a usual one has.
const BUFFER_BYTES: usize = 384;
/// What a cut text ends with.
const ELLIPSIS: &str = "…";

/// One decision, kept.
#[derive(Debug)]
pub(super) struct Kept {
    facts: Facts<Span>,
    steps: [Step<Span>; STEPS_KEPT_MAX],
    steps_count: usize,
    attempts: [Attempt<Span>; ATTEMPTS_KEPT_MAX],
    attempts_count: usize,
    texts: Texts,
}

/// A text in the buffer.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    at: u16,
    bytes: u16,
}

#[derive(Debug)]
struct Texts {
    buffer: [u8; BUFFER_BYTES],
    used: usize,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            facts: Facts::default(),
            steps: Default::default(),
            steps_count: 0,
            attempts: Default::default(),
            attempts_count: 0,
            texts: Texts { buffer: [0; BUFFER_BYTES], used: 0 },
        }
    }
}

impl Kept {
    /// Takes this one in place of what was here.
    pub(super) fn fill(&mut self, facts: &Facts<&str>, steps: &[Step<&str>], attempts: &[Attempt<&str>]) {
        let texts = &mut self.texts;
        texts.used = 0;
        // The names that policy gives come before those that a client may make as long as it likes.
        self.steps_count = steps.len().min(STEPS_KEPT_MAX);
        for (place, step) in self.steps.iter_mut().zip(steps) {
            *place = step.map(|text| texts.put(text));
        }
        self.attempts_count = attempts.len().min(ATTEMPTS_KEPT_MAX);
        for (place, attempt) in self.attempts.iter_mut().zip(attempts) {
            *place = attempt.map(|text| texts.put(text));
        }
        self.facts = facts.map(|text| texts.put(text));
    }

    pub(super) fn request_id(&self) -> &str {
        self.texts.at(self.facts.request_id)
    }

    /// A copy for readers.
    pub(super) fn decision(&self) -> Decision {
        let owned = |span: &Span| self.texts.at(*span).to_owned();
        Decision {
            facts: self.facts.map(owned),
            steps: self.steps[..self.steps_count].iter().map(|step| step.map(owned)).collect(),
            attempts: self.attempts[..self.attempts_count].iter().map(|attempt| attempt.map(owned)).collect(),
        }
    }
}

impl Texts {
    /// Copies a text in, as far as there is room.
    fn put(&mut self, text: &str) -> Span {
        let room = (BUFFER_BYTES - self.used).min(TEXT_BYTES_MAX);
        let at = self.used;
        if text.len() <= room {
            self.append(text);
        } else if let Some(room) = room.checked_sub(ELLIPSIS.len()) {
            self.append(&text[..text.floor_char_boundary(room)]);
            self.append(ELLIPSIS);
        }
        let short = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
        Span { at: short(at), bytes: short(self.used - at) }
    }

    fn append(&mut self, text: &str) {
        self.buffer[self.used..][..text.len()].copy_from_slice(text.as_bytes());
        self.used += text.len();
    }

    fn at(&self, span: Span) -> &str {
        let bytes = &self.buffer[usize::from(span.at)..][..usize::from(span.bytes)];
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decisions::{Outcome, VariantBy, Verdict};
    use crate::plugin::Phase;

    fn kept(facts: &Facts<&str>, steps: &[Step<&str>], attempts: &[Attempt<&str>]) -> Decision {
        let mut kept = Kept::default();
        kept.fill(&Facts { request_id: "before", path: Some("/before"), ..Facts::default() }, steps, attempts);
        kept.fill(facts, steps, attempts);
        kept.decision()
    }

    #[test]
    fn what_is_kept_is_what_was_told() {
        let step = Step {
            plugin: "canary",
            phase: Phase::Request,
            verdict: Verdict::Variant,
            variant: Some("canary"),
            digest: Some("0123456789ab"),
            cause: Some("trap"),
            edits: 2,
            status: None,
            at_us: 7,
        };
        let attempt =
            Attempt { server: "127.0.0.1:1", outcome: Outcome::Answered, status: Some(200), ..Attempt::default() };
        let facts = Facts {
            request_id: "0123",
            path: Some("/meow"),
            variant: Some("canary"),
            variant_by: Some(VariantBy::Plugin),
            status: Some(200),
            bytes_in: 3,
            ..Facts::default()
        };
        let decision = kept(&facts, &[step], &[attempt]);
        assert_eq!(decision.facts, facts.map(|text| (*text).to_owned()));
        assert_eq!(decision.steps, [step.map(|text| (*text).to_owned())]);
        assert_eq!(decision.attempts, [attempt.map(|text| (*text).to_owned())]);
    }

    #[test]
    fn texts_and_lists_are_cut_at_their_bounds() {
        let fits = "x".repeat(TEXT_BYTES_MAX);
        let long = format!("{fits}é");
        let steps = vec![Step::default(); STEPS_KEPT_MAX + 1];
        let attempts = vec![Attempt::default(); ATTEMPTS_KEPT_MAX + 1];
        let facts = Facts { host: Some(&*fits), path: Some(&*long), ..Facts::default() };
        let decision = kept(&facts, &steps, &attempts);
        assert_eq!(decision.facts.host.as_deref(), Some(&*fits));
        let path = decision.facts.path.unwrap();
        assert!(path.len() <= TEXT_BYTES_MAX && path.ends_with("x…"), "{path}");
        assert_eq!((decision.steps.len(), decision.attempts.len()), (STEPS_KEPT_MAX, ATTEMPTS_KEPT_MAX));
    }

    #[test]
    fn a_full_buffer_keeps_the_id_and_drops_what_clients_sent() {
        let long = "é".repeat(TEXT_BYTES_MAX);
        let facts = Facts {
            request_id: "id",
            client: &*long,
            peer: &long,
            route: Some(&*long),
            host: Some(&*long),
            path: Some(&*long),
            ..Facts::default()
        };
        let decision = kept(&facts, &[], &[]);
        assert_eq!(decision.facts.request_id, "id");
        assert!(decision.facts.route.unwrap().ends_with("é…"));
        assert!(decision.facts.path.unwrap().len() < TEXT_BYTES_MAX);
    }
}
