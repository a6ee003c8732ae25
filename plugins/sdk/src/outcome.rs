//! What a call says beyond its verdict: a response, edits and effects. Kept in the instance until the host fetches it.

use crate::bindings;
use crate::{Alert, Counter, Edit, Effect, Header, Level, LogLine, Response};

/// Collects a response, edits and effects during one call. An empty outcome costs nothing: the host does not fetch it.
///
/// Edits of `on_request` change what the server gets, those of `on_response` what the client gets; they are carried out
/// in their order, need the grant `edits`, and stand beside no `respond`. They never match the route again.
#[derive(Debug, Default)]
pub struct Outcome {
    response: Option<Response>,
    edits: Vec<Edit>,
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

    /// Puts one header line of this name in place of all there are.
    pub fn set_header(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.edits.push(Edit::SetHeader(Header { name: name.into(), value: value.into() }));
    }

    /// Adds one more header line of this name.
    pub fn append_header(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.edits.push(Edit::AppendHeader(Header { name: name.into(), value: value.into() }));
    }

    /// Removes all header lines of this name.
    pub fn remove_header(&mut self, name: impl Into<String>) {
        self.edits.push(Edit::RemoveHeader(name.into()));
    }

    /// Changes the path that the server gets: in normal form, without a query. In the request phase only.
    pub fn set_path(&mut self, path: impl Into<String>) {
        self.edits.push(Edit::SetPath(path.into()));
    }

    /// Changes the query that the server gets, without its `?`; empty = none. In the request phase only.
    pub fn set_query(&mut self, query: impl Into<String>) {
        self.edits.push(Edit::SetQuery(query.into()));
    }

    /// Changes the status that the client gets (200-599). In the response phase only.
    pub fn set_status(&mut self, status: u16) {
        self.edits.push(Edit::SetStatus(status));
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
        self.response.is_none() && self.edits.is_empty() && self.effects.is_empty()
    }

    pub(crate) fn take(&mut self) -> bindings::Outcome {
        let Self { response, edits, effects } = std::mem::take(self);
        bindings::Outcome { response, edits, effects }
    }

    fn response_mut(&mut self) -> &mut Response {
        self.response.get_or_insert_with(|| Response { headers: Vec::new(), body: Vec::new() })
    }
}
