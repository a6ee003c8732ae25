//! The outcome of a call: the response a plugin makes, its edits and effects, checked, and cut down to what it may do.

use sluice_model::plugin::Grants;

use crate::bounds::{EFFECTS_MAX, RESPONSE_BODY_BYTES_MAX, RESPONSE_HEADERS_MAX, TEXT_BYTES_MAX, one_line};
use crate::edit::{self, Edit, EditFault};
use crate::field_syntax::{is_set_by_router, is_token, is_value};
use crate::verdict::Phase;
use crate::wire::{Level, WireEffect, WireOutcome, WireResponse};

/// What a plugin wants beside its decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Headers and body of its answer; only with [`crate::Decision::Respond`].
    pub response: Option<Response>,
    /// Edits, in the plugin's order; none unless granted, and none beside a response.
    pub edits: Vec<Edit>,
    /// Effects, in the plugin's order; only those it was granted.
    pub effects: Vec<Effect>,
}

/// A response made by a plugin; its status is in the decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Names and values of valid syntax; none that frames the message.
    pub headers: Vec<(String, String)>,
    /// At most [`RESPONSE_BODY_BYTES_MAX`].
    pub body: Vec<u8>,
}

/// Something that happens outside the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Raise an alert.
    RaiseAlert(AlertEffect),
    /// Add to a counter.
    Add {
        /// Its name.
        name: String,
        /// By how much.
        value: u64,
    },
    /// Write a log line; within the plugin's allowance of lines.
    Log {
        /// Its level.
        level: Level,
        /// The line.
        message: String,
    },
    /// Mark the request; a valid header value.
    Tag(String),
}

/// An alert as a plugin raises it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertEffect {
    /// Rule that fired.
    pub rule: String,
    /// One line for people.
    pub message: String,
    /// What was seen.
    pub observed: u64,
    /// The limit it broke.
    pub limit: u64,
    /// Also stop the route's rollout; only if granted.
    pub abort_rollout: bool,
}

