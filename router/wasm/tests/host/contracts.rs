//! The versions of the contract: the one before the newest keeps loading, one that is not known is refused by name, and
//! a plugin may leave out what it does not take part in.

use sluice_wasm::{
    CallError, ContractVersion, Decision, Edit, EditFault, Effect, Grants, Instance, LoadError, OutcomeFault, Phases,
    SizeUnit, VerdictFault,
};

use crate::support::{Guest, LIMITS};

/// A function that the rest of the guest is to do without.
fn without(guest: Guest, export: &str, first_parameter: &str) -> Guest {
    guest.replace(
        &format!(r#"(func (export "{export}") (param "{first_parameter}""#),
        &format!(r#"(func (param "{first_parameter}""#),
    )
}

/// The smallest world: `init`, `on-request`, `take-outcome`.
fn small() -> Guest {
    let guest = without(Guest::new(), "on-state", "key");
    let guest = without(guest, "on-response", "ctx");
    ["on-body-size", "on-body-chunk"]
        .into_iter()
        .fold(guest, |guest, export| {
            guest.replace(&format!("(func (export \"{export}\")\n    (param \"ctx\""), "(func (param \"ctx\"")
        })
        .replace(r#"(data (i32.const 1032) "\0f")"#, r#"(data (i32.const 1032) "\01")"#)
}

/// An outcome at 2048 with one edit at 4096; `fields` are the words of the edit's payload.
fn edits(case: u8, fields: &[usize]) -> String {
    let words: String = fields
        .iter()
        .enumerate()
        .map(|(word, value)| format!("(i32.store (i32.const {}) (i32.const {value}))", 4100 + 4 * word))
        .collect();
    format!(
        "(i32.store (i32.const 2068) (i32.const 4096)) (i32.store (i32.const 2072) (i32.const 1))
         (i32.store8 (i32.const 4096) (i32.const {case})) {words} (i32.const 2048)"
    )
}

#[test]
fn a_plugin_of_the_contract_before_loads_and_works_as_before() {
    let artifact = Guest::old().compile().unwrap();
    assert_eq!(artifact.contract(), ContractVersion::V0_1);
    // One effect at 4096: the tag `path`.
    let tagged = "(i32.store (i32.const 2068) (i32.const 4096)) (i32.store (i32.const 2072) (i32.const 1))
                  (i32.store8 (i32.const 4096) (i32.const 3)) (i32.store (i32.const 4104) (i32.const 1136))
                  (i32.store (i32.const 4108) (i32.const 4)) (i32.const 2048)";
    let guest = Guest::old().with("on-request", "(i64.const 0x109)").with("take-outcome", tagged);
    let mut instance = guest.start(&LIMITS).unwrap();
    let phases = instance.activation().phases;
    assert_eq!(phases, Phases { request: true, body_size: true, body_chunk: false, response: true });
    assert_eq!(instance.smoke(), Ok(()));
    let verdict = instance.on_request(&[], 0, 0).unwrap();
    let outcome = verdict.outcome.unwrap();
    assert_eq!(verdict.decision, Decision::Variant(1));
    assert_eq!((outcome.effects, outcome.edits), (vec![Effect::Tag("path".to_owned())], Vec::new()));
    assert!(instance.on_body_size(0, 1, SizeUnit::Body, true).is_ok());
    assert!(instance.on_response(0, &[]).is_ok());
    assert_eq!(instance.on_state("flag:a", Some("true")), Ok(()));
}

#[test]
fn a_contract_that_is_not_known_is_refused_and_those_that_are_known_are_named() {
    let guest = Guest::new().replace(r#"\"contract\":\"0.2\""#, r#"\"contract\":\"0.3\""#);
    let error = guest.compile().unwrap_err();
    let LoadError::Manifest(error) = error else { panic!("{error}") };
    assert_eq!(error.to_string(), "the plugin speaks contract \"0.3\", this router 0.1 and 0.2");
}

#[test]
fn a_plugin_speaks_the_contract_that_its_manifest_names() {
    let old_name = Guest::new().replace(r#"\"contract\":\"0.2\""#, r#"\"contract\":\"0.1\""#);
    let error = old_name.compile().unwrap_err();
    assert!(matches!(&error, LoadError::Export { name: "init", .. }), "{error}");
}

#[test]
fn the_smallest_world_is_a_plugin() {
    let mut instance = small().start(&LIMITS).unwrap();
    assert_eq!(instance.smoke(), Ok(()));
    assert_eq!(instance.on_request(&[], 0, 0).unwrap().decision, Decision::Next);
    assert_eq!(instance.on_state("flag:a", None), Ok(()), "it is not told");
    assert_eq!(instance.on_body_size(7, 1, SizeUnit::Body, true).unwrap().ctx, 7, "it has nothing to say");
    assert_eq!(instance.on_body_chunk(7, b"a", 0, true).unwrap().ctx, 7);
    assert_eq!(instance.on_response(7, &[]).unwrap().ctx, 7);
}

#[test]
fn what_the_activation_declares_has_its_export() {
    for (bit, export) in [("02", "on-body-size"), ("04", "on-body-chunk"), ("08", "on-response")] {
        let guest =
            small().replace(r#"(data (i32.const 1032) "\01")"#, &format!(r#"(data (i32.const 1032) "\{bit}")"#));
        let error = guest.start(&LIMITS).unwrap_err();
        assert!(matches!(&error, LoadError::Export { name, .. } if *name == export), "{error}");
        assert!(error.to_string().ends_with("is missing, though the activation declares it"), "{error}");
    }
    // One state key: `path`, which is none that exists, but is checked before the export.
    let with_state =
        small().replace("(; functions ;)", r#"(data (i32.const 1068) "\50\04\00\00\01\00\00\00") (; functions ;)"#);
    let needs = r#"\"contract\":\"0.2\",\"needs\":{\"state\":[\"*\"]}"#;
    let error = with_state.replace(r#"\"contract\":\"0.2\""#, needs).start(&LIMITS).unwrap_err();
    assert!(matches!(&error, LoadError::Export { name: "on-state", .. }), "{error}");
}

#[test]
fn more_without_take_outcome_is_nonsense() {
    let guest = Guest::new()
        .with("on-request", "(i64.const 8)")
        .replace(r#"(func (export "take-outcome") (result $outcome)"#, "(func (result $outcome)");
    let error = guest.start(&LIMITS).unwrap().on_request(&[], 0, 0).unwrap_err();
    assert_eq!(error, CallError::Verdict { export: "on-request", fault: VerdictFault::NoOutcome });
}

#[test]
fn edits_arrive_in_their_phase_if_they_are_granted() {
    // set-header("path", "stable")
    let guest = Guest::new()
        .with("on-request", "(i64.const 8)")
        .with("on-body-chunk", "(i64.const 8)")
        .with("take-outcome", &edits(0, &[1136, 4, 1140, 6]));
    let mut instance = guest.start(&LIMITS).unwrap();
    let edit = Edit::SetHeader { name: "path".to_owned(), value: "stable".to_owned() };
    assert_eq!(instance.on_request(&[], 0, 0).unwrap().outcome.unwrap().edits, [edit]);
    let error = instance.on_body_chunk(0, b"a", 0, false).unwrap_err();
    let fault = VerdictFault::Outcome(OutcomeFault::Edit(EditFault::Phase { what: "a header" }));
    assert_eq!(error, CallError::Verdict { export: "on-body-chunk", fault });

    let grants = Grants { edits: false, ..Grants::everything() };
    let mut instance = Instance::new(&guest.compile().unwrap(), "guest", "{}", &grants, &LIMITS).unwrap();
    assert!(instance.on_request(&[], 0, 0).unwrap().outcome.unwrap().edits.is_empty());
    assert_eq!(instance.refused_effects(), 1);
}

#[test]
fn the_status_of_an_edit_is_that_of_a_final_response() {
    let said = |status: usize| {
        let guest = Guest::new().with("on-response", "(i64.const 8)").with("take-outcome", &edits(5, &[status]));
        guest.start(&LIMITS).unwrap().on_response(0, &[])
    };
    assert_eq!(said(299).unwrap().outcome.unwrap().edits, [Edit::SetStatus(299)]);
    let fault = VerdictFault::Outcome(OutcomeFault::Edit(EditFault::Status(999)));
    assert_eq!(said(999).unwrap_err(), CallError::Verdict { export: "on-response", fault });
}

#[test]
fn an_outcome_whose_texts_are_no_utf_8_is_a_trap() {
    // remove-header of two bytes that are no text
    let bytes = "(i32.store16 (i32.const 5000) (i32.const 0xfeff))";
    let outcome = format!("{bytes} {}", edits(2, &[5000, 2]));
    let guest = Guest::new().with("on-request", "(i64.const 8)").with("take-outcome", &outcome);
    assert_eq!(guest.start(&LIMITS).unwrap().on_request(&[], 0, 0).unwrap_err().cause(), "trap");
}

#[test]
fn a_case_that_the_contract_does_not_have_is_a_trap() {
    for case in [6, 255] {
        let guest = Guest::new().with("on-request", "(i64.const 8)").with("take-outcome", &edits(case, &[0]));
        assert_eq!(guest.start(&LIMITS).unwrap().on_request(&[], 0, 0).unwrap_err().cause(), "trap", "{case}");
    }
}
