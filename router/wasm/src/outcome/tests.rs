//! Outcomes at their bounds and one past them; effects with and without their grants.

use super::*;
use crate::wire::{WireAlert, WireCounter, WireEdit, WireHeader, WireLogLine};

const PHASE: Phase = Phase::Request { variants: 0 };

fn alert(abort_rollout: bool) -> WireEffect {
    let (rule, message) = ("size".to_owned(), "too large".to_owned());
    WireEffect::RaiseAlert(WireAlert { rule, message, observed: 2, limit: 1, abort_rollout })
}

fn add(name: &str) -> WireEffect {
    WireEffect::Add(WireCounter { name: name.to_owned(), value: 1 })
}

fn tag(text: &str) -> WireEffect {
    WireEffect::Tag(text.to_owned())
}

fn line() -> WireEffect {
    WireEffect::Log(WireLogLine { level: Level::Info, message: String::new() })
}

fn effects(effects: Vec<WireEffect>, granted: &Grants) -> Result<Checked, OutcomeFault> {
    check(WireOutcome { response: None, edits: Vec::new(), effects }, PHASE, false, granted, |_| true)
}

fn respond(headers: &[(&str, &str)], body_bytes: usize) -> Result<(), OutcomeFault> {
    let headers =
        headers.iter().map(|(name, value)| WireHeader { name: (*name).to_owned(), value: (*value).to_owned() });
    let response = Some(WireResponse { headers: headers.collect(), body: vec![0; body_bytes] });
    let outcome = WireOutcome { response, edits: Vec::new(), effects: Vec::new() };
    check(outcome, PHASE, true, &Grants::everything(), |_| true).map(|_| ())
}

#[test]
fn effects_without_their_grant_are_taken_out_and_counted() {
    let every = || vec![alert(true), add("n"), tag("t"), line()];
    let checked = effects(every(), &Grants::everything()).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!((checked.outcome.effects.len(), checked.refused), (4, 0));
    let checked = effects(every(), &Grants::default()).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(checked.refused, 3);
    assert_eq!(checked.outcome.effects, [Effect::Log { level: Level::Info, message: String::new() }]);
}

#[test]
fn an_abort_without_its_grant_leaves_the_alert() {
    let granted = Grants { alerts: true, ..Grants::default() };
    let checked = effects(vec![alert(true), alert(false)], &granted).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!((checked.outcome.effects.len(), checked.refused), (2, 1));
    assert!(
        checked
            .outcome
            .effects
            .iter()
            .all(|effect| matches!(effect, Effect::RaiseAlert(alert) if !alert.abort_rollout))
    );
}

#[test]
fn log_lines_past_the_allowance_are_taken_out() {
    let effects = vec![line(), line(), line()];
    let outcome = WireOutcome { response: None, edits: Vec::new(), effects };
    let mut left = 2;
    let admit = |limited| {
        assert_eq!(limited, Limited::Line);
        left -= 1;
        left >= 0
    };
    let checked = check(outcome, PHASE, false, &Grants::everything(), admit).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!((checked.outcome.effects.len(), checked.refused), (2, 0));
}

#[test]
fn alerts_past_the_allowance_are_taken_out_unless_they_abort() {
    let granted = Grants { alerts: true, abort: true, ..Grants::default() };
    let outcome = |abort| WireOutcome { response: None, edits: Vec::new(), effects: vec![alert(abort)] };
    let kept = |abort, granted: &Grants| {
        let checked = check(outcome(abort), PHASE, false, granted, |limited| limited != Limited::Alert);
        checked.unwrap_or_else(|fault| panic!("{fault}")).outcome.effects.len()
    };
    assert_eq!(kept(false, &granted), 0);
    assert_eq!(kept(true, &granted), 1);
    assert_eq!(kept(true, &Grants { abort: false, ..granted }), 0, "it may not abort: an alert as any other");
}

#[test]
fn edits_without_their_grant_are_taken_out_and_counted_but_checked() {
    let edits = |name: &str| {
        let edits = vec![WireEdit::RemoveHeader(name.to_owned()), WireEdit::SetQuery(String::new())];
        WireOutcome { response: None, edits, effects: Vec::new() }
    };
    let checked =
        check(edits("x-a"), PHASE, false, &Grants::everything(), |_| true).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!((checked.outcome.edits.len(), checked.refused), (2, 0));
    let none = Grants::default();
    let checked = check(edits("x-a"), PHASE, false, &none, |_| true).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!((checked.outcome.edits.len(), checked.refused), (0, 2));
    let fault = OutcomeFault::Edit(EditFault::HeaderOfRouter("host".to_owned()));
    assert_eq!(check(edits("host"), PHASE, false, &none, |_| true).map(|_| ()), Err(fault));
}

