//! What passes into a plugin and out of it.

use sluice_wasm::bounds::RESPONSE_BODY_BYTES_MAX;
use sluice_wasm::{CallError, Decision, Instance, OutcomeFault, SizeUnit, Verdict, VerdictFault, fields};

use crate::support::{Guest, LIMITS};

fn start(guest: &Guest) -> Instance {
    guest.start(&LIMITS).unwrap()
}

fn path_field() -> Vec<u8> {
    let mut blob = Vec::new();
    fields::push(&mut blob, Some(b"/upload"));
    blob
}

#[test]
fn arguments_arrive() {
    // next, ctx = now + random + length of the blob
    let body =
        "(i64.shl (i64.add (i64.add (local.get $now) (local.get $random)) (i64.extend_i32_u (local.get $length)))
                         (i64.const 32))";
    let mut instance = start(&Guest::new().with("on-request", body));
    let verdict = instance.on_request(&path_field(), 1_000, 200).unwrap();
    assert_eq!(verdict, Verdict { decision: Decision::Next, ctx: 1_211, outcome: None });

    // next, ctx = ctx * 1000 + bytes * 100 + unit * 10 + declared
    let body = "(i64.shl (i64.add (i64.add
                   (i64.mul (i64.extend_i32_u (local.get $ctx)) (i64.const 1000))
                   (i64.mul (local.get $bytes) (i64.const 100)))
                   (i64.extend_i32_u (i32.add (i32.mul (local.get $unit) (i32.const 10)) (local.get $declared))))
                   (i64.const 32))";
    let mut instance = start(&Guest::new().with("on-body-size", body));
    assert_eq!(instance.on_body_size(7, 5, SizeUnit::Part, false).unwrap().ctx, 7_510);
    assert_eq!(instance.on_body_size(7, 5, SizeUnit::Body, true).unwrap().ctx, 7_501);

    // next, ctx = ctx * 1000 + offset * 100 + length * 10 + last
    let body = "(i64.shl (i64.add (i64.add
                   (i64.mul (i64.extend_i32_u (local.get $ctx)) (i64.const 1000))
                   (i64.mul (local.get $offset) (i64.const 100)))
                   (i64.extend_i32_u (i32.add (i32.mul (local.get $length) (i32.const 10)) (local.get $last))))
                   (i64.const 32))";
    let mut instance = start(&Guest::new().with("on-body-chunk", body));
    assert_eq!(instance.on_body_chunk(7, b"abc", 5, false).unwrap().ctx, 7_530);
    assert_eq!(instance.on_body_chunk(7, b"", 5, true).unwrap().ctx, 7_501);

    let body = "(i64.shl (i64.extend_i32_u (i32.add (local.get $ctx) (local.get $length))) (i64.const 32))";
    let mut instance = start(&Guest::new().with("on-response", body));
    assert_eq!(instance.on_response(100, &path_field()).unwrap().ctx, 111);
}

#[test]
fn an_outcome_is_fetched_only_when_announced() {
    let silent = Guest::new().with("on-request", "(i64.const 0)").with("take-outcome", "unreachable");
    assert_eq!(start(&silent).on_request(&[], 0, 0).unwrap().outcome, None);
    let announced = Guest::new().with("on-request", "(i64.const 8)");
    assert_eq!(start(&announced).on_request(&[], 0, 0).unwrap().outcome, Some(Box::default()));
}

#[test]
fn a_variant_is_chosen_in_the_request_phase_only() {
    let verdict = "(i64.const 0x101)";
    let mut instance = start(&Guest::new().with("on-request", verdict).with("on-response", verdict));
    assert_eq!(instance.on_request(&[], 0, 0).unwrap().decision, Decision::Variant(1));
    let error = instance.on_response(0, &[]).unwrap_err();
    assert_eq!(error, CallError::Verdict { export: "on-response", fault: VerdictFault::VariantPhase });
}

#[test]
fn done_is_said_of_chunks_only() {
    let verdict = "(i64.const 3)";
    let mut instance = start(&Guest::new().with("on-body-chunk", verdict).with("on-body-size", verdict));
    assert_eq!(instance.on_body_chunk(0, b"a", 0, false).unwrap().decision, Decision::Done);
    let error = instance.on_body_size(0, 1, SizeUnit::Body, false).unwrap_err();
    assert_eq!(error, CallError::Verdict { export: "on-body-size", fault: VerdictFault::DonePhase });
}

