//! A plugin that misbehaves as its configuration tells it to, for the tests: `{"do":"spin-in-request"}`.
//!
//! With `"when":"x-hostile"` it does so only for requests that carry that header. That is what lets a misbehaving
//! plugin pass the smoke call of a reload, in which every field is absent, and fail later under traffic.

mod act;
mod harm;
mod perform;

use serde::Deserialize;
use sluice_plugin::{
    Activation, BodyChunk, BodySize, Outcome, Phases, Plugin, Request, RequestField, ResponseField, ResponseHead,
    Verdict, config,
};

use act::Act;

/// The state key that acts on state listen to.
const STATE_KEY: &str = "flag:hostile";

/// Handed to later phases of a request that asked for trouble.
const CTX_ARMED: u32 = 1;

/// What `grow-slowly` keeps of each request: two pages.
const GROWTH_BYTES: usize = 128 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(rename = "do")]
    act: Act,
    /// Request header without which the request phases behave.
    when: Option<String>,
    /// Bytes above which the body-size phase is called.
    #[serde(default)]
    above: u64,
}

/// The plugin; see the module.
pub struct Hostile {
    act: Act,
    when: Option<RequestField>,
    status: ResponseField,
    hoard: Vec<Vec<u8>>,
}

impl Hostile {
    fn is_armed(&self, ctx: u32) -> bool {
        self.when.is_none() || ctx == CTX_ARMED
    }
}

impl Plugin for Hostile {
    fn init(config: &str) -> Result<(Self, Activation), String> {
        let Config { act, when, above } = config::parse(config)?;
        act.on_init()?;
        let chunks = if act.is_of_chunks() { Phases::BODY_CHUNK } else { Phases::empty() };
        let mut activation = Activation::new(Phases::REQUEST | Phases::BODY_SIZE | Phases::RESPONSE | chunks);
        activation.body_size_above(above);
        activation.state(STATE_KEY);
        let when = when.map(|header| activation.request_field(format!("header:{header}")));
        let status = activation.response_field("status");
        let _only = activation.variant("stable");
        act.lie(&mut activation);
        Ok((Self { act, when, status, hoard: Vec::new() }, activation))
    }

    fn on_state(&mut self, _key: &str, value: Option<&str>) -> Result<(), String> {
        self.act.on_state(value)
    }

    fn on_request(&mut self, request: &Request<'_>, outcome: &mut Outcome) -> Verdict {
        if self.when.is_some_and(|header| request.bytes(header).is_none()) {
            return Verdict::next();
        }
        if self.act == Act::GrowSlowly {
            self.hoard.push(vec![1; GROWTH_BYTES]);
        }
        self.act.on_request(outcome).with_ctx(CTX_ARMED)
    }

    fn on_body_size(&mut self, size: &BodySize, _outcome: &mut Outcome) -> Verdict {
        if self.is_armed(size.ctx) {
            self.act.on_body_size();
        }
        Verdict::next().with_ctx(size.ctx)
    }

    fn on_body_chunk(&mut self, chunk: &BodyChunk<'_>, outcome: &mut Outcome) -> Verdict {
        let verdict = if self.is_armed(chunk.ctx) { self.act.on_body_chunk(chunk, outcome) } else { Verdict::next() };
        verdict.with_ctx(chunk.ctx)
    }

    fn on_response(&mut self, response: &ResponseHead<'_>, outcome: &mut Outcome) -> Verdict {
        let _unused = response.bytes(self.status);
        if self.is_armed(response.ctx) { self.act.on_response(outcome) } else { Verdict::next() }
    }
}

// Log, edits and body are none of its needs: the acts that use them want a policy that grants them.
sluice_plugin::plugin!(Hostile, state = ["flag:*"], needs = [alerts, abort, counters, tags]);
