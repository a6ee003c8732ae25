//! What a call says beyond its verdict: a response and effects. Kept in the instance until the host fetches it.

use crate::bindings;
use crate::{Alert, Counter, Effect, Header, Level, LogLine, Response};

/// Collects a response and effects during one call. An empty outcome costs nothing: the host does not fetch it.
#[derive(Debug, Default)]
pub struct Outcome {
    response: Option<Response>,
    effects: Vec<Effect>,
}

impl Outcome {
    /// Adds a header line to the response of a `respond` verdict.
    pub fn header(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.response_mut().headers.push(Header { name: name.into(), value: value.into() });
    }

    /// Sets the body of a `respond` verdict.
    pub fn body(&mut self, body: impl Into<Vec<u8>>) {
        self.response_mut().body = body.into();
    }

    /// Sets a plain-text body of a `respond` verdict, with its content type.
    pub fn text(&mut self, text: impl Into<String>) {
        self.header("content-type", "text/plain; charset=utf-8");
        self.body(text.into());
    }

    /// Raises an alert; with `abort_rollout` it also stops the route's rollout before the next request is routed.
    pub fn raise(&mut self, alert: Alert) {
        self.effects.push(Effect::RaiseAlert(alert));
    }

    /// Adds to a named counter of the plugin.
    pub fn add(&mut self, name: impl Into<String>, value: u64) {
        self.effects.push(Effect::Add(Counter { name: name.into(), value }));
    }

    /// Logs a line with the request; [`crate::log`] logs one at once, without a request.
    pub fn log(&mut self, level: Level, message: impl Into<String>) {
        self.effects.push(Effect::Log(LogLine { level, message: message.into() }));
    }

    /// Marks the request in the access log and in the response header `x-sluice-tag`.
    pub fn tag(&mut self, tag: impl Into<String>) {
        self.effects.push(Effect::Tag(tag.into()));
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.response.is_none() && self.effects.is_empty()
    }

    pub(crate) fn take(&mut self) -> bindings::Outcome {
        bindings::Outcome { response: self.response.take(), effects: std::mem::take(&mut self.effects) }
    }

    fn response_mut(&mut self) -> &mut Response {
        self.response.get_or_insert_with(|| Response { headers: Vec::new(), body: Vec::new() })
    }
}
