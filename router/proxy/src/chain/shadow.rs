//! A new digest that is asked beside the serving one: what it says changes nothing, and is compared.
//!
//! It costs the request the time of its calls, and nothing else: effects, edits and answers go nowhere, and where it
//! fails, only its own counters and its own breaker know.

use sluice_snapshot::Link;
use sluice_snapshot::plugin::{Difference, Phase};
use sluice_wasm::{Decision, Effect, Verdict};

use super::call::{self, Event};
use super::settle;
use crate::exchange::Exchange;
use crate::instance::{Called, InstanceCell};
use crate::seat::Candidate;

/// Longest text of one side of a difference, bytes.
const SAID_BYTES_MAX: usize = 256;
/// What one that takes no part says: as much as one that lets the request pass.
const PASSES: &str = "next";

/// What one of the two came to; `None` = it takes no part.
type Side<'a> = Option<(&'a InstanceCell, &'a Called)>;

/// Asks the new digest about `event`, if that concerns it, and compares with what the serving one said.
pub(super) fn follow(
    exchange: &Exchange,
    link: Link,
    phase: Phase,
    candidate: &Candidate,
    event: Option<Event<'_>>,
    serving: Side<'_>,
) {
    let (chain, shadow) = (&exchange.chain, &*candidate.instance);
    let event = event.filter(|_| call::takes_part(exchange, shadow, phase));
    let Some(event) = event else { return compare(exchange, link, phase, candidate, serving, None) };
    let own = call::deliver(exchange, shadow, chain.shadow_context(link), event);
    chain.time(&shadow.plugin, phase, own.took, own.said.as_ref(), true);
    match &own.said {
        Ok(verdict) => {
            shadow.plugin.stats.said(exchange.connection.worker.index, phase, settle::kind(verdict));
            chain.set_shadow_context(link, verdict.ctx);
            if verdict.decision == Decision::Done {
                chain.shadow_has_seen_enough(link);
            }
        }
        Err(failure) if !failure.is_of_call() => return,
        Err(_) => {
            if phase == Phase::BodyChunk {
                chain.shadow_has_seen_enough(link);
            }
        }
    }
    compare(exchange, link, phase, candidate, serving, Some((shadow, &own)));
}

fn compare(exchange: &Exchange, link: Link, phase: Phase, candidate: &Candidate, old: Side<'_>, new: Side<'_>) {
    if old.is_none() && new.is_none() {
        return;
    }
    let is_same = is_same(old, new);
    exchange.chain.shadowed(link, is_same);
    if !is_same {
        let (old, mut new) = (describe(old), describe(new));
        if old == new {
            new.push_str(" (in other words)");
        }
        let difference =
            Difference { at_ms: exchange.now_ms, request_id: exchange.request_id_text().to_owned(), phase, old, new };
        candidate.trial.comparisons.keep(exchange.connection.worker.index, difference);
    }
}

fn is_same(old: Side<'_>, new: Side<'_>) -> bool {
    match (said(old), said(new)) {
        (Ok(None), Ok(None)) => true,
        (Ok(None), Ok(Some((_, verdict)))) | (Ok(Some((_, verdict))), Ok(None)) => passes(verdict),
        (Ok(Some(old)), Ok(Some(new))) => {
            decision(old.0, old.1) == decision(new.0, new.1) && is_same_outcome(old.1, new.1)
        }
        (Err(old), Err(new)) => old == new,
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
    }
}

fn said<'a>(side: Side<'a>) -> Result<Option<(&'a InstanceCell, &'a Verdict)>, &'static str> {
    match side {
        None => Ok(None),
        Some((instance, Called { said: Ok(verdict), .. })) => Ok(Some((instance, verdict))),
        Some((_, Called { said: Err(failure), .. })) => Err(failure.cause),
    }
}

/// True for a verdict after which everything is as if there were no plugin.
fn passes(verdict: &Verdict) -> bool {
    let is_silent = verdict.outcome.as_ref().is_none_or(|outcome| {
        outcome.response.is_none() && outcome.edits.is_empty() && spoken(&outcome.effects).next().is_none()
    });
    matches!(verdict.decision, Decision::Next | Decision::Done) && is_silent
}

/// A decision by the name of its variant: each digest numbers its own.
fn decision<'a>(instance: &'a InstanceCell, verdict: &Verdict) -> (Option<&'a str>, Option<u16>, bool) {
    match verdict.decision {
        Decision::Next => (None, None, false),
        Decision::Done => (None, None, true),
        Decision::Variant(index) => (Some(settle::variant_name(&instance.plugin, index)), None, false),
        Decision::Respond { status } => (None, Some(status), false),
    }
}

fn is_same_outcome(old: &Verdict, new: &Verdict) -> bool {
    match (&old.outcome, &new.outcome) {
        (None, None) => true,
        (Some(old), Some(new)) => {
            old.response == new.response && old.edits == new.edits && spoken(&old.effects).eq(spoken(&new.effects))
        }
        (Some(one), None) | (None, Some(one)) => {
            one.response.is_none() && one.edits.is_empty() && spoken(&one.effects).next().is_none()
        }
    }
}

/// Effects that somebody acts upon; what a plugin logs may change with every release.
fn spoken(effects: &[Effect]) -> impl Iterator<Item = &Effect> {
    effects.iter().filter(|effect| !matches!(effect, Effect::Log { .. }))
}

/// One side for people.
fn describe(side: Side<'_>) -> String {
    let (instance, verdict) = match said(side) {
        Ok(None) => return PASSES.to_owned(),
        Ok(Some(said)) => said,
        Err(cause) => return format!("failed: {cause}"),
    };
    let mut parts = vec![match verdict.decision {
        Decision::Next => PASSES.to_owned(),
        Decision::Done => "done".to_owned(),
        Decision::Variant(index) => format!("variant {}", settle::variant_name(&instance.plugin, index)),
        Decision::Respond { status } => format!("respond {status}"),
    }];
    if let Some(outcome) = &verdict.outcome {
        let body = outcome.response.as_ref().map(|response| format!("{} body bytes", response.body.len()));
        parts.extend(body);
        parts.extend(outcome.edits.iter().map(ToString::to_string));
        parts.extend(spoken(&outcome.effects).map(effect));
    }
    let mut text = parts.join(", ");
    text.truncate(text.floor_char_boundary(SAID_BYTES_MAX));
    text
}

fn effect(effect: &Effect) -> String {
    match effect {
        Effect::RaiseAlert(alert) => format!("alert {}", alert.rule),
        Effect::Add { name, value } => format!("count {name} {value}"),
        Effect::Tag(tag) => format!("tag {tag}"),
        Effect::Log { level: _, message } => format!("log {message}"),
    }
}
