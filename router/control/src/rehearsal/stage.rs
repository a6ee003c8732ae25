//! One request in front of one instance: phase by phase, as the request path would.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use sluice_policy::path::normalise;
use sluice_policy::{EncodedSlash, PluginCase, Policy};
use sluice_snapshot::Plugin;
use sluice_snapshot::fields::pack_response;
use sluice_snapshot::plugin::Phase;
use sluice_wasm::{Decision, Edit, Instance, Outcome, Verdict};

use super::body::Body;
use super::call::Call;
use super::outcome::{CaseOutcome, EffectSeen, PhaseOutcome, ResponseSeen};
use crate::explain::{Head, Question, not_concerned};
use crate::fault::chain;

/// Calls of one case that are kept for a measurement; a long body has many alike.
const CALLS_KEPT_MAX: usize = 64;
/// What a plugin that says nothing else says.
const NEXT: &str = "next";

/// A case, and the instance that it is shown.
pub(super) struct Stage<'a> {
    plugin: &'a Plugin,
    policy: &'a Policy,
    case: &'a PluginCase,
    instance: Instance,
    ctx: u32,
    /// The plugin answers, or fails: nothing more of the request comes.
    is_over: bool,
    pub(super) outcome: CaseOutcome,
    /// The first calls that were made.
    pub(super) calls: Vec<Call>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(plugin: &'a Plugin, policy: &'a Policy, case: &'a PluginCase, instance: Instance) -> Self {
        let outcome = CaseOutcome { verdict: NEXT.to_owned(), ..CaseOutcome::default() };
        Self { plugin, policy, case, instance, ctx: 0, is_over: false, outcome, calls: Vec::new() }
    }

    /// Shows the request to the instance.
    pub(super) fn perform(&mut self) {
        let body = self.case.body.as_ref().map(Body::new);
        let head = match self.head(body.as_ref()) {
            Ok(head) => head,
            Err(reason) => {
                self.outcome = CaseOutcome::failed(reason, None);
                return;
            }
        };
        let skipped = match &head.path {
            Ok(_) => not_concerned(self.plugin, &head),
            Err(fault) => Some(format!("the router answers 400: {fault}")),
        };
        let phases = self.plugin.activation.phases;
        if phases.request {
            self.phase(Phase::Request, skipped.as_ref(), |stage, seen| stage.request(seen, &head));
        }
        if phases.body_size && !self.is_over {
            self.phase(Phase::BodySize, skipped.as_ref(), |stage, seen| stage.body_size(seen, body.as_ref()));
        }
        if phases.body_chunk && !self.is_over {
            self.phase(Phase::BodyChunk, skipped.as_ref(), |stage, seen| stage.body_chunks(seen, body.as_ref()));
        }
        let is_answered = self.outcome.response.is_some();
        if phases.response && (!self.is_over || is_answered) {
            self.phase(Phase::Response, skipped.as_ref(), Self::response);
        }
        self.outcome.refused_effects = self.instance.refused_effects();
    }

    /// The head of the request as the router reads it.
    fn head(&self, body: Option<&Body>) -> Result<Head, String> {
        let request = &self.case.request;
        let mut headers = request.headers.clone();
        if let Some(body) = body {
            body.announce(&mut headers);
        }
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let question = Question {
            method: request.method.to_string(),
            url: request.url.clone(),
            headers: headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body_bytes: None,
            client: Some(request.client),
        };
        Head::read(&question).map_err(|error| chain(&error))
    }

    fn phase(&mut self, phase: Phase, skipped: Option<&String>, show: impl FnOnce(&mut Self, &mut PhaseOutcome)) {
        let mut seen = PhaseOutcome { phase: phase.as_str().to_owned(), ..PhaseOutcome::default() };
        match skipped {
            Some(reason) => seen.skipped = Some(reason.clone()),
            None => show(self, &mut seen),
        }
        self.outcome.called |= seen.calls > 0;
        self.outcome.phases.push(seen);
    }

    fn request(&mut self, seen: &mut PhaseOutcome, head: &Head) {
        let mut fields = Vec::new();
        head.fields().pack(&mut fields, &self.plugin.request_fields, self.policy);
        self.call(seen, Call::Request { fields, now_ms: self.case.now_ms, random: self.case.random });
    }

    fn body_size(&mut self, seen: &mut PhaseOutcome, body: Option<&Body>) {
        let above = self.plugin.activation.body_size_above;
        match body.map(|body| body.measured(above)) {
            Some(Some(size)) => {
                let ctx = self.ctx;
                self.call(
                    seen,
                    Call::BodySize { ctx, bytes: size.bytes, unit: size.unit, is_declared: size.is_declared },
                );
            }
            Some(None) => seen.skipped = Some(format!("the body is not above its {above} bytes")),
            None => seen.skipped = Some(NO_BODY.to_owned()),
        }
    }

    fn body_chunks(&mut self, seen: &mut PhaseOutcome, body: Option<&Body>) {
        let Some(body) = body else {
            seen.skipped = Some(NO_BODY.to_owned());
            return;
        };
        let wanted = Some(self.plugin.activation.body_chunk_bytes).filter(|bytes| *bytes > 0).unwrap_or(u64::MAX);
        for chunk in body.chunks(wanted.min(self.plugin.limits.body_bytes_max)) {
            let call =
                Call::BodyChunk { ctx: self.ctx, chunk: chunk.bytes, offset: chunk.offset, is_last: chunk.is_last };
            if self.call(seen, call) == Some(Decision::Done) || self.is_over {
                return;
            }
        }
        if seen.calls == 0 {
            seen.skipped = Some("the body has no byte".to_owned());
        }
    }

    fn response(&mut self, seen: &mut PhaseOutcome) {
        let shown = match (&self.outcome.response, &self.case.response) {
            (Some(own), _) => own_head(own),
            (None, Some(given)) => (given.status, given.headers.clone()),
            (None, None) => {
                seen.skipped = Some("the case has no response".to_owned());
                return;
            }
        };
        let mut fields = Vec::new();
        pack_response(&mut fields, &self.plugin.response_fields, shown.0, &shown.1);
        self.call(seen, Call::Response { ctx: self.ctx, fields });
    }

    /// Makes a call and takes in what it says. `None`: it failed.
    fn call(&mut self, seen: &mut PhaseOutcome, call: Call) -> Option<Decision> {
        seen.calls += 1;
        let made = call.make(&mut self.instance);
        if self.calls.len() < CALLS_KEPT_MAX {
            self.calls.push(call);
        }
        match made {
            Ok(verdict) => self.hear(seen, verdict),
            Err(error) => {
                self.fail(chain(&error), error.backtrace());
                None
            }
        }
    }

    fn hear(&mut self, seen: &mut PhaseOutcome, verdict: Verdict) -> Option<Decision> {
        let Verdict { decision, ctx, outcome } = verdict;
        self.ctx = ctx;
        let Outcome { response, edits, effects } = outcome.map(|outcome| *outcome).unwrap_or_default();
        if let Some(path) = edits.iter().find_map(foreign_path) {
            self.fail(format!("it set the path `{path}`, which is not in normal form"), None);
            return None;
        }
        seen.edits.extend(edits.iter().map(ToString::to_string));
        seen.effects.extend(effects.iter().map(EffectSeen::from));
        seen.decision = Some(match decision {
            Decision::Next => NEXT.to_owned(),
            Decision::Done => "done".to_owned(),
            Decision::Variant(index) => {
                let variant = self.plugin.activation.variants.get(usize::from(index)).cloned().unwrap_or_default();
                self.outcome.verdict = format!("variant:{variant}");
                self.outcome.verdict.clone()
            }
            Decision::Respond { status } => {
                self.is_over = true;
                self.outcome.verdict = "respond".to_owned();
                self.outcome.response = Some(ResponseSeen::new(status, response.as_ref()));
                format!("respond {status}")
            }
        });
        Some(decision)
    }

    fn fail(&mut self, reason: String, backtrace: Option<&str>) {
        self.is_over = true;
        let failed = CaseOutcome::failed(reason, backtrace);
        let CaseOutcome { verdict, failure, backtrace, .. } = failed;
        self.outcome.verdict = verdict;
        self.outcome.failure = failure;
        self.outcome.backtrace = backtrace;
        self.outcome.response = None;
    }
}

/// Why a phase that looks at bodies does not come.
const NO_BODY: &str = "the case has no body";

/// A path that an edit sets and that no request has: the request path takes it for nonsense.
fn foreign_path(edit: &Edit) -> Option<&String> {
    match edit {
        Edit::SetPath(path) => (normalise(path, EncodedSlash::Keep).ok().as_deref() != Some(path)).then_some(path),
        Edit::SetHeader { .. }
        | Edit::AppendHeader { .. }
        | Edit::RemoveHeader { .. }
        | Edit::SetQuery(_)
        | Edit::SetStatus(_) => None,
    }
}

/// The head of a plugin's own answer, as the response phase sees it.
fn own_head(own: &ResponseSeen) -> (StatusCode, HeaderMap) {
    let mut headers = HeaderMap::new();
    for (name, value) in &own.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            headers.append(name, value);
        }
    }
    if !own.body.is_empty() {
        headers.entry(header::CONTENT_TYPE).or_insert(PLAIN_TEXT);
    }
    (StatusCode::from_u16(own.status).unwrap_or_default(), headers)
}

/// What the answer of a plugin is unless it says so.
const PLAIN_TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
