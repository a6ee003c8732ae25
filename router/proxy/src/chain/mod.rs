//! Step of the path: the plugins of the route, phase by phase.
//!
//! Which of them concern a request is decided here without a call. A plugin that answers ends its phase; its answer
//! enters the response phase at its own position.

mod call;
mod chunks;
mod notes;
mod settle;
mod shadow;

use std::rc::Rc;

use sluice_snapshot::decisions::Verdict as Said;
use sluice_snapshot::plugin::Phase;
use sluice_snapshot::{Link, Route};
use sluice_wasm::SizeUnit;
use tokio::time::timeout;

pub(crate) use call::watching;
pub(crate) use chunks::Chunks;
pub(crate) use notes::Notes;

use crate::answer::Answer;
use crate::error::Error;
use crate::exchange::Exchange;
use crate::head::Head;
use crate::instance::INSTANCE_WAIT_MAX;
use crate::meter::{self, Due, Measure, Meter};
use crate::trail::Spoken;
use call::Event;

/// Waits, within a bound, where a fault of an earlier request left a plugin of these without an instance. What comes
/// next must be called before anything else is awaited.
async fn instances(exchange: &Exchange, phases: &[&[Link]]) {
    let awaited = || {
        let mut links = phases.iter().copied().flatten().copied();
        links.find_map(|link| call::awaited(exchange, link))
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
    refuse_without(exchange, route)?;
    instances(exchange, &[&route.request_phase, &route.body_size_phase, &route.body_chunk_phase]).await;
    for link in &route.request_phase {
        let random = exchange.connection.worker.random();
        if let Some(answer) = call::ask(exchange, *link, Event::Request { head, random })? {
            return Ok(Some(answer));
        }
    }
    Ok(None)
}

/// Nothing goes through a chain that misses a plugin whose policy is to refuse.
fn refuse_without(exchange: &Exchange, route: &Route) -> Result<(), Error> {
    let Some(missing) = route.missing else { return Ok(()) };
    let said = Spoken { verdict: Said::FailedClosed, cause: Some("load"), ..Spoken::default() };
    exchange.trail.said(missing.plugin, Phase::Request, said);
    Err(Error::Plugin { status: missing.status })
}

/// The phases of the body, as far as they come before a server is picked: a declared length is judged at once, any other
/// body is going to be counted, and shown to those who look at its bytes. `Some`: a plugin answers.
pub(crate) fn measure(exchange: &Rc<Exchange>, head: &Head) -> Result<Option<Answer>, Error> {
    let (Some(upload), Some(route)) = (exchange.upload(), exchange.route()) else { return Ok(None) };
    if !route.body_size_phase.is_empty() {
        match meter::measure(&head.headers) {
            Measure::Declared(bytes) => {
                for link in &route.body_size_phase {
                    let due = watching(exchange, *link).due(bytes);
                    if let Some(answer) = body_size(exchange, *link, due, bytes, SizeUnit::Body, true)? {
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
    }
    if !route.body_chunk_phase.is_empty()
        && let Some(chunks) = Chunks::of(exchange, route)
    {
        upload.show_to(chunks);
    }
    Ok(None)
}

/// Tells one plugin of a size, if it is due. `Some`: it answers.
pub(crate) fn body_size(
    exchange: &Exchange,
    link: Link,
    due: Due,
    bytes: u64,
    unit: SizeUnit,
    is_declared: bool,
) -> Result<Option<Answer>, Error> {
    let event = Event::BodySize { bytes, unit, is_declared };
    call::ask_apart(exchange, link, due.serving.then_some(event), due.shadow.then_some(event))
}

/// The response phase: in reverse, from the last plugin, or from the one that answered. A plugin's answer replaces the
/// one that it was shown; its edits change it.
pub(crate) async fn response(exchange: &Exchange, mut answer: Answer) -> Result<Answer, Error> {
    let Some(route) = exchange.route() else { return Ok(answer) };
    instances(exchange, &[&route.response_phase]).await;
    for link in &route.response_phase {
        if answer.position.is_some_and(|position| link.position > position) {
            continue;
        }
        if let Some(own) = call::ask(exchange, *link, Event::Response(&answer.response))? {
            answer = own;
        }
        exchange.chain.edit_response(&mut answer.response);
    }
    Ok(answer)
}