#[test]
fn nonsense_poisons_the_instance_so_that_nothing_leaks_into_the_next_request() {
    let mut instance = start(&Guest::new().with("on-request", "(i64.const 7)"));
    assert_eq!(instance.on_request(&[], 0, 0).unwrap_err().cause(), "verdict");
    assert!(instance.is_poisoned());
    assert_eq!(instance.on_request(&[], 0, 0).unwrap_err(), CallError::Poisoned);
    assert_eq!(instance.on_state("flag:a", None).unwrap_err(), CallError::Poisoned);
}

#[test]
fn a_refused_state_is_no_failure() {
    // err("path"), the text at 1136
    let body = "(i32.store8 (i32.const 2304) (i32.const 1)) (i32.store (i32.const 2308) (i32.const 1136))
                (i32.store (i32.const 2312) (i32.const 4)) (i32.const 2304)";
    let mut instance = start(&Guest::new().with("on-state", body));
    assert_eq!(instance.on_state("flag:a", Some("{}")), Err(CallError::Refused("path".to_owned())));
    assert!(!instance.is_poisoned());
    assert!(instance.on_request(&[], 0, 0).is_ok());
}

#[test]
fn smoke_calls_each_declared_phase_once_with_absent_fields() {
    let only_absent = "(if (result i64)
        (i32.and (i32.eq (local.get $length) (i32.const 4)) (i32.eq (i32.load (local.get $fields)) (i32.const -1)))
        (then (i64.const 0)) (else unreachable))";
    assert_eq!(start(&Guest::new().with("on-request", only_absent)).smoke(), Ok(()));
    for phase in ["on-request", "on-body-size", "on-body-chunk", "on-response"] {
        let error = start(&Guest::new().with(phase, "unreachable")).smoke().unwrap_err();
        assert!(error.to_string().contains(phase), "{error}");
    }
}

#[test]
fn a_trap_says_where_and_what_was_said() {
    let body = "(call $log (i32.const 2) (i32.const 1136) (i32.const 10)) unreachable";
    let error = start(&Guest::new().with("on-request", body)).on_request(&[], 0, 0).unwrap_err();
    let CallError::Trap(trap) = &error else { panic!("{error}") };
    assert_eq!(trap.said.as_deref(), Some("pathstable"));
    assert!(trap.backtrace.contains("main!"), "{}", trap.backtrace);
    assert!(error.to_string().ends_with("it said: pathstable"), "{error}");
}

#[test]
fn an_instance_moves_between_threads() {
    let mut instance = start(&Guest::new());
    let moved = std::thread::spawn(move || instance.on_request(&[], 0, 0).map(|_| instance));
    assert!(moved.join().unwrap().unwrap().on_request(&[], 0, 0).is_ok());
}

/// A body at address 0 passes the host's own bound, and one byte more is told as such: the wire below carries both.
#[test]
fn a_response_body_holds_at_its_bound_and_not_past_it() {
    let body = |bytes: usize| {
        let outcome = format!(
            "(i32.store8 (i32.const 2048) (i32.const 1)) (i32.store (i32.const 2064) (i32.const {bytes})) (i32.const 2048)"
        );
        let guest =
            Guest::new().with("pages", "32").with("on-request", "(i64.const 0xc8000a)").with("take-outcome", &outcome);
        start(&guest).on_request(&[], 0, 0)
    };
    let verdict = body(RESPONSE_BODY_BYTES_MAX).unwrap();
    assert_eq!(verdict.decision, Decision::Respond { status: 200 });
    assert_eq!(verdict.outcome.unwrap().response.unwrap().body.len(), RESPONSE_BODY_BYTES_MAX);
    let fault = VerdictFault::Outcome(OutcomeFault::Body(RESPONSE_BODY_BYTES_MAX + 1));
    assert_eq!(body(RESPONSE_BODY_BYTES_MAX + 1), Err(CallError::Verdict { export: "on-request", fault }));
}

/// A plugin that answers with what lies outside its memory, or is not aligned, has trapped.
#[test]
fn what_breaks_the_canonical_abi_is_a_trap() {
    let outside =
        "(i32.store8 (i32.const 2048) (i32.const 1)) (i32.store (i32.const 2064) (i32.const -1)) (i32.const 2048)";
    for outcome in [outside, "(i32.const 2049)", "(i32.const -4)"] {
        let guest = Guest::new().with("on-request", "(i64.const 8)").with("take-outcome", outcome);
        assert_eq!(start(&guest).on_request(&[], 0, 0).unwrap_err().cause(), "trap", "{outcome}");
    }
}
