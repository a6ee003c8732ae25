//! What is told of a request once it is over, in the access log and in `sluice why`: one vocabulary for both.
//!
//! Generic over its texts: borrowed while a worker writes, placed in a buffer while kept, owned when read.

use serde::{Serialize, Serializer};

use crate::plugin::Phase;
use crate::time;

/// One request, over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Facts<S> {
    /// When its head was read, Unix time in ms; told as RFC 3339 with ms.
    #[serde(rename = "time", serialize_with = "rfc3339")]
    pub time_ms: u64,
    /// Its id.
    pub request_id: S,
    /// Id of the trace it belongs to (W3C Trace Context); `None` if its head was not read.
    pub trace_id: Option<S>,
    /// Who asked: behind trusted proxies the client that they name.
    pub client: S,
    /// The other end of the connection.
    pub peer: S,
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`.
    pub protocol: &'static str,
    /// Method; `None`, like host and path, if the head was refused.
    pub method: Option<S>,
    /// Host, as routes see it.
    pub host: Option<S>,
    /// Path in normal form, without the query: queries hold secrets.
    pub path: Option<S>,
    /// Status that was decided; `None` if there was none before the client left.
    pub status: Option<u16>,
    /// Why the router or a plugin answered, or why the response broke off.
    pub reason: Option<&'static str>,
    /// The route.
    pub route: Option<S>,
    /// The variant.
    pub variant: Option<S>,
    /// What chose the variant.
    pub variant_by: Option<VariantBy>,
    /// The upstream.
    pub upstream: Option<S>,
    /// Bytes of the request's body that were read.
    pub bytes_in: u64,
    /// Bytes of the response's body that were sent.
    pub bytes_out: u64,
    /// From the request's head to the response's last byte, microseconds.
    pub duration_us: u64,
    /// From the last attempt at a server to the head of its response, microseconds.
    pub upstream_us: Option<u64>,
    /// What plugins marked the request with.
    pub tag: Option<S>,
    /// Revision of the snapshot it was served by.
    pub revision: u64,
    /// Worker that served it.
    pub worker: usize,
}

/// What chose the variant of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VariantBy {
    /// A plugin's verdict.
    Plugin,
    /// The weights of the route's targets.
    Weight,
    /// A signed override.
    Override,
    /// The rollout is aborted: stable, whatever was chosen before.
    RolloutAborted,
    /// No server of the canary, or of another variant that was chosen, lives: stable.
    NoCanaryLives,
}

/// What one call into a plugin came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Step<S> {
    /// The plugin.
    pub plugin: S,
    /// First digits of its digest, where that is on trial and this request was given to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<S>,
    /// In which phase.
    pub phase: Phase,
    /// What it said.
    pub verdict: Verdict,
    /// Why it failed, or was not called: one word, as in the metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<&'static str>,
    /// The variant, where it chose one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<S>,
    /// The status, where it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How many things it changed of the request or the response.
    #[serde(skip_serializing_if = "is_zero")]
    pub edits: u16,
    /// When, microseconds after the request's head.
    pub at_us: u32,
}

/// What a plugin said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Go on.
    #[default]
    Next,
    /// Go to a variant.
    Variant,
    /// It answers.
    Respond,
    /// Go on, and show it nothing more of the body.
    Done,
    /// It failed, and its policy is to go on without it.
    FailedOpen,
    /// It failed, and its policy is to refuse.
    FailedClosed,
}

/// One server that was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Attempt<S> {
    /// Its address.
    pub server: S,
    /// What came of it.
    pub outcome: Outcome,
    /// Status, where the server answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Reason code, where it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// When it began, microseconds after the request's head.
    pub at_us: u32,
    /// From its begin to its outcome, microseconds.
    pub took_us: u32,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The client left before.
    #[default]
    Unfinished,
    /// The head of a response came.
    Answered,
    /// It failed.
    Failed,
}

impl<S> Facts<S> {
    /// The same with other texts. Those that a client may choose come last.
    pub fn map<T>(&self, mut text: impl FnMut(&S) -> T) -> Facts<T> {
        Facts {
            time_ms: self.time_ms,
            request_id: text(&self.request_id),
            trace_id: self.trace_id.as_ref().map(&mut text),
            client: text(&self.client),
            peer: text(&self.peer),
            protocol: self.protocol,
            status: self.status,
            reason: self.reason,
            route: self.route.as_ref().map(&mut text),
            variant: self.variant.as_ref().map(&mut text),
            variant_by: self.variant_by,
            upstream: self.upstream.as_ref().map(&mut text),
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            duration_us: self.duration_us,
            upstream_us: self.upstream_us,
            revision: self.revision,
            worker: self.worker,
            tag: self.tag.as_ref().map(&mut text),
            method: self.method.as_ref().map(&mut text),
            host: self.host.as_ref().map(&mut text),
            path: self.path.as_ref().map(text),
        }
    }
}

impl<S> Step<S> {
    /// The same with other texts.
    pub fn map<T>(&self, mut text: impl FnMut(&S) -> T) -> Step<T> {
        let Self { phase, verdict, cause, status, edits, at_us, .. } = *self;
        let plugin = text(&self.plugin);
        let (digest, variant) = (self.digest.as_ref().map(&mut text), self.variant.as_ref().map(text));
        Step { plugin, digest, phase, verdict, cause, variant, status, edits, at_us }
    }
}

impl<S> Attempt<S> {
    /// The same with other texts.
    pub fn map<T>(&self, text: impl FnOnce(&S) -> T) -> Attempt<T> {
        let Self { outcome, status, reason, at_us, took_us, .. } = *self;
        Attempt { server: text(&self.server), outcome, status, reason, at_us, took_us }
    }
}

impl Verdict {
    /// As the access log says it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Variant => "variant",
            Self::Respond => "respond",
            Self::Done => "done",
            Self::FailedOpen => "failed_open",
            Self::FailedClosed => "failed_closed",
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields over by reference")]
fn is_zero(count: &u16) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields over by reference")]
fn rfc3339<Z: Serializer>(time_ms: &u64, serializer: Z) -> Result<Z::Ok, Z::Error> {
    serializer.serialize_str(time::rfc3339(*time_ms).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_log() {
        let facts = Facts { request_id: "r", time_ms: 1_700_000_000_123, ..Facts::default() };
        let told = serde_json::to_value(facts).unwrap();
        assert_eq!(told["time"], "2023-11-14T22:13:20.123Z");
        assert_eq!((&told["request_id"], &told["path"]), (&"r".into(), &serde_json::Value::Null));
        for verdict in [
            Verdict::Next,
            Verdict::Variant,
            Verdict::Respond,
            Verdict::Done,
            Verdict::FailedOpen,
            Verdict::FailedClosed,
        ] {
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.as_str());
        }
    }
}