/// What is wrong with an outcome.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutcomeFault {
    /// A response without the decision to respond.
    #[error("a response, but the decision is not to respond")]
    StrayResponse,
    /// Too many header lines.
    #[error("{0} response headers, at most {RESPONSE_HEADERS_MAX}")]
    Headers(usize),
    /// A header whose name or value is no HTTP field.
    #[error("the response header {0:?} is no valid header line")]
    HeaderSyntax(String),
    /// A header that frames the message or belongs to the connection.
    #[error("the response header {0:?} is set by the router alone")]
    HeaderOfRouter(String),
    /// The body is too long.
    #[error("a response body of {0} bytes, at most {RESPONSE_BODY_BYTES_MAX}")]
    Body(usize),
    /// An edit.
    #[error("an edit is not acceptable")]
    Edit(#[source] EditFault),
    /// Too many effects.
    #[error("{0} effects, at most {EFFECTS_MAX}")]
    Effects(usize),
    /// A text is empty or too long.
    #[error("the {what} has {bytes} bytes, at most {TEXT_BYTES_MAX}")]
    Text {
        /// Which text.
        what: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// A name is empty.
    #[error("the {0} is empty")]
    Empty(&'static str),
    /// A tag that is no header value.
    #[error("a tag is one line")]
    TagSyntax,
}

/// An outcome after the checks.
pub(crate) struct Checked {
    pub(crate) outcome: Outcome,
    /// Edits, effects, or aborts of alerts, that were taken out for want of a grant.
    pub(crate) refused: u64,
}

/// An effect that may come only so often. Who is asked for one more counts those that it refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limited {
    /// A log line, which wants a grant as well.
    Line,
    /// An alert that is granted and aborts nothing: an abort must come through.
    Alert,
}

/// Checks an outcome of `phase`. `admit` says whether one more line or alert may pass.
pub(crate) fn check(
    wire: WireOutcome,
    phase: Phase,
    is_respond: bool,
    granted: &Grants,
    admit: impl FnMut(Limited) -> bool,
) -> Result<Checked, OutcomeFault> {
    if wire.response.is_some() && !is_respond {
        return Err(OutcomeFault::StrayResponse);
    }
    if wire.effects.len() > EFFECTS_MAX {
        return Err(OutcomeFault::Effects(wire.effects.len()));
    }
    let response = wire.response.map(check_response).transpose()?;
    let effects = wire.effects.into_iter().map(check_effect).collect::<Result<Vec<_>, _>>()?;
    let mut edits = edit::check(wire.edits, phase, is_respond).map_err(OutcomeFault::Edit)?;
    let (effects, mut refused) = keep_granted(effects, granted, admit);
    if !granted.edits {
        refused += edits.len() as u64;
        edits.clear();
    }
    Ok(Checked { outcome: Outcome { response, edits, effects }, refused })
}

fn check_response(wire: WireResponse) -> Result<Response, OutcomeFault> {
    if wire.body.len() > RESPONSE_BODY_BYTES_MAX {
        return Err(OutcomeFault::Body(wire.body.len()));
    }
    if wire.headers.len() > RESPONSE_HEADERS_MAX {
        return Err(OutcomeFault::Headers(wire.headers.len()));
    }
    let headers = wire.headers.into_iter().map(|header| check_header(header.name, header.value));
    Ok(Response { headers: headers.collect::<Result<_, _>>()?, body: wire.body })
}

fn check_header(name: String, value: String) -> Result<(String, String), OutcomeFault> {
    let bytes = name.len() + value.len();
    if bytes > TEXT_BYTES_MAX {
        return Err(OutcomeFault::Text { what: "response header", bytes });
    }
    if !is_token(&name) || !is_value(&value) {
        return Err(OutcomeFault::HeaderSyntax(name));
    }
    if is_set_by_router(&name) {
        return Err(OutcomeFault::HeaderOfRouter(name));
    }
    Ok((name, value))
}

fn check_effect(wire: WireEffect) -> Result<Effect, OutcomeFault> {
    Ok(match wire {
        WireEffect::RaiseAlert(alert) => Effect::RaiseAlert(AlertEffect {
            // Shown on terminals, pages and in mail. Refusing them would lose the abort that may come with the alert.
            rule: one_line(&name("name of a rule", alert.rule)?),
            message: one_line(&text("message of an alert", alert.message)?),
            observed: alert.observed,
            limit: alert.limit,
            abort_rollout: alert.abort_rollout,
        }),
        WireEffect::Add(counter) => {
            Effect::Add { name: name("name of a counter", counter.name)?, value: counter.value }
        }
        WireEffect::Log(line) => Effect::Log { level: line.level, message: text("log line", line.message)? },
        WireEffect::Tag(tag) if is_value(&tag) => Effect::Tag(name("tag", tag)?),
        WireEffect::Tag(_) => return Err(OutcomeFault::TagSyntax),
    })
}

fn text(what: &'static str, text: String) -> Result<String, OutcomeFault> {
    if text.len() > TEXT_BYTES_MAX { Err(OutcomeFault::Text { what, bytes: text.len() }) } else { Ok(text) }
}

fn name(what: &'static str, name: String) -> Result<String, OutcomeFault> {
    if name.is_empty() { Err(OutcomeFault::Empty(what)) } else { text(what, name) }
}

/// Takes out what is not granted, and counts it; lines and alerts past their allowance go too.
fn keep_granted(effects: Vec<Effect>, granted: &Grants, mut admit: impl FnMut(Limited) -> bool) -> (Vec<Effect>, u64) {
    let mut refused = 0;
    let mut kept = effects;
    kept.retain_mut(|effect| {
        let is_granted = match effect {
            Effect::RaiseAlert(alert) => {
                if granted.alerts && alert.abort_rollout && !granted.abort {
                    alert.abort_rollout = false;
                    refused += 1;
                }
                if granted.alerts && !alert.abort_rollout && !admit(Limited::Alert) {
                    return false;
                }
                granted.alerts
            }
            Effect::Add { .. } => granted.counters,
            Effect::Tag(_) => granted.tags,
            Effect::Log { .. } => return admit(Limited::Line),
        };
        refused += u64::from(!is_granted);
        is_granted
    });
    (kept, refused)
}

#[cfg(test)]
mod tests;
