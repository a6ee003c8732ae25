//! Runs a plugin natively, through the very code that its component runs, in plain unit tests.
//!
//! A [`Harness`] stands in for the host: it packs fields by name, reads verdicts, fetches outcomes and holds the
//! plugin to the contract and its [`crate::bounds`]. A plugin that breaks them fails the test by a panic with the reason.

#![expect(clippy::panic, clippy::missing_panics_doc, reason = "a test helper reports by panicking")]

mod check;
mod edits;
#[cfg(test)]
mod tests;

use crate::bindings;
use crate::guest::Slot;
use crate::verdict::read;
use crate::{Edit, Effect, LogLine, Phases, Plugin, Response, SizeUnit, fields, log, path};

/// A running plugin, and the host's side of it.
pub struct Harness<P> {
    slot: Slot<P>,
    activation: bindings::Activation,
    /// Unix time that the next request carries, in milliseconds.
    pub now_ms: u64,
    /// Random number that the next request carries.
    pub random: u64,
}

/// What a call decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// On to the next plugin.
    Next,
    /// Route to the variant of this name.
    Variant(String),
    /// Answer with this status.
    Respond(u16),
    /// On to the next plugin, and no more chunks of this body.
    Done,
}

/// Everything a call said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What becomes of the request.
    pub decision: Decision,
    /// What later phases are handed.
    pub ctx: u32,
    /// Headers and body of a `respond`.
    pub response: Option<Response>,
    /// Changes of the request or of the response, in their order.
    pub edits: Vec<Edit>,
    /// Alerts, counters, log lines, tags.
    pub effects: Vec<Effect>,
}

impl Answer {
    /// An answer with neither response nor edits nor effects.
    #[must_use]
    pub const fn plain(decision: Decision) -> Self {
        Self { decision, ctx: 0, response: None, edits: Vec::new(), effects: Vec::new() }
    }
}

impl<P: Plugin> Harness<P> {
    /// Starts the plugin with this configuration (JSON).
    ///
    /// # Errors
    /// What the plugin says of its configuration, or the bound that its activation breaks.
    pub fn start(config: &str) -> Result<Self, String> {
        let slot = Slot::empty();
        let activation = slot.init(config)?;
        check::activation(&activation)?;
        Ok(Self { slot, activation, now_ms: 0, random: 0 })
    }

    /// What the plugin asked for.
    #[must_use]
    pub const fn activation(&self) -> &bindings::Activation {
        &self.activation
    }

    /// Whether the host would call the plugin for such a request at all.
    #[must_use]
    pub fn applies(&self, method: &str, path: &str) -> bool {
        let bindings::Activation { path_prefixes, methods, phases, .. } = &self.activation;
        !phases.is_empty()
            && (methods.is_empty() || methods.iter().any(|known| known == method))
            && (path_prefixes.is_empty() || path_prefixes.iter().any(|prefix| path::covers(prefix, path.as_bytes())))
    }

    /// Pushes a state value; `None` = the key does not exist.
    ///
    /// # Errors
    /// What the plugin says of the value.
    pub fn state(&self, key: &str, value: Option<&str>) -> Result<(), String> {
        assert!(self.activation.state.iter().any(|known| known == key), "the activation does not name state {key:?}");
        self.slot.on_state(key, value)
    }

    /// Runs the request phase. A field that is declared and not given is absent; one that is given and not declared
    /// does not reach the plugin.
    #[must_use]
    pub fn request(&self, fields: &[(&str, &str)]) -> Answer {
        assert!(self.activation.phases.contains(Phases::REQUEST), "the activation names no request phase");
        let blob = pack(&self.activation.request_fields, fields);
        self.answer(self.slot.on_request(&blob, self.now_ms, self.random), Phases::REQUEST)
    }

    /// Runs the body-size phase as the host would; `None` = the host makes no call at this size.
    #[must_use]
    pub fn body_size(&self, ctx: u32, bytes: u64, unit: SizeUnit, declared: bool) -> Option<Answer> {
        let called = self.activation.phases.contains(Phases::BODY_SIZE) && bytes > self.activation.body_size_above;
        called.then(|| self.answer(self.slot.on_body_size(ctx, bytes, unit, declared), Phases::BODY_SIZE))
    }

    /// Runs the body-chunk phase as the host would, which shows no more than the activation's `body_chunk_bytes`; `None` =
    /// it makes no call at this offset.
    #[must_use]
    pub fn body_chunk(&self, ctx: u32, bytes: &[u8], offset: u64, is_last: bool) -> Option<Answer> {
        let shown_max = match self.activation.body_chunk_bytes {
            0 => u64::MAX,
            bytes => bytes,
        };
        let left = shown_max.checked_sub(offset).filter(|left| *left > 0)?;
        let shown = &bytes[..bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
        let is_last = is_last || shown.len() as u64 == left;
        let called = self.activation.phases.contains(Phases::BODY_CHUNK);
        called.then(|| self.answer(self.slot.on_body_chunk(ctx, shown, offset, is_last), Phases::BODY_CHUNK))
    }

    /// Runs the response phase, with fields as in [`Harness::request`].
    #[must_use]
    pub fn response(&self, ctx: u32, fields: &[(&str, &str)]) -> Answer {
        assert!(self.activation.phases.contains(Phases::RESPONSE), "the activation names no response phase");
        let blob = pack(&self.activation.response_fields, fields);
        self.answer(self.slot.on_response(ctx, &blob), Phases::RESPONSE)
    }

    /// Takes the lines that plugins of this thread logged by [`crate::log`].
    #[must_use]
    pub fn take_log(&self) -> Vec<LogLine> {
        log::native::take()
    }

    /// Reads a verdict and fetches its outcome.
    fn answer(&self, bits: u64, phase: Phases) -> Answer {
        let decision = match read::kind(bits) {
            Some(read::Kind::Next) => Decision::Next,
            Some(read::Kind::Variant(_)) if phase != Phases::REQUEST => {
                panic!("a variant is chosen in the request phase only")
            }
            Some(read::Kind::Variant(index)) => match self.activation.variants.get(index) {
                Some(name) => Decision::Variant(name.clone()),
                None => panic!("variant {index} is not in the activation"),
            },
            Some(read::Kind::Respond(status)) => Decision::Respond(status),
            Some(read::Kind::Done) if phase == Phases::BODY_CHUNK => Decision::Done,
            Some(read::Kind::Done) => panic!("`done` is said in the body-chunk phase only"),
            None => panic!("the verdict {bits:#018x} is none of the contract"),
        };
        let outcome = if read::more(bits) {
            self.slot.take_outcome()
        } else {
            bindings::Outcome { response: None, edits: Vec::new(), effects: Vec::new() }
        };
        if let Err(broken) = check::outcome(&outcome, phase, matches!(decision, Decision::Respond(_))) {
            panic!("{broken}");
        }
        let bindings::Outcome { response, edits, effects } = outcome;
        Answer { decision, ctx: read::ctx(bits), response, edits, effects }
    }
}

fn pack(names: &[String], given: &[(&str, &str)]) -> Vec<u8> {
    let mut blob = Vec::new();
    for name in names {
        let value = given.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_bytes());
        fields::push(&mut blob, value);
    }
    blob
}
