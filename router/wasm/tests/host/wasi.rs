//! Plugins in other languages: what of WASI works, and what traps.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use sluice_wasm::{CallError, Decision, LoadError, Trap};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::{Guest, LIMITS};

/// A line of eight bytes at 3000, two numbers to remember, and `$ctx`, which puts a number into the verdict's `ctx`.
const FUNCTIONS: &str = r#"
    (data (i32.const 3000) "printed\n")
    (global $left (mut i32) (i32.const 0))
    (global $first (mut i64) (i64.const 0))
    (func $ctx (param i32) (result i64) (i64.shl (i64.extend_i32_u (local.get 0)) (i64.const 32)))"#;

/// What the main module imports.
const IMPORTS: &str = r#"
    (import "wasi" "ready" (func $ready (param i32) (result i32)))
    (import "wasi" "block" (func $block (param i32)))
    (import "wasi" "poll" (func $poll (param i32 i32 i32)))
    (import "wasi" "read" (func $read (param i32 i64 i32)))
    (import "wasi" "check-write" (func $check-write (param i32 i32)))
    (import "wasi" "write" (func $write (param i32 i32 i32 i32)))
    (import "wasi" "write-zeroes" (func $write-zeroes (param i32 i64 i32)))
    (import "wasi" "subscribe" (func $subscribe (param i32) (result i32)))
    (import "wasi" "get-stdin" (func $get-stdin (result i32)))
    (import "wasi" "get-stdout" (func $get-stdout (result i32)))
    (import "wasi" "get-stderr" (func $get-stderr (result i32)))
    (import "wasi" "get-environment" (func $get-environment (param i32)))
    (import "wasi" "initial-cwd" (func $initial-cwd (param i32)))
    (import "wasi" "exit" (func $exit (param i32)))
    (import "wasi" "exit-with-code" (func $exit-with-code (param i32)))
    (import "wasi" "get-terminal" (func $get-terminal (param i32)))
    (import "wasi" "now" (func $now (result i64)))
    (import "wasi" "subscribe-duration" (func $subscribe-duration (param i64) (result i32)))
    (import "wasi" "subscribe-instant" (func $subscribe-instant (param i64) (result i32)))
    (import "wasi" "wall-now" (func $wall-now (param i32)))
    (import "wasi" "random-bytes" (func $random-bytes (param i64 i32)))
    (import "wasi" "random-u64" (func $random-u64 (result i64)))
    (import "wasi" "seed" (func $seed (param i32)))
    (import "wasi" "get-directories" (func $get-directories (param i32)))
    (import "wasi" "instance-network" (func $instance-network (result i32)))
    (import "host" "memory" (memory 1))"#;