#[test]
fn effects_hold_at_their_bounds_and_not_past_them() {
    let many = |count| effects((0..count).map(|_| add("n")).collect(), &Grants::everything()).map(|_| ());
    assert_eq!(many(EFFECTS_MAX), Ok(()));
    assert_eq!(many(EFFECTS_MAX + 1), Err(OutcomeFault::Effects(EFFECTS_MAX + 1)));
    let long = |bytes| effects(vec![add(&"n".repeat(bytes))], &Grants::everything()).map(|_| ());
    assert_eq!(long(TEXT_BYTES_MAX), Ok(()));
    let fault = OutcomeFault::Text { what: "name of a counter", bytes: TEXT_BYTES_MAX + 1 };
    assert_eq!(long(TEXT_BYTES_MAX + 1), Err(fault));
    assert_eq!(long(0), Err(OutcomeFault::Empty("name of a counter")));
}

#[test]
fn a_tag_is_a_header_value() {
    assert!(effects(vec![tag("slow path")], &Grants::everything()).is_ok());
    assert_eq!(effects(vec![tag("a\r\nb: c")], &Grants::everything()).map(|_| ()), Err(OutcomeFault::TagSyntax));
}

#[test]
fn a_response_holds_at_its_bounds_and_not_past_them() {
    assert_eq!(respond(&[], RESPONSE_BODY_BYTES_MAX), Ok(()));
    assert_eq!(respond(&[], RESPONSE_BODY_BYTES_MAX + 1), Err(OutcomeFault::Body(RESPONSE_BODY_BYTES_MAX + 1)));
    assert_eq!(respond(&[("x", ""); RESPONSE_HEADERS_MAX], 0), Ok(()));
    let fault = OutcomeFault::Headers(RESPONSE_HEADERS_MAX + 1);
    assert_eq!(respond(&[("x", ""); RESPONSE_HEADERS_MAX + 1], 0), Err(fault));
    let value = "v".repeat(TEXT_BYTES_MAX);
    assert_eq!(respond(&[("x", &value[1..])], 0), Ok(()));
    let fault = OutcomeFault::Text { what: "response header", bytes: TEXT_BYTES_MAX + 1 };
    assert_eq!(respond(&[("x", &value)], 0), Err(fault));
}

#[test]
fn headers_cannot_split_or_frame_a_message() {
    for (name, value) in [("", "a"), ("a b", "c"), ("a:", "b"), ("a", "b\r\nc: d"), ("a", "b\0"), ("a\n", "b")] {
        assert_eq!(
            respond(&[(name, value)], 0),
            Err(OutcomeFault::HeaderSyntax(name.to_owned())),
            "{name:?}: {value:?}"
        );
    }
    for name in ["Content-Length", "transfer-encoding", "Connection"] {
        assert_eq!(respond(&[(name, "1")], 0), Err(OutcomeFault::HeaderOfRouter(name.to_owned())));
    }
}

#[test]
fn a_response_needs_the_decision() {
    let response = Some(WireResponse { headers: Vec::new(), body: Vec::new() });
    let outcome = WireOutcome { response, edits: Vec::new(), effects: Vec::new() };
    assert_eq!(
        check(outcome, PHASE, false, &Grants::everything(), |_| true).map(|_| ()),
        Err(OutcomeFault::StrayResponse)
    );
}

#[test]
fn the_texts_of_an_alert_stand_on_one_line() {
    let WireEffect::RaiseAlert(wire) = alert(true) else { unreachable!("it is an alert") };
    let wire = WireAlert { message: "a\u{1b}[2J\nb".to_owned(), ..wire };
    let checked = check_effect(WireEffect::RaiseAlert(wire)).unwrap();
    let Effect::RaiseAlert(alert) = checked else { unreachable!("it stays one") };
    assert_eq!((alert.message.as_str(), alert.abort_rollout), ("a\\u{1b}[2J\\nb", true));
}
