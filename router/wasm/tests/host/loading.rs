//! What does not load, and what is said about it.

use std::error::Error;

use sluice_wasm::bounds::FILE_BYTES_MAX;
use sluice_wasm::{CallError, Grants, Instance, LoadError, ManifestError};

use crate::support::{Guest, LIMITS, built, engine};

fn compile(guest: &Guest) -> LoadError {
    guest.compile().expect_err("it must not load")
}

#[test]
fn the_guest_loads_as_it_stands() {
    let artifact = Guest::new().compile().unwrap();
    assert_eq!((artifact.manifest().name.as_str(), artifact.bytes_len()), ("guest", Guest::new().bytes().len()));
    let instance = Guest::new().start(&LIMITS).unwrap();
    let activation = instance.activation();
    assert!(activation.phases.request && activation.phases.body_size && activation.phases.response);
    assert_eq!(activation.request_fields, ["path"]);
    assert_eq!(activation.variants, ["stable", "canary"]);
}

#[test]
fn a_core_module_is_told_from_a_component() {
    let module = wat::parse_str("(module)").unwrap();
    let error = engine().compile(&module).unwrap_err();
    assert_eq!(error.to_string(), "a core module, not a component: `sluice plugin build` makes one");
}

#[test]
fn a_half_written_file_is_no_plugin() {
    let whole = Guest::new().bytes();
    for length in [0, 4, 7] {
        assert_eq!(engine().compile(&whole[..length]).unwrap_err(), LoadError::NotWasm, "{length} bytes");
    }
    for length in [whole.len() / 2, whole.len() - 1] {
        let error = engine().compile(&whole[..length]).unwrap_err();
        assert!(matches!(error, LoadError::Manifest(ManifestError::Damaged { .. })), "{length} bytes: {error:?}");
    }
    assert_eq!(engine().compile(b"#!/bin/sh\n").unwrap_err(), LoadError::NotWasm);
}

#[test]
fn a_file_holds_at_its_bound_and_not_past_it() {
    let mut bytes = vec![0; FILE_BYTES_MAX];
    assert_eq!(engine().compile(&bytes).unwrap_err(), LoadError::NotWasm, "at the bound it is looked at");
    bytes.push(0);
    assert_eq!(engine().compile(&bytes).unwrap_err(), LoadError::TooLarge { bytes: FILE_BYTES_MAX + 1 });
}

#[test]
fn a_file_without_a_manifest_is_refused() {
    let error = compile(&Guest::new().with("manifest", ""));
    assert_eq!(error, LoadError::Manifest(ManifestError::Missing));
}

#[test]
fn forbidden_imports_are_named() {
    let error = |imports: &str| compile(&Guest::new().replace("(; imports ;)", imports)).to_string();
    let two = error(r#"(import "wasi:nn/graph@0.2.0" (instance)) (import "env" (func))"#);
    assert!(two.starts_with("forbidden imports: env, wasi:nn/graph@0.2.0 (of WASI there are io,"), "{two}");
    let newer = error(r#"(import "sluice:plugin/logging@0.3.0" (instance))"#);
    assert!(newer.ends_with("(of the contract there is `logging`, in versions 0.1.0 and 0.2.0)"), "{newer}");
    assert!(error(r#"(import "env" (func))"#).contains("(there are `sluice:plugin/logging`, and of WASI"));
}

#[test]
fn an_import_of_the_contract_has_its_type() {
    let error = compile(&Guest::new().replace(
        r#"(import "sluice:plugin/logging@0.2.0" (instance $logging"#,
        r#"(import "sluice:plugin/logging@0.2.0" (instance $logging (export "read-file" (func))"#,
    ));
    assert!(matches!(&error, LoadError::ImportType { reason } if reason.contains("read-file")), "{error}");
}

#[test]
fn a_missing_export_is_named_with_its_type() {
    let without_init = Guest::new().replace(r#"(func (export "init") (param "config""#, r#"(func (param "config""#);
    assert_eq!(
        compile(&without_init).to_string(),
        "the export `init: func(config: string) -> result<activation, string>` is missing"
    );
    for guest in [Guest::new(), Guest::old()] {
        let error = guest.replace(r#"(func (export "on-response") (param "ctx""#, r#"(func (param "ctx""#);
        assert_eq!(
            error.start(&LIMITS).unwrap_err().to_string(),
            "the export `on-response: func(ctx: u32, fields: list<u8>) -> u64` is missing, though the activation declares it"
        );
    }
}

#[test]
fn an_export_of_another_type_is_named_with_both() {
    let error = compile(&Guest::new().replace(
        r#"(func (export "on-request") (param "fields" (list u8))"#,
        r#"(func (export "on-request") (param "fields" string)"#,
    ));
    let text = error.to_string();
    assert!(
        text.contains("`on-request: func(fields: list<u8>, now-ms: u64, random: u64) -> u64` has another type"),
        "{text}"
    );
    assert!(text.contains("string"), "{text}");
}

#[test]
fn records_of_another_shape_are_refused() {
    let error = compile(&Guest::new().replace(r#"(field "abort-rollout" bool)"#, r#"(field "abort" bool)"#));
    assert!(error.to_string().contains("take-outcome"), "{error}");
}

#[test]
fn an_export_that_is_no_function_is_refused() {
    let error = compile(
        &Guest::new()
            .replace(r#"(func (export "take-outcome") (result $outcome)"#, r#"(func $taken (result $outcome)"#)
            .replace(
                r#"(canon lift (core func $main "take-outcome") (memory (core memory $memory "memory")))))"#,
                r#"(canon lift (core func $main "take-outcome") (memory (core memory $memory "memory"))))
                   (instance $taken) (export "take-outcome" (instance $taken)))"#,
            ),
    );
    assert_eq!(error.to_string(), "the export `take-outcome: func() -> outcome` is not a function");
}

#[test]
fn what_this_host_leaves_out_does_not_compile() {
    let error = compile(&Guest::new().replace("(; imports ;)", "(core module (memory i64 1))"));
    assert!(matches!(&error, LoadError::Compile { reason } if reason.contains("memory64")), "{error}");
}

#[test]
fn missing_grants_are_named_and_nothing_runs() {
    let hostile = built("hostile");
    let error = Instance::new(&hostile, "h", r#"{"do":"spin-in-init"}"#, &Grants::default(), &LIMITS).unwrap_err();
    assert_eq!(error.to_string(), "not granted: state flag:*, alerts, abort, counters, tags");
}

#[test]
fn a_failure_says_its_cause_behind_it() {
    let error = Guest::new().with("init", "unreachable").start(&LIMITS).unwrap_err();
    let cause = error.source().unwrap();
    assert_eq!(cause.to_string(), "`init` trapped: wasm trap: wasm `unreachable` instruction executed");
    assert!(matches!(error, LoadError::Start(CallError::Trap(_))));
}

#[test]
fn the_same_file_has_the_same_digest() {
    let (one, two) = (Guest::new().compile().unwrap(), Guest::new().compile().unwrap());
    assert_eq!(one.digest(), two.digest());
    let other = Guest::new().with("on-request", "(i64.const 8)").compile().unwrap();
    assert_ne!(one.digest(), other.digest());
}
