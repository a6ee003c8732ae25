//! One plugin is asked about one event of a request: by whom it is answered, in a seat with a trial, and what is passed.

use http::Response;
use sluice_snapshot::Link;
use sluice_snapshot::plugin::Phase;
use sluice_wasm::SizeUnit;

use super::{settle, shadow};
use crate::answer::{Answer, Content};
use crate::error::Error;
use crate::exchange::Exchange;
use crate::fields;
use crate::head::Head;
use crate::instance::{Called, InstanceCell};
use crate::meter::Watching;
use crate::seat::{Counting, WorkerSeat};

/// What a plugin is asked about.
#[derive(Clone, Copy)]
pub(super) enum Event<'a> {
    /// The head of the request. Two digests that are compared get the same random bits.
    Request { head: &'a Head, random: u64 },
    /// The size of its body.
    BodySize { bytes: u64, unit: SizeUnit, is_declared: bool },
    /// The next bytes of its body.
    BodyChunk { chunk: &'a [u8], offset: u64, is_last: bool },
    /// The head of the response.
    Response(&'a Response<Content>),
}

impl Event<'_> {
    pub(super) const fn phase(&self) -> Phase {
        match self {
            Self::Request { .. } => Phase::Request,
            Self::BodySize { .. } => Phase::BodySize,
            Self::BodyChunk { .. } => Phase::BodyChunk,
            Self::Response(_) => Phase::Response,
        }
    }
}

/// Asks the plugin of a link about an event that concerns whoever sits there. `Some`: it answers.
pub(super) fn ask(exchange: &Exchange, link: Link, event: Event<'_>) -> Result<Option<Answer>, Error> {
    ask_apart(exchange, link, Some(event), Some(event))
}

/// The same where what concerns the one whose word counts need not concern its shadow.
pub(super) fn ask_apart(
    exchange: &Exchange,
    link: Link,
    event: Option<Event<'_>>,
    shadow_event: Option<Event<'_>>,
) -> Result<Option<Answer>, Error> {
    let Some(phase) = event.or(shadow_event).map(|event| event.phase()) else { return Ok(None) };
    let seat = exchange.seat(link);
    let counting = counting(exchange, seat).zip(event);
    let counting = counting.filter(|(counting, _)| takes_part(exchange, counting.instance, phase));
    let called = counting.map(|(counting, event)| {
        exchange.chain.called(link);
        (counting, event, deliver(exchange, counting.instance, exchange.chain.context(link), event))
    });
    if let Some(candidate) = seat.shadow(exchange.chain.draw) {
        let serving = called.as_ref().map(|(counting, _, called)| (counting.instance, called));
        shadow::follow(exchange, link, phase, candidate, shadow_event, serving);
    }
    let Some((counting, event, called)) = called else { return Ok(None) };
    settle::settle(exchange, link, counting, event, called)
}

/// This worker's instance of the plugin whose word counts at a place of the chain, if it concerns the request and a fault
/// has left it empty.
pub(super) fn awaited(exchange: &Exchange, link: Link) -> Option<&InstanceCell> {
    let instance = counting(exchange, exchange.seat(link))?.instance;
    (instance.is_awaited() && applies(exchange, instance)).then_some(instance)
}

fn counting<'a>(exchange: &Exchange, seat: &'a WorkerSeat) -> Option<Counting<'a>> {
    seat.counting(exchange.chain.draw)
}

/// True if the plugin has asked for this phase of this request. The links of a route are those of a seat: two digests in
/// it need not take part in the same.
pub(super) fn takes_part(exchange: &Exchange, instance: &InstanceCell, phase: Phase) -> bool {
    let phases = &instance.plugin.activation.phases;
    let is_declared = match phase {
        Phase::Request => phases.request,
        Phase::BodySize => phases.body_size,
        Phase::BodyChunk => phases.body_chunk,
        Phase::Response => phases.response,
        Phase::State => false,
    };
    is_declared && applies(exchange, instance)
}

fn applies(exchange: &Exchange, instance: &InstanceCell) -> bool {
    exchange.line().is_some_and(|line| instance.plugin.applies(line.method.as_str(), line.target.path()))
}

/// The sizes that those of a link wait for.
pub(crate) fn watching(exchange: &Exchange, link: Link) -> Watching {
    let seat = exchange.seat(link);
    let above = |instance: &InstanceCell| {
        takes_part(exchange, instance, Phase::BodySize).then(|| instance.plugin.activation.body_size_above)
    };
    Watching {
        serving: counting(exchange, seat).and_then(|counting| above(counting.instance)),
        shadow: seat.shadow(exchange.chain.draw).and_then(|candidate| above(&candidate.instance)),
    }
}

/// Who of a link looks at the bytes of bodies: the one whose word counts, and its shadow.
pub(super) fn viewing(exchange: &Exchange, link: Link) -> [Option<&InstanceCell>; 2] {
    let seat = exchange.seat(link);
    let serving = counting(exchange, seat).map(|counting| counting.instance);
    let shadow = seat.shadow(exchange.chain.draw).map(|candidate| &*candidate.instance);
    [serving, shadow].map(|instance| instance.filter(|instance| takes_part(exchange, instance, Phase::BodyChunk)))
}

/// Calls one instance.
pub(super) fn deliver(exchange: &Exchange, instance: &InstanceCell, ctx: u32, event: Event<'_>) -> Called {
    let mut blob = exchange.connection.worker.blob.borrow_mut();
    match event {
        Event::Request { head, .. } => {
            fields::pack_request(&mut blob, &instance.plugin.request_fields, exchange, head);
        }
        Event::Response(response) => fields::pack_response(&mut blob, &instance.plugin.response_fields, response),
        Event::BodySize { .. } | Event::BodyChunk { .. } => {}
    }
    let is_traced = exchange.chain.is_traced();
    instance.call(
        &exchange.surroundings(),
        event.phase(),
        is_traced,
        |plugin| match event {
            Event::Request { random, .. } => plugin.on_request(&blob, exchange.now_ms, random),
            Event::BodySize { bytes, unit, is_declared } => plugin.on_body_size(ctx, bytes, unit, is_declared),
            Event::BodyChunk { chunk, offset, is_last } => plugin.on_body_chunk(ctx, chunk, offset, is_last),
            Event::Response(_) => plugin.on_response(ctx, &blob),
        },
        |verdict| settle::check(exchange, &instance.plugin, verdict),
    )
}
