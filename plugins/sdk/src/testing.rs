//! Runs a plugin natively, through the very code that its component runs, in plain unit tests.
//!
//! A [`Harness`] stands in for the host: it packs fields by name, reads verdicts, fetches outcomes and holds the
//! plugin to the contract and its [`crate::bounds`]. A plugin that breaks them fails the test by a panic with the reason.

#![expect(clippy::panic, clippy::missing_panics_doc, reason = "a test helper reports by panicking")]

mod check;

use crate::bindings;
use crate::guest::Slot;
use crate::verdict::read;
use crate::{Effect, LogLine, Phases, Plugin, Response, SizeUnit, fields, log, path};

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
    /// Alerts, counters, log lines, tags.
    pub effects: Vec<Effect>,
}

impl Answer {
    /// An answer with neither response nor effects.
    #[must_use]
    pub const fn plain(decision: Decision) -> Self {
        Self { decision, ctx: 0, response: None, effects: Vec::new() }
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
            None => panic!("the verdict {bits:#018x} is none of the contract"),
        };
        let outcome = if read::more(bits) {
            self.slot.take_outcome()
        } else {
            bindings::Outcome { response: None, effects: Vec::new() }
        };
        if let Err(broken) = check::outcome(&outcome, matches!(decision, Decision::Respond(_))) {
            panic!("{broken}");
        }
        Answer { decision, ctx: read::ctx(bits), response: outcome.response, effects: outcome.effects }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Activation, Alert, BodySize, Outcome, Request, RequestField, ResponseField, ResponseHead, Verdict};

    /// Uses every phase: echoes a header through `ctx` and effects.
    struct Everything {
        name: RequestField,
        status: ResponseField,
        greeting: String,
    }

    impl Plugin for Everything {
        fn init(config: &str) -> Result<(Self, Activation), String> {
            let greeting = crate::config::parse(config)?;
            let mut activation = Activation::new(Phases::all());
            activation.path_prefix("/hello");
            activation.method("GET");
            activation.state("flag:loud");
            activation.body_size_above(10);
            let name = activation.request_field("header:x-name");
            let status = activation.response_field("status");
            log::info("started");
            Ok((Self { name, status, greeting }, activation))
        }

        fn on_state(&mut self, key: &str, value: Option<&str>) -> Result<(), String> {
            if crate::state::flag_is_on(value).map_err(|error| format!("{key}: {error}"))? {
                self.greeting.make_ascii_uppercase();
            }
            Ok(())
        }

        fn on_request(&mut self, request: &Request<'_>, outcome: &mut Outcome) -> Verdict {
            let Some(name) = request.text(self.name) else { return Verdict::next().with_ctx(7) };
            outcome.text(format!("{} {name} at {}", self.greeting, request.now_ms));
            Verdict::respond(200)
        }

        fn on_body_size(&mut self, size: &BodySize, outcome: &mut Outcome) -> Verdict {
            let (observed, limit) = (size.bytes, 10);
            let (rule, message) = ("size".to_owned(), "too large".to_owned());
            outcome.raise(Alert { rule, message, observed, limit, abort_rollout: false });
            Verdict::next().with_ctx(size.ctx + 1)
        }

        fn on_response(&mut self, response: &ResponseHead<'_>, outcome: &mut Outcome) -> Verdict {
            outcome.tag(format!("{}-{}", response.text(self.status).unwrap_or("none"), response.ctx));
            Verdict::next()
        }
    }

    crate::plugin!(Everything, state = ["flag:loud", "rollout:*"], needs = [alerts, tags]);

    fn start() -> Harness<Everything> {
        Harness::start("\"hello\"").expect("starts")
    }

    #[test]
    fn fields_clock_state_and_response_pass_through() {
        let mut harness = start();
        harness.now_ms = 12;
        harness.state("flag:loud", Some("true")).expect("a boolean");
        let answer = harness.request(&[("header:x-name", "ann"), ("header:x-other", "bob")]);
        assert_eq!(answer.decision, Decision::Respond(200));
        let response = answer.response.expect("has a body");
        assert_eq!(String::from_utf8(response.body).expect("text"), "HELLO ann at 12");
        assert_eq!(harness.request(&[]), Answer { ctx: 7, ..Answer::plain(Decision::Next) });
    }

    #[test]
    fn an_outcome_is_fetched_once() {
        let harness = start();
        assert_eq!(harness.response(3, &[("status", "204")]).effects, [Effect::Tag("204-3".to_owned())]);
        assert_eq!(harness.response(4, &[]).effects, [Effect::Tag("none-4".to_owned())]);
    }

    #[test]
    fn the_size_phase_runs_strictly_above_its_limit() {
        let harness = start();
        assert_eq!(harness.body_size(0, 10, SizeUnit::Body, true), None);
        let answer = harness.body_size(1, 11, SizeUnit::Part, false).expect("is called");
        assert_eq!((answer.ctx, answer.effects.len()), (2, 1));
    }

    #[test]
    fn the_host_side_matches_paths_and_methods() {
        let harness = start();
        assert!(harness.applies("GET", "/hello/ann"));
        assert!(!harness.applies("POST", "/hello"));
        assert!(!harness.applies("GET", "/helloween"));
    }

    #[test]
    fn refusals_and_log_lines_are_seen() {
        assert!(Harness::<Everything>::start("{}").is_err());
        let harness = start();
        assert_eq!(harness.state("flag:loud", Some("2")), Err("flag:loud: a flag is true or false, not 2".to_owned()));
        assert_eq!(harness.take_log().last().map(|line| line.message.as_str()), Some("started"));
    }
}
