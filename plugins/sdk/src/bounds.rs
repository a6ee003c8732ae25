//! What a host accepts at most. A host enforces these by itself; `testing` checks them too, so that an author meets
//! them in a unit test and not in production.

use crate::bindings;
#[cfg(not(target_arch = "wasm32"))]
use crate::{Effect, Response};

/// Names in one list of an activation: fields, state keys, variants.
pub const NAMES_MAX: usize = 16;

/// Effects of one call.
pub const EFFECTS_MAX: usize = 16;

/// Bytes of one text: a message, a tag, a header line.
pub const TEXT_BYTES_MAX: usize = 8 * 1024;

/// Bytes of a response body made by a plugin.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

pub(crate) fn check_activation(activation: &bindings::Activation) -> Result<(), String> {
    for (what, names) in [
        ("request fields", &activation.request_fields),
        ("response fields", &activation.response_fields),
        ("state keys", &activation.state),
        ("variants", &activation.variants),
    ] {
        at_most(what, names.len(), NAMES_MAX)?;
    }
    Ok(())
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn check_outcome(outcome: &bindings::Outcome) -> Result<(), String> {
    at_most("effects", outcome.effects.len(), EFFECTS_MAX)?;
    outcome.effects.iter().try_for_each(check_effect)?;
    outcome.response.as_ref().map_or(Ok(()), check_response)
}

#[cfg(not(target_arch = "wasm32"))]
fn check_effect(effect: &Effect) -> Result<(), String> {
    let text = match effect {
        Effect::RaiseAlert(alert) => {
            at_most("bytes of a rule's name", alert.rule.len(), TEXT_BYTES_MAX)?;
            &alert.message
        }
        Effect::Add(counter) => &counter.name,
        Effect::Log(line) => &line.message,
        Effect::Tag(tag) => tag,
    };
    at_most("bytes of text in an effect", text.len(), TEXT_BYTES_MAX)
}

#[cfg(not(target_arch = "wasm32"))]
fn check_response(response: &Response) -> Result<(), String> {
    at_most("bytes of a response body", response.body.len(), BODY_BYTES_MAX)?;
    for header in &response.headers {
        at_most("bytes of a header line", header.name.len() + header.value.len(), TEXT_BYTES_MAX)?;
        if header.name.is_empty() || header.value.contains(['\r', '\n', '\0']) {
            return Err(format!("header {:?} is not one line", header.name));
        }
    }
    Ok(())
}

fn at_most(what: &str, is: usize, max: usize) -> Result<(), String> {
    if is > max { Err(format!("{is} {what}, at most {max}")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use crate::{Activation, Outcome, Phases};

    use super::*;

    #[test]
    fn an_activation_holds_at_its_bound_and_not_past_it() {
        let mut activation = Activation::new(Phases::REQUEST);
        for number in 0..NAMES_MAX {
            activation.state(format!("flag:f{number}"));
        }
        assert_eq!(activation.check(), Ok(()));
        activation.state("flag:one-more");
        assert_eq!(activation.check(), Err("17 state keys, at most 16".to_owned()));
    }

    #[test]
    fn an_outcome_holds_at_its_bounds_and_not_past_them() {
        let check = |fill: &dyn Fn(&mut Outcome)| {
            let mut outcome = Outcome::default();
            fill(&mut outcome);
            check_outcome(&outcome.take())
        };
        assert!(check(&|outcome| (0..EFFECTS_MAX).for_each(|_| outcome.add("n", 1))).is_ok());
        assert!(check(&|outcome| (0..=EFFECTS_MAX).for_each(|_| outcome.add("n", 1))).is_err());
        assert!(check(&|outcome| outcome.tag("x".repeat(TEXT_BYTES_MAX))).is_ok());
        assert!(check(&|outcome| outcome.tag("x".repeat(TEXT_BYTES_MAX + 1))).is_err());
        assert!(check(&|outcome| outcome.body(vec![0; BODY_BYTES_MAX])).is_ok());
        assert!(check(&|outcome| outcome.body(vec![0; BODY_BYTES_MAX + 1])).is_err());
        assert!(check(&|outcome| outcome.header("x", "one\r\ntwo: 2")).is_err());
    }
}
