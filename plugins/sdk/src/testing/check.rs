//! What a host refuses: the bounds, and the rules that a plugin's own types do not already keep.

use super::edits;
use crate::bindings;
use crate::bounds::{
    EFFECTS_MAX, NAME_BYTES_MAX, NAMES_MAX, PATH_PREFIXES_MAX, RESPONSE_BODY_BYTES_MAX, RESPONSE_HEADERS_MAX,
    TEXT_BYTES_MAX,
};
use crate::{Effect, Header, Phases, Response};

/// Headers that frame a message or belong to one connection (RFC 9110 section 7.6.1): the router alone sets them.
const HEADERS_OF_ROUTER: [&str; 8] =
    ["connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

/// The bound that an activation breaks.
pub(super) fn activation(activation: &bindings::Activation) -> Result<(), String> {
    for (what, names, max) in [
        ("path prefixes", &activation.path_prefixes, PATH_PREFIXES_MAX),
        ("methods", &activation.methods, NAMES_MAX),
        ("request fields", &activation.request_fields, NAMES_MAX),
        ("response fields", &activation.response_fields, NAMES_MAX),
        ("state keys", &activation.state, NAMES_MAX),
        ("variants", &activation.variants, NAMES_MAX),
    ] {
        at_most(what, names.len(), max)?;
        for name in names {
            at_most("bytes of a name", name.len(), NAME_BYTES_MAX)?;
        }
    }
    Ok(())
}

/// The bound or rule that an outcome of `phase` breaks.
pub(super) fn outcome(outcome: &bindings::Outcome, phase: Phases, is_respond: bool) -> Result<(), String> {
    at_most("effects", outcome.effects.len(), EFFECTS_MAX)?;
    outcome.effects.iter().try_for_each(effect)?;
    edits::check(&outcome.edits, phase, is_respond)?;
    match &outcome.response {
        Some(_) if !is_respond => Err("a response, but the verdict is not to respond".to_owned()),
        Some(made) => response(made),
        None => Ok(()),
    }
}

fn effect(effect: &Effect) -> Result<(), String> {
    match effect {
        Effect::RaiseAlert(alert) => {
            name("name of a rule", &alert.rule).and_then(|()| text("message of an alert", &alert.message))
        }
        Effect::Add(counter) => name("name of a counter", &counter.name),
        Effect::Log(line) => text("log line", &line.message),
        Effect::Tag(tag) if !is_one_line(tag) => Err(format!("the tag {tag:?} is not one line")),
        Effect::Tag(tag) => name("tag", tag),
    }
}

fn response(response: &Response) -> Result<(), String> {
    at_most("bytes of a response body", response.body.len(), RESPONSE_BODY_BYTES_MAX)?;
    at_most("response headers", response.headers.len(), RESPONSE_HEADERS_MAX)?;
    response.headers.iter().try_for_each(|line| {
        header(line)?;
        if HEADERS_OF_ROUTER.iter().any(|known| known.eq_ignore_ascii_case(&line.name)) {
            return Err(format!("the header {:?} is set by the router alone", line.name));
        }
        Ok(())
    })
}

/// The bound or rule that a header line breaks.
pub(super) fn header(Header { name, value }: &Header) -> Result<(), String> {
    at_most("bytes of a header line", name.len() + value.len(), TEXT_BYTES_MAX)?;
    if is_token(name) && is_one_line(value) { Ok(()) } else { Err(format!("the header {name:?} is no header line")) }
}

/// A token (RFC 9110 section 5.6.2), such as the name of a header.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn is_one_line(text: &str) -> bool {
    !text.contains(|c: char| c.is_ascii_control() && c != '\t')
}

/// A text that may not be empty.
fn name(what: &'static str, name: &str) -> Result<(), String> {
    if name.is_empty() { Err(format!("the {what} is empty")) } else { text(what, name) }
}

fn text(what: &'static str, text: &str) -> Result<(), String> {
    at_most(&format!("bytes of the {what}"), text.len(), TEXT_BYTES_MAX)
}

pub(super) fn at_most(what: &str, is: usize, max: usize) -> Result<(), String> {
    if is > max { Err(format!("{is} {what}, at most {max}")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use crate::{Activation, Outcome};

    use super::*;

    fn check(is_respond: bool, fill: impl Fn(&mut Outcome)) -> Result<(), String> {
        let mut filled = Outcome::default();
        fill(&mut filled);
        outcome(&filled.take(), Phases::REQUEST, is_respond)
    }

    #[test]
    fn an_activation_holds_at_its_bounds_and_not_past_them() {
        let mut built = Activation::new(Phases::REQUEST);
        (0..NAMES_MAX).for_each(|number| built.state(format!("flag:f{number}")));
        (0..PATH_PREFIXES_MAX).for_each(|number| built.path_prefix(format!("/{number}")));
        assert_eq!(activation(&built.document), Ok(()));
        let (mut many_keys, mut many_paths) = (built.clone(), built.clone());
        many_keys.state("flag:one-more");
        assert_eq!(activation(&many_keys.document), Err("17 state keys, at most 16".to_owned()));
        many_paths.path_prefix("/one-more");
        assert!(activation(&many_paths.document).is_err());
        built.method("X".repeat(NAME_BYTES_MAX));
        assert_eq!(activation(&built.document), Ok(()));
        built.method("X".repeat(NAME_BYTES_MAX + 1));
        assert!(activation(&built.document).is_err());
    }

    #[test]
    fn effects_hold_at_their_bounds_and_not_past_them() {
        assert!(check(false, |outcome| (0..EFFECTS_MAX).for_each(|_| outcome.add("n", 1))).is_ok());
        assert!(check(false, |outcome| (0..=EFFECTS_MAX).for_each(|_| outcome.add("n", 1))).is_err());
        assert!(check(false, |outcome| outcome.tag("x".repeat(TEXT_BYTES_MAX))).is_ok());
        assert!(check(false, |outcome| outcome.tag("x".repeat(TEXT_BYTES_MAX + 1))).is_err());
        assert!(check(false, |outcome| outcome.tag("two\nlines")).is_err());
        assert!(check(false, |outcome| outcome.add("", 1)).is_err());
    }

    #[test]
    fn responses_hold_at_their_bounds_and_not_past_them() {
        assert!(check(true, |outcome| outcome.body(vec![0; RESPONSE_BODY_BYTES_MAX])).is_ok());
        assert!(check(true, |outcome| outcome.body(vec![0; RESPONSE_BODY_BYTES_MAX + 1])).is_err());
        assert!(check(true, |outcome| (0..RESPONSE_HEADERS_MAX).for_each(|_| outcome.header("a", "b"))).is_ok());
        assert!(check(true, |outcome| (0..=RESPONSE_HEADERS_MAX).for_each(|_| outcome.header("a", "b"))).is_err());
    }

    #[test]
    fn a_response_keeps_to_the_rules() {
        assert!(check(true, |outcome| outcome.header("x", "one\r\ntwo: 2")).is_err());
        assert!(check(true, |outcome| outcome.header("a b", "c")).is_err());
        assert!(check(true, |outcome| outcome.header("Content-Length", "1")).is_err());
        assert!(check(false, |outcome| outcome.text("stray")).is_err());
    }
}
