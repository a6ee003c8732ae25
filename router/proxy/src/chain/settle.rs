//! A verdict is carried out and noted: the variant, the answer, the edits, the effects; or what a failure comes to.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use sluice_policy::{FailurePolicy, path};
use sluice_snapshot::decisions::{VariantBy, Verdict as Said};
use sluice_snapshot::plugin::{Phase, VerdictKind};
use sluice_snapshot::{Link, Plugin, Reason};
use sluice_wasm::{Decision, Edit, Verdict};

use super::call::Event;
use crate::answer::{Answer, Content};
use crate::effects;
use crate::error::Error;
use crate::exchange::Exchange;
use crate::instance::{Called, Failure, Nonsense};
use crate::seat::Counting;
use crate::trail::Spoken;

const PLAIN_TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// What the host of plugins cannot know: whether the variant is one of the route's, and whether a path is in normal form.
pub(super) fn check(exchange: &Exchange, plugin: &Plugin, verdict: &Verdict) -> Result<(), Nonsense> {
    if let Decision::Variant(index) = verdict.decision {
        let name = variant_name(plugin, index);
        if exchange.variant_index(name).is_none() {
            return Err(Nonsense::ForeignVariant(name.to_owned()));
        }
    }
    let Some(outcome) = &verdict.outcome else { return Ok(()) };
    let paths = outcome.edits.iter().filter_map(|edit| if let Edit::SetPath(path) = edit { Some(path) } else { None });
    for path in paths {
        let slash = exchange.connection.listener.encoded_slash;
        if !matches!(path::normalise(path, slash), Ok(Cow::Borrowed(normal)) if normal == path) {
            return Err(Nonsense::Path(path.clone()));
        }
    }
    Ok(())
}

pub(super) fn variant_name(plugin: &Plugin, index: u8) -> &str {
    plugin.activation.variants.get(usize::from(index)).map_or("", String::as_str)
}

/// What a verdict counts as.
pub(super) fn kind(verdict: &Verdict) -> VerdictKind {
    match verdict.decision {
        Decision::Variant(_) => VerdictKind::Variant,
        Decision::Respond { .. } => VerdictKind::Respond,
        Decision::Done => VerdictKind::Done,
        Decision::Next if verdict.outcome.as_ref().is_some_and(|outcome| !outcome.edits.is_empty()) => {
            VerdictKind::Edit
        }
        Decision::Next => VerdictKind::Next,
    }
}

/// Carries out what the one said whose word counts. `Some`: it answers.
pub(super) fn settle(
    exchange: &Exchange,
    link: Link,
    Counting { instance, is_candidate }: Counting<'_>,
    event: Event<'_>,
    Called { said, took }: Called,
) -> Result<Option<Answer>, Error> {
    let (plugin, phase) = (&*instance.plugin, event.phase());
    exchange.chain.time(plugin, phase, took, said.as_ref(), is_candidate);
    let note = |spoken: Spoken| exchange.trail.said(link.plugin, phase, Spoken { is_candidate, ..spoken });
    let verdict = match said {
        Ok(verdict) => verdict,
        Err(Failure { cause, policy }) => {
            let (verdict, ended) = match policy {
                FailurePolicy::Open => (Said::FailedOpen, Ok(None)),
                FailurePolicy::Closed { status } => (Said::FailedClosed, Err(Error::Plugin { status })),
            };
            note(Spoken { verdict, cause: Some(cause), ..Spoken::default() });
            if phase == Phase::BodyChunk {
                // What comes next would reach a fresh instance, with a hole before it.
                exchange.chain.has_seen_enough(link);
            }
            return ended;
        }
    };
    plugin.stats.said(exchange.connection.worker.index, phase, kind(&verdict));
    exchange.chain.set_context(link, verdict.ctx);
    let (mut own, mut edits) = (None, 0);
    if let Some(outcome) = verdict.outcome {
        effects::apply(exchange, plugin, outcome.effects);
        edits = u16::try_from(outcome.edits.len()).unwrap_or(u16::MAX);
        exchange.chain.edit(phase, outcome.edits);
        own = outcome.response;
    }
    let spoken = |verdict| Spoken { verdict, edits, ..Spoken::default() };
    match verdict.decision {
        Decision::Next => {
            if !is_midway(&event) {
                note(spoken(Said::Next));
            }
            Ok(None)
        }
        Decision::Done => {
            exchange.chain.has_seen_enough(link);
            note(spoken(Said::Done));
            Ok(None)
        }
        Decision::Variant(index) => {
            let variant = exchange.variant_index(variant_name(plugin, index));
            exchange.set_variant(variant);
            exchange.trail.variant_by(Some(VariantBy::Plugin));
            note(Spoken { variant, ..spoken(Said::Variant) });
            Ok(None)
        }
        Decision::Respond { status } => {
            exchange.record.refused(Reason::PluginResponse);
            note(Spoken { status: Some(status), ..spoken(Said::Respond) });
            Ok(Some(Answer { position: Some(link.position), response: made_by_plugin(status, own) }))
        }
    }
}

/// True for a chunk after which more come: that it may pass is no news.
const fn is_midway(event: &Event<'_>) -> bool {
    matches!(event, Event::BodyChunk { is_last: false, .. })
}

/// The response of a plugin. The host has checked its fields and its size.
fn made_by_plugin(status: u16, own: Option<sluice_wasm::Response>) -> Response<Content> {
    let (lines, body) = own.map_or_else(Default::default, |own| (own.headers, own.body));
    let has_body = !body.is_empty();
    let mut response = Response::new(Content::whole(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &lines {
        let line = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value));
        if let (Ok(name), Ok(value)) = line {
            response.headers_mut().append(name, value);
        }
    }
    if has_body && !response.headers().contains_key(header::CONTENT_TYPE) {
        response.headers_mut().insert(header::CONTENT_TYPE, PLAIN_TEXT);
    }
    response
}
