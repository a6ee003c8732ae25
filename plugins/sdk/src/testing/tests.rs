//! The harness against a plugin that uses every phase.

use super::*;
use crate::{
    Activation, Alert, BodyChunk, BodySize, Outcome, Request, RequestField, ResponseField, ResponseHead, Verdict,
};

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
        activation.body_chunk_bytes(4);
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

    fn on_body_chunk(&mut self, chunk: &BodyChunk<'_>, outcome: &mut Outcome) -> Verdict {
        outcome.tag(format!("{}+{}{}", chunk.offset, chunk.bytes.len(), if chunk.is_last { "." } else { "" }));
        if chunk.bytes.starts_with(b"x") { Verdict::done() } else { Verdict::next() }.with_ctx(chunk.ctx + 1)
    }

    fn on_response(&mut self, response: &ResponseHead<'_>, outcome: &mut Outcome) -> Verdict {
        if response.text(self.status) == Some("500") {
            outcome.set_status(503);
        }
        outcome.tag(format!("{}-{}", response.text(self.status).unwrap_or("none"), response.ctx));
        Verdict::next()
    }
}

crate::plugin!(Everything, state = ["flag:loud", "rollout:*"], needs = [alerts, tags, log, edits, body]);

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
fn chunks_are_shown_up_to_the_limit_of_the_activation() {
    let harness = start();
    let said = |bytes: &[u8], offset, is_last| {
        let answer = harness.body_chunk(1, bytes, offset, is_last)?;
        let [Effect::Tag(tag)] = answer.effects.as_slice() else { panic!("one tag: {answer:?}") };
        Some((answer.decision, answer.ctx, tag.clone()))
    };
    assert_eq!(said(b"abc", 0, false), Some((Decision::Next, 2, "0+3".to_owned())));
    assert_eq!(said(b"x", 0, true), Some((Decision::Done, 2, "0+1.".to_owned())));
    assert_eq!(said(b"abcd", 0, false), Some((Decision::Next, 2, "0+4.".to_owned())), "at the limit");
    assert_eq!(said(b"bcde", 1, false), Some((Decision::Next, 2, "1+3.".to_owned())), "one past it");
    assert_eq!(said(b"e", 4, true), None);
}

#[test]
fn edits_are_seen() {
    let answer = start().response(0, &[("status", "500")]);
    assert_eq!(answer.edits, [Edit::SetStatus(503)]);
    assert!(start().response(0, &[("status", "200")]).edits.is_empty());
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
