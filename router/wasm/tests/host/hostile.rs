//! The hostile plugin: whatever it does, the call fails with its cause, and the next fresh instance works.

use std::time::Duration;

use sluice_wasm::bounds::NAMES_MAX;
use sluice_wasm::{
    ActivationFault, Artifact, CallError, Decision, Edit, EditFault, Effect, FailureKind, Grants, Instance, Limits,
    LoadError, OutcomeFault, SizeUnit, Verdict, VerdictFault,
};

use crate::support::{LIMITS, built};

const QUICK: Limits = Limits {
    call_cpu_max: Duration::from_millis(50),
    state_cpu_max: Duration::from_millis(50),
    init_cpu_max: Duration::from_millis(50),
    ..LIMITS
};

fn start(artifact: &Artifact, act: &str, limits: &Limits) -> Result<Instance, LoadError> {
    Instance::new(artifact, "hostile", &format!(r#"{{"do":"{act}"}}"#), &Grants::everything(), limits)
}

fn request(artifact: &Artifact, act: &str) -> Result<Verdict, CallError> {
    start(artifact, act, &LIMITS).unwrap().on_request(&[], 0, 0)
}

fn works(artifact: &Artifact) {
    let mut fresh = start(artifact, "nothing", &LIMITS).unwrap();
    assert_eq!(fresh.smoke(), Ok(()));
    assert_eq!(fresh.on_state("flag:hostile", Some("true")), Ok(()));
}

#[test]
fn what_it_does_in_a_call_fails_that_call_with_its_cause() {
    type Call = fn(&mut Instance) -> Result<(), CallError>;
    let on_request: Call = |instance| instance.on_request(&[], 0, 0).map(drop);
    let on_body_size: Call = |instance| instance.on_body_size(1, 9, SizeUnit::Body, false).map(drop);
    let on_body_chunk: Call = |instance| instance.on_body_chunk(1, b"bytes", 0, false).map(drop);
    let on_response: Call = |instance| instance.on_response(1, &u32::MAX.to_le_bytes()).map(drop);
    let on_state: Call = |instance| instance.on_state("flag:hostile", Some("true"));
    let artifact = built("hostile");
    for (act, call, cause) in [
        ("spin-in-request", on_request, "deadline"),
        ("spin-in-body-size", on_body_size, "deadline"),
        ("spin-in-body-chunk", on_body_chunk, "deadline"),
        ("spin-in-response", on_response, "deadline"),
        ("spin-in-state", on_state, "deadline"),
        ("trap-in-request", on_request, "trap"),
        ("trap-in-body-size", on_body_size, "trap"),
        ("trap-in-body-chunk", on_body_chunk, "trap"),
        ("trap-in-response", on_response, "trap"),
        ("trap-in-state", on_state, "trap"),
        ("hoard-memory", on_request, "memory"),
        ("overflow-stack", on_request, "trap"),
        ("huge-outcome", on_request, "trap"),
        ("gigantic-body", on_request, "memory"),
        ("huge-text", on_request, "verdict"),
        ("too-many-effects", on_request, "verdict"),
        ("too-many-edits", on_request, "verdict"),
        ("nonsense-verdict", on_request, "verdict"),
        ("bad-variant-index", on_request, "verdict"),
        ("variant-in-response", on_response, "verdict"),
        ("bad-status", on_request, "verdict"),
        ("header-injection", on_request, "verdict"),
        ("framing-headers", on_request, "verdict"),
        ("done-in-request", on_request, "verdict"),
        ("done-in-response", on_response, "verdict"),
        ("edit-injection", on_request, "verdict"),
        ("path-injection", on_request, "verdict"),
        ("edit-host", on_request, "verdict"),
        ("edit-content-length", on_request, "verdict"),
        ("edit-status-in-request", on_request, "verdict"),
        ("edit-status999", on_response, "verdict"),
        ("edit-path-in-response", on_response, "verdict"),
        ("edit-in-body-chunk", on_body_chunk, "verdict"),
        ("edit-beside-respond", on_request, "verdict"),
    ] {
        let mut instance = start(&artifact, act, &QUICK).unwrap();
        let error = call(&mut instance).expect_err(act);
        assert_eq!(error.cause(), cause, "{act}: {error}");
        let kind = match cause {
            "deadline" => FailureKind::Deadline,
            "memory" => FailureKind::Memory,
            _ => FailureKind::Trap,
        };
        assert_eq!(error.kind(), kind, "{act}");
        assert!(instance.is_poisoned(), "{act}");
        assert_eq!(on_request(&mut instance), Err(CallError::Poisoned), "{act}");
        works(&artifact);
    }
}

#[test]
fn what_it_does_in_init_keeps_it_from_loading() {
    let artifact = built("hostile");
    let fails = |act: &str| start(&artifact, act, &QUICK).expect_err(act);
    assert!(matches!(fails("spin-in-init"), LoadError::Start(CallError::Deadline { .. })));
    assert!(matches!(fails("trap-in-init"), LoadError::Start(CallError::Trap(_))));
    assert!(matches!(fails("hoard-memory-in-init"), LoadError::Start(CallError::Memory { .. })));
    assert_eq!(fails("refuse-init"), LoadError::Config { reason: "hostile: refused as told".to_owned() });
    assert!(matches!(fails("no-such-act"), LoadError::Config { .. }));
    assert!(matches!(fails("lie-state"), LoadError::Activation(ActivationFault::StateNotNeeded(_))));
    let patient = Limits { init_cpu_max: Duration::from_secs(30), ..LIMITS };
    let fault = ActivationFault::TooMany { what: "request fields", count: 10_000, max: NAMES_MAX };
    assert_eq!(start(&artifact, "too-many-fields", &patient).unwrap_err(), LoadError::Activation(fault));
    assert!(matches!(fails("unknown-field"), LoadError::Activation(ActivationFault::Field(_))));
    works(&artifact);
}

#[test]
fn a_panic_is_quoted_and_located() {
    let error = request(&built("hostile"), "trap-in-request").unwrap_err();
    let CallError::Trap(trap) = &error else { panic!("{error}") };
    assert!(trap.said.as_deref().is_some_and(|said| said.contains("hostile: trapped as told")), "{trap:?}");
    // By the author's names, although the file is stripped of all but names.
    let first = trap.backtrace.lines().next().unwrap();
    assert!(first.contains("hostile::harm::trap"), "{}", trap.backtrace);
    assert!(trap.backtrace.contains("on_request"), "{}", trap.backtrace);
    assert!(trap.backtrace.len() <= sluice_wasm::bounds::BACKTRACE_BYTES_MAX);
}

#[test]
fn nonsense_is_described() {
    let artifact = built("hostile");
    let fault = |act: &str| match request(&artifact, act) {
        Err(CallError::Verdict { fault, .. }) => fault,
        other => panic!("{act}: {other:?}"),
    };
    assert_eq!(fault("bad-variant-index"), VerdictFault::Variant { index: 200, variants: 1 });
    assert_eq!(fault("bad-status"), VerdictFault::Status(199));
    let header = |name: &str| name.to_owned();
    assert_eq!(fault("header-injection"), VerdictFault::Outcome(OutcomeFault::HeaderSyntax(header("x-hostile"))));
    assert_eq!(fault("framing-headers"), VerdictFault::Outcome(OutcomeFault::HeaderOfRouter(header("content-length"))));
    let edit = |act: &str| match fault(act) {
        VerdictFault::Outcome(OutcomeFault::Edit(fault)) => fault,
        other => panic!("{act}: {other:?}"),
    };
    assert_eq!(edit("edit-injection"), EditFault::HeaderSyntax(header("x-edited")));
    assert_eq!(edit("edit-host"), EditFault::HeaderOfRouter(header("Host")));
    assert_eq!(edit("edit-content-length"), EditFault::HeaderOfRouter(header("content-length")));
    assert_eq!(edit("too-many-edits"), EditFault::TooMany(10_000));
    assert_eq!(edit("edit-beside-respond"), EditFault::BesideResponse);
    assert!(matches!(edit("path-injection"), EditFault::Path(_)));
    assert!(matches!(edit("edit-status-in-request"), EditFault::Phase { .. }));
}

#[test]
fn a_refused_state_leaves_the_instance_as_it_was() {
    let mut instance = start(&built("hostile"), "refuse-state", &LIMITS).unwrap();
    let refused = CallError::Refused("hostile: refused true as told".to_owned());
    assert_eq!(instance.on_state("flag:hostile", Some("true")), Err(refused));
    assert_eq!(instance.on_state("flag:hostile", None), Ok(()));
    assert!(instance.on_request(&[], 0, 0).is_ok());
}

#[test]
fn a_flood_of_alerts_is_cut_down_but_no_abort_is_lost() {
    let artifact = built("hostile");
    let limits = Limits { alerts_per_minute_max: 20, ..LIMITS };
    let raised = |act: &str| {
        let mut instance = start(&artifact, act, &limits).unwrap();
        let effects = |instance: &mut Instance| instance.on_request(&[], 0, 0).unwrap().outcome.unwrap().effects.len();
        (effects(&mut instance), effects(&mut instance), instance.dropped_alerts())
    };
    assert_eq!(raised("alert-flood"), (16, 4, 12));
    assert_eq!(raised("abort-flood"), (16, 16, 0));
}

#[test]
fn an_instance_that_grows_says_so_before_its_limit() {
    let limits = Limits { memory_bytes_soft: 4 << 20, ..LIMITS };
    let mut instance = start(&built("hostile"), "grow-slowly", &limits).unwrap();
    assert!(!instance.is_swollen());
    let calls = (1..).find(|_| {
        instance.on_request(&[], 0, 0).unwrap();
        instance.is_swollen()
    });
    assert!(calls.is_some_and(|calls| calls > 1), "{calls:?} calls");
    assert!(instance.memory_bytes() > 4 << 20 && !instance.is_poisoned());
    assert!(instance.on_request(&[], 0, 0).is_ok(), "it works on");
    let error = (0..).find_map(|_| instance.on_request(&[], 0, 0).err()).unwrap();
    assert_eq!(error.kind(), FailureKind::Memory, "and ends at the hard limit: {error}");
}

#[test]
fn without_the_grant_no_line_passes_and_a_panic_is_quoted_all_the_same() {
    let artifact = built("hostile");
    let grants = Grants { log: false, ..Grants::everything() };
    let start =
        |act: &str| Instance::new(&artifact, "hostile", &format!(r#"{{"do":"{act}"}}"#), &grants, &LIMITS).unwrap();
    let mut chatty = start("log");
    chatty.on_request(&[], 0, 0).unwrap();
    assert_eq!(chatty.dropped_lines(), 1);
    let CallError::Trap(trap) = start("trap-in-request").on_request(&[], 0, 0).unwrap_err() else { panic!("no trap") };
    assert!(trap.said.is_some_and(|said| said.contains("trapped as told")));
}

#[test]
fn bodies_are_shown_to_those_that_are_granted_it() {
    let artifact = built("hostile");
    let grants = Grants { body: false, ..Grants::everything() };
    let refused = Instance::new(&artifact, "hostile", r#"{"do":"count-chunks"}"#, &grants, &LIMITS).unwrap_err();
    assert_eq!(refused, LoadError::Activation(ActivationFault::BodyNotGranted));

    let mut counts = start(&artifact, "count-chunks", &LIMITS).unwrap();
    let verdict = counts.on_body_chunk(0, b"12345", 0, false).unwrap();
    let added = Effect::Add { name: "bytes".to_owned(), value: 5 };
    assert_eq!((verdict.decision, verdict.outcome.unwrap().effects), (Decision::Next, vec![added]));
    let mut once = start(&artifact, "done-after-one-chunk", &LIMITS).unwrap();
    assert_eq!(once.on_body_chunk(0, b"1", 0, false).unwrap().decision, Decision::Done);
    let mut says_no = start(&artifact, "respond-in-body-chunk", &LIMITS).unwrap();
    let verdict = says_no.on_body_chunk(0, b"1", 0, false).unwrap();
    assert_eq!(verdict.decision, Decision::Respond { status: 418 });
}

#[test]
fn a_flood_of_log_lines_is_cut_down() {
    let mut instance = start(&built("hostile"), "log-flood", &LIMITS).unwrap();
    instance.on_request(&[], 0, 0).unwrap();
    let passed = 10_000 - instance.dropped_lines();
    assert!((20..=10 * u64::from(LIMITS.log_lines_per_second_max)).contains(&passed), "{passed} lines passed");
}

#[test]
fn what_it_may_do_comes_through() {
    let artifact = built("hostile");
    let effects = |act: &str| request(&artifact, act).unwrap().outcome.unwrap().effects;
    let edits = |act: &str| request(&artifact, act).unwrap().outcome.unwrap().edits;
    let set = Edit::SetHeader { name: "x-edited".to_owned(), value: "request".to_owned() };
    assert_eq!(edits("edit"), [set, Edit::RemoveHeader { name: "x-removed".to_owned() }]);
    assert_eq!(edits("edit-path"), [Edit::SetPath("/get".to_owned()), Edit::SetQuery("edited=1".to_owned())]);
    assert!(matches!(&effects("count")[..], [Effect::Add { name, value: 1 }] if name == "requests"));
    assert!(matches!(&effects("tag")[..], [Effect::Tag(tag)] if tag == "hostile"));
    assert!(matches!(&effects("alert")[..], [Effect::RaiseAlert(alert)] if !alert.abort_rollout));
    assert!(matches!(&effects("abort")[..], [Effect::RaiseAlert(alert)] if alert.abort_rollout));
    let verdict = request(&artifact, "respond").unwrap();
    assert_eq!(verdict.decision, Decision::Respond { status: 418 });
    assert_eq!(verdict.outcome.unwrap().response.unwrap().body, b"short and stout\n");
}

#[test]
fn it_does_not_load_without_its_grants() {
    let grants = Grants { abort: false, ..Grants::everything() };
    let result = Instance::new(&built("hostile"), "hostile", r#"{"do":"abort"}"#, &grants, &LIMITS);
    assert_eq!(result.unwrap_err(), LoadError::Grants { missing: vec!["abort".to_owned()] });
}
