//! Step of the path: the plugins of the route, phase by phase.
//!
//! Which of them concern a request is decided here without a call. A plugin that answers ends its phase; its answer
//! enters the response phase at its own position.

use std::rc::Rc;

use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use sluice_snapshot::decisions::{VariantBy, Verdict as Said};
use sluice_snapshot::plugin::Phase;
use sluice_snapshot::{Link, Reason};
use sluice_wasm::{Decision, SizeUnit, Verdict};
use tokio::time::timeout;

use crate::answer::{Answer, Content};
use crate::effects;
use crate::error::Error;
use crate::exchange::Exchange;
use crate::fields;
use crate::head::Head;
use crate::instance::{INSTANCE_WAIT_MAX, InstanceCell};
use crate::meter::{self, Measure, Meter};

const PLAIN_TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Waits, within a bound, where a fault of an earlier request left a plugin of these without an instance. What comes
/// next must be called before anything else is awaited.
async fn instances(exchange: &Exchange, phases: &[&[Link]]) {
    let awaited = || {
        let mut links = phases.iter().copied().flatten().copied();
        links.find_map(|link| exchange.applicable(link).filter(|instance| instance.is_awaited()))
    };
    let Some(first) = awaited() else { return };
    let present = async {
        first.present().await;
        while let Some(instance) = awaited() {
            instance.present().await;
        }
    };
    // Late: the call fails as the plugin's policy says.
    let _late = timeout(INSTANCE_WAIT_MAX, present).await;
}

/// The request phase: the head, before a server is picked. `Some`: a plugin answers.
pub(crate) async fn request(exchange: &Exchange, head: &Head) -> Result<Option<Answer>, Error> {
    let Some(route) = exchange.route() else { return Ok(None) };
    if let Some(missing) = route.missing {
        exchange.trail.said(missing.plugin, Phase::Request, Said::FailedClosed, None, None);
        return Err(Error::Plugin { status: missing.status });
    }
    instances(exchange, &[&route.request_phase, &route.body_size_phase]).await;
    for link in &route.request_phase {
        let Some(instance) = exchange.applicable(*link) else { continue };
        let worker = &exchange.connection.worker;
        let mut blob = worker.blob.borrow_mut();
        fields::pack_request(&mut blob, &instance.plugin.request_fields, exchange, head);
        let random = worker.random();
        let called = instance
            .call(&exchange.surroundings(), Phase::Request, |plugin| plugin.on_request(&blob, exchange.now_ms, random));
        drop(blob);
        if let Some(answer) = settle(exchange, *link, Phase::Request, instance, called)? {
            return Ok(Some(answer));
        }
    }
    Ok(None)
}

/// The size phase, as far as it comes before a server is picked: a declared length is judged at once, any other body is
/// going to be counted. `Some`: a plugin answers.
pub(crate) fn measure(exchange: &Rc<Exchange>, head: &Head) -> Result<Option<Answer>, Error> {
    let Some(upload) = exchange.upload() else { return Ok(None) };
    let Some(route) = exchange.route().filter(|route| !route.body_size_phase.is_empty()) else { return Ok(None) };
    match meter::measure(&head.headers) {
        Measure::Declared(bytes) => {
            for link in &route.body_size_phase {
                let applicable = exchange.applicable(*link);
                if applicable.is_some_and(|instance| bytes > instance.plugin.activation.body_size_above)
                    && let Some(answer) = body_size(exchange, *link, bytes, SizeUnit::Body, true)?
                {
                    return Ok(Some(answer));
                }
            }
        }
        Measure::Counted(counted_as) => {
            if let Some(meter) = Meter::new(exchange, counted_as) {
                upload.count_with(meter, exchange);
            }
        }
    }
    Ok(None)
}

/// Tells one plugin of a size. `Some`: it answers.
pub(crate) fn body_size(
    exchange: &Exchange,
    link: Link,
    bytes: u64,
    unit: SizeUnit,
    is_declared: bool,
) -> Result<Option<Answer>, Error> {
    let Some(instance) = exchange.applicable(link) else { return Ok(None) };
    let ctx = exchange.context(link);
    let called = instance
        .call(&exchange.surroundings(), Phase::BodySize, |plugin| plugin.on_body_size(ctx, bytes, unit, is_declared));
    settle(exchange, link, Phase::BodySize, instance, called)
}

/// The response phase: in reverse, from the last plugin, or from the one that answered. A plugin's answer replaces the
/// one that it was shown.
pub(crate) async fn response(exchange: &Exchange, mut answer: Answer) -> Result<Answer, Error> {
    let Some(route) = exchange.route() else { return Ok(answer) };
    instances(exchange, &[&route.response_phase]).await;
    for link in &route.response_phase {
        if answer.position.is_some_and(|position| link.position > position) {
            continue;
        }
        let Some(instance) = exchange.applicable(*link) else { continue };
        let mut blob = exchange.connection.worker.blob.borrow_mut();
        fields::pack_response(&mut blob, &instance.plugin.response_fields, &answer.response);
        let ctx = exchange.context(*link);
        let called = instance.call(&exchange.surroundings(), Phase::Response, |plugin| plugin.on_response(ctx, &blob));
        drop(blob);
        if let Some(own) = settle(exchange, *link, Phase::Response, instance, called)? {
            answer = own;
        }
    }
    Ok(answer)
}

/// Carries out a verdict and notes it. `Ok(None)` from the call stands for a plugin that failed open.
fn settle(
    exchange: &Exchange,
    link: Link,
    phase: Phase,
    instance: &InstanceCell,
    called: Result<Option<Verdict>, Error>,
) -> Result<Option<Answer>, Error> {
    let note = |said, variant, status| exchange.trail.said(link.plugin, phase, said, variant, status);
    let failed = |ended: Result<(), Error>| {
        note(if ended.is_ok() { Said::FailedOpen } else { Said::FailedClosed }, None, None);
        ended.map(|()| None)
    };
    let verdict = match called {
        Ok(Some(verdict)) => verdict,
        Ok(None) => return failed(Ok(())),
        Err(error) => return failed(Err(error)),
    };
    exchange.set_context(link, verdict.ctx);
    let mut own = None;
    if let Some(outcome) = verdict.outcome {
        effects::apply(exchange, &instance.plugin, outcome.effects);
        own = outcome.response;
    }
    match verdict.decision {
        Decision::Next | Decision::Done => {
            note(Said::Next, None, None);
            Ok(None)
        }
        Decision::Variant(index) => {
            let name = instance.plugin.activation.variants.get(usize::from(index));
            let name = name.map_or("", String::as_str);
            let Some(variant) = exchange.variant_index(name) else {
                return failed(instance.chose_foreign_variant(name, exchange.route_name()));
            };
            exchange.set_variant(Some(variant));
            exchange.trail.variant_by(Some(VariantBy::Plugin));
            note(Said::Variant, Some(variant), None);
            Ok(None)
        }
        Decision::Respond { status } => {
            exchange.record.refused(Reason::PluginResponse);
            note(Said::Respond, None, Some(status));
            Ok(Some(Answer { position: Some(link.position), response: made_by_plugin(status, own) }))
        }
    }
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