/// A guest with everything of WASI imported, whose request phase is `body`.
fn guest(body: &str) -> Guest {
    Guest::new()
        .replace("(core module $main", &format!("{}\n(core module $main", include_str!("wasi.wat")))
        .replace("(instantiate $main", "(instantiate $main (with \"wasi\" (instance $wasi))")
        .replace(r#"(import "host" "memory" (memory 1))"#, IMPORTS)
        .with("functions", FUNCTIONS)
        .with("on-request", body)
}

/// The `ctx` that the request phase answers.
fn ctx(body: &str) -> u32 {
    let verdict = guest(body).start(&LIMITS).unwrap().on_request(&[], 0, 0).unwrap();
    assert_eq!(verdict.decision, Decision::Next);
    verdict.ctx
}

/// How the request phase traps.
fn trap(body: &str) -> Box<Trap> {
    match guest(body).start(&LIMITS).unwrap().on_request(&[], 0, 0) {
        Err(CallError::Trap(trap)) => trap,
        other => panic!("{body}: {other:?}"),
    }
}

/// Collects the lines of plugins, with their levels.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<(String, String)>>>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "plugin"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Line(String);
        impl Visit for Line {
            fn record_str(&mut self, field: &Field, value: &str) {
                if field.name() == "line" {
                    self.0 = value.to_owned();
                }
            }

            fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
        }
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push((event.metadata().level().to_string(), line.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// What the request phase prints.
fn printed(body: &str) -> Vec<(String, String)> {
    let lines = Lines::default();
    let mut instance = guest(body).start(&LIMITS).unwrap();
    tracing::subscriber::with_default(lines.clone(), || instance.on_request(&[], 0, 0).unwrap());
    let lines = lines.0.lock().unwrap();
    lines.clone()
}

fn line(level: &str, text: &str) -> (String, String) {
    (level.to_owned(), text.to_owned())
}

#[test]
fn output_goes_to_the_log_line_by_line() {
    let whole = "(call $write (call $get-stdout) (i32.const 3000) (i32.const 8) (i32.const 3100))
                 (call $ctx (i32.load8_u (i32.const 3100)))";
    assert_eq!(printed(whole), [line("INFO", "printed")]);
    assert_eq!(ctx(whole), 0, "the write succeeds");
    let pieces = "(call $write (call $get-stderr) (i32.const 3000) (i32.const 3) (i32.const 3100))
                  (call $write (call $get-stdout) (i32.const 3000) (i32.const 5) (i32.const 3100))
                  (call $write (call $get-stderr) (i32.const 3003) (i32.const 5) (i32.const 3100)) (i64.const 0)";
    assert_eq!(printed(pieces), [line("WARN", "printed")], "the two outputs do not mix, half a line waits");
}

#[test]
fn what_a_plugin_wrote_before_it_trapped_is_quoted() {
    let write = "(call $write (call $get-stderr) (i32.const 3000) (i32.const 8) (i32.const 3100))";
    assert_eq!(trap(&format!("{write} unreachable")).said.as_deref(), Some("printed"));
    assert_eq!(trap(&format!("{write} {write} unreachable")).said.as_deref(), Some("printed\nprinted"));
}

#[test]
fn a_write_holds_at_its_bound_and_not_past_it() {
    let bound = "(call $check-write (call $get-stdout) (i32.const 3104)) (call $ctx (i32.load (i32.const 3112)))";
    assert_eq!(ctx(bound), 4096);
    let write = |bytes: u32| {
        format!("(call $write (call $get-stdout) (i32.const 0) (i32.const {bytes}) (i32.const 3100)) (i64.const 0)")
    };
    assert_eq!(ctx(&write(4096)), 0);
    assert!(trap(&write(4097)).reason.contains("a write of 4097 bytes, at most 4096"));
    assert!(trap(&write(u32::MAX)).reason.contains("out of bounds"), "not in its memory");
    let zeroes = |bytes: i64| {
        format!("(call $write-zeroes (call $get-stdout) (i64.const {bytes}) (i32.const 3100)) (i64.const 0)")
    };
    assert_eq!(ctx(&zeroes(4096)), 0);
    assert!(trap(&zeroes(i64::MAX)).reason.contains("at most 4096"));
}

#[test]
fn output_without_end_is_dropped_and_counted() {
    let flood = "(global.set $left (call $get-stdout))
        (loop $again
          (call $write (global.get $left) (i32.const 3000) (i32.const 8) (i32.const 3100))
          (local.set $random (i64.sub (local.get $random) (i64.const 1)))
          (br_if $again (i64.gt_s (local.get $random) (i64.const 0))))
        (i64.const 0)";
    let mut instance = guest(flood).start(&LIMITS).unwrap();
    instance.on_request(&[], 0, 1000).unwrap();
    assert!(instance.dropped_lines() >= 900, "{}", instance.dropped_lines());
    assert_eq!(instance.memory_bytes(), 2 * 65536);
}

#[test]
fn the_input_is_closed() {
    // error, closed
    let body = "(call $read (call $get-stdin) (i64.const 10) (i32.const 3100))
        (call $ctx (i32.add (i32.mul (i32.load8_u (i32.const 3100)) (i32.const 10)) (i32.load8_u (i32.const 3104))))";
    assert_eq!(ctx(body), 11);
}

#[test]
fn nothing_waits() {
    let second = "(i64.const 1000000000)";
    for body in [
        format!("(call $block (call $subscribe-duration {second})) (i64.const 0)"),
        format!("(call $block (call $subscribe-instant (i64.add (call $now) {second}))) (i64.const 0)"),
        format!(
            "(i32.store (i32.const 3200) (call $subscribe-duration {second}))
             (call $poll (i32.const 3200) (i32.const 1) (i32.const 3100)) (i64.const 0)"
        ),
        "(call $poll (i32.const 3200) (i32.const 0) (i32.const 3100)) (i64.const 0)".to_owned(),
        "(call $block (call $subscribe-duration (i64.const -1))) (i64.const 0)".to_owned(),
    ] {
        assert!(trap(&body).reason.contains("a plugin may not wait"), "{body}");
    }
    assert_eq!(ctx(&format!("(call $ctx (call $ready (call $subscribe-duration {second})))")), 0);
}

#[test]
fn what_is_ready_does_not_wait() {
    for pollable in [
        "(call $subscribe-duration (i64.const 0))",
        "(call $subscribe-instant (i64.const 0))",
        "(call $subscribe (call $get-stdout))",
    ] {
        assert_eq!(ctx(&format!("(call $block {pollable}) (i64.const 0)")), 0, "{pollable}");
        assert_eq!(ctx(&format!("(call $ctx (call $ready {pollable}))")), 1, "{pollable}");
    }
    // Of a timer and an output only the second is ready.
    let poll = "(i32.store (i32.const 3200) (call $subscribe-duration (i64.const 1000000000000)))
        (i32.store (i32.const 3204) (call $subscribe (call $get-stdout)))
        (call $poll (i32.const 3200) (i32.const 2) (i32.const 3100))
        (call $ctx (i32.add
          (i32.mul (i32.load (i32.const 3104)) (i32.const 10)) (i32.load (i32.load (i32.const 3100)))))";
    assert_eq!(ctx(poll), 11, "one, of index one");
}

#[test]
fn leaving_is_a_trap() {
    assert!(trap("(call $exit (i32.const 0)) (i64.const 0)").reason.contains("by `exit`, with success"));
    assert!(trap("(call $exit (i32.const 1)) (i64.const 0)").reason.contains("by `exit`, with failure"));
    assert!(trap("(call $exit-with-code (i32.const 7)) (i64.const 0)").reason.contains("with code 7"));
}

#[test]
fn the_environment_is_empty() {
    let length = |call: &str| {
        ctx(&format!(
            "(i32.store (i32.const 3104) (i32.const 99)) (call {call} (i32.const 3100))
             (call $ctx (i32.load (i32.const 3104)))"
        ))
    };
    assert_eq!(length("$get-environment"), 0);
    assert_eq!(length("$get-directories"), 0, "no folder is open");
    let none = |call: &str| {
        ctx(&format!(
            "(i32.store8 (i32.const 3100) (i32.const 99)) (call {call} (i32.const 3100))
             (call $ctx (i32.load8_u (i32.const 3100)))"
        ))
    };
    assert_eq!(none("$initial-cwd"), 0);
    assert_eq!(none("$get-terminal"), 0);
}

#[test]
fn what_is_granted_to_nobody_traps_with_its_name() {
    let reason = trap("(call $ctx (call $instance-network))").reason.clone();
    assert_eq!(reason, "`wasi:sockets/instance-network@0.2.0#instance-network` is granted to no plugin");
}

#[test]
fn clocks_tell_the_time() {
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let before = now();
    let seconds = ctx("(call $wall-now (i32.const 3104)) (call $ctx (i32.wrap_i64 (i64.load (i32.const 3104))))");
    assert!((before.as_secs()..=now().as_secs()).contains(&u64::from(seconds)), "{seconds}");
    let step = "(global.set $first (call $now))
        (loop $again (br_if $again (i64.eq (call $now) (global.get $first))))
        (call $ctx (i32.wrap_i64 (i64.rem_u (i64.sub (call $now) (global.get $first)) (i64.const 1000000))))";
    assert_eq!(ctx(step), 0, "it moves, in whole milliseconds");
}

#[test]
fn random_numbers_differ_and_hold_at_their_bound() {
    let word = "(call $ctx (i32.wrap_i64 (call $random-u64)))";
    assert!((0..4).map(|_| ctx(word)).collect::<std::collections::BTreeSet<_>>().len() > 1);
    let seed = "(call $seed (i32.const 3104)) (call $ctx (i32.load (i32.const 3112)))";
    assert!((0..4).map(|_| ctx(seed)).collect::<std::collections::BTreeSet<_>>().len() > 1);
    let bytes = |count: u64| {
        format!("(call $random-bytes (i64.const {count}) (i32.const 3100)) (call $ctx (i32.load (i32.const 3104)))")
    };
    assert_eq!(ctx(&bytes(65_536)), 65_536);
    assert!(trap(&bytes(65_537)).reason.contains("more than 65536 random bytes at once"));
}

#[test]
fn handles_hold_at_their_bound_and_not_past_it() {
    let open = |count: u32| {
        format!(
            "(global.set $left (i32.const {count}))
             (loop $again (drop (call $get-stdout))
               (global.set $left (i32.sub (global.get $left) (i32.const 1)))
               (br_if $again (global.get $left)))
             (i64.const 0)"
        )
    };
    assert_eq!(ctx(&open(64)), 0);
    assert!(trap(&open(65)).reason.contains("handle"), "{}", trap(&open(65)).reason);
}

#[test]
fn an_interface_of_another_type_is_refused() {
    let guest = guest("(i64.const 0)").replace(
        r#"(export "get-random-u64" (func (result u64)))"#,
        r#"(export "get-random-u64" (func (result u64))) (export "get-random-u128" (func (result u64)))"#,
    );
    let error = guest.compile().unwrap_err();
    assert!(matches!(&error, LoadError::ImportType { reason } if reason.contains("get-random-u128")), "{error}");
}
