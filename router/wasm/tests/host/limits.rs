//! CPU time and memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use sluice_wasm::{CallError, FailureKind, Instance, Limits, LoadError};

use crate::support::{Guest, LIMITS};

const PAGE_BYTES: u64 = 64 * 1024;

/// A request whose `random` is how many rounds it spins.
const SPIN: &str = "(loop $again
    (local.set $random (i64.sub (local.get $random) (i64.const 1)))
    (br_if $again (i64.gt_s (local.get $random) (i64.const 0))))
    (i64.const 0)";

/// Grows the memory by `random` pages.
const GROW: &str = "(drop (memory.grow (i32.wrap_i64 (local.get $random)))) (i64.const 0)";

const FOREVER: u64 = i64::MAX as u64;

fn cpu() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

/// Rounds that take about `wanted` of CPU time, measured.
fn rounds(instance: &mut Instance, wanted: Duration) -> u64 {
    let mut rounds = 1_000_000;
    loop {
        let start = cpu();
        instance.on_request(&[], 0, rounds).unwrap();
        let spent = cpu() - start;
        if spent >= wanted {
            return rounds;
        }
        rounds *= 2;
    }
}

#[test]
fn a_call_that_spins_ends_after_its_cpu_time() {
    let limits = Limits { call_cpu_max: Duration::from_millis(20), ..LIMITS };
    let mut instance = Guest::new().with("on-request", SPIN).start(&limits).unwrap();
    let start = cpu();
    let error = instance.on_request(&[], 0, FOREVER).unwrap_err();
    let spent = cpu() - start;
    assert_eq!(error, CallError::Deadline { export: "on-request", budget: limits.call_cpu_max });
    assert!(spent >= limits.call_cpu_max, "{spent:?} is too early");
    assert_eq!(instance.on_request(&[], 0, 0).unwrap_err(), CallError::Poisoned);
}

/// A thread that other threads keep from running spends nothing: the deadline is no wall clock.
#[test]
fn the_deadline_counts_cpu_time_and_not_wall_time() {
    let patient = Limits { call_cpu_max: Duration::from_secs(10), ..LIMITS };
    let guest = Guest::new().with("on-request", SPIN);
    let rounds = rounds(&mut guest.start(&patient).unwrap(), Duration::from_millis(50));

    let cores = std::thread::available_parallelism().unwrap().get();
    let stop = Arc::new(AtomicBool::new(false));
    let crowd: Vec<_> = (0..cores * 16)
        .map(|_| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || while !stop.load(Ordering::Relaxed) {})
        })
        .collect();
    // Of every 17 slices ours is one, and a slice costs at most four times the CPU time that it costs alone.
    let limits = Limits { call_cpu_max: Duration::from_millis(400), ..LIMITS };
    let mut instance = guest.start(&limits).unwrap();
    let start = Instant::now();
    let result = instance.on_request(&[], 0, rounds);
    let wall = start.elapsed();
    stop.store(true, Ordering::Relaxed);
    crowd.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(result.is_ok(), "{result:?} after {wall:?} of wall time");
    assert!(wall > limits.call_cpu_max, "the crowd was no crowd: {wall:?}");
}

#[test]
fn instantiation_and_init_have_a_deadline_of_their_own() {
    let limits = Limits { init_cpu_max: Duration::from_millis(20), ..LIMITS };
    let error = Guest::new().with("init", "(loop $again (br $again)) unreachable").start(&limits).unwrap_err();
    let budget = limits.init_cpu_max;
    assert_eq!(error, LoadError::Start(CallError::Deadline { export: "init", budget }));
    let start = Guest::new().with("functions", "(func $spin (loop $again (br $again))) (start $spin)").start(&limits);
    assert_eq!(start.unwrap_err(), LoadError::Start(CallError::Deadline { export: "instantiation", budget }));
}

#[test]
fn take_outcome_runs_on_the_time_of_its_call() {
    let limits = Limits { call_cpu_max: Duration::from_millis(20), ..LIMITS };
    let guest =
        Guest::new().with("on-request", "(i64.const 8)").with("take-outcome", "(loop $again (br $again)) unreachable");
    let error = guest.start(&limits).unwrap().on_request(&[], 0, 0).unwrap_err();
    assert_eq!(error, CallError::Deadline { export: "take-outcome", budget: limits.call_cpu_max });
}

#[test]
fn memory_holds_at_its_limit_and_not_past_it() {
    let limits = Limits { memory_bytes_max: 10 * PAGE_BYTES, ..LIMITS };
    let mut instance = Guest::new().with("on-request", GROW).start(&limits).unwrap();
    assert_eq!(instance.memory_bytes() as u64, 2 * PAGE_BYTES);
    instance.on_request(&[], 0, 8).unwrap();
    assert_eq!(instance.memory_bytes() as u64, limits.memory_bytes_max);
    let error = instance.on_request(&[], 0, 1).unwrap_err();
    let bytes_max = usize::try_from(limits.memory_bytes_max).unwrap();
    assert_eq!(error, CallError::Memory { export: "on-request", bytes_max });
}

#[test]
fn a_request_for_all_the_memory_there_is_fails_alike() {
    let mut instance = Guest::new().with("on-request", GROW).start(&LIMITS).unwrap();
    assert_eq!(instance.on_request(&[], 0, 0xffff).unwrap_err().cause(), "memory");
}

#[test]
fn the_memory_that_a_plugin_begins_with_counts() {
    let limits = Limits { memory_bytes_max: 10 * PAGE_BYTES, ..LIMITS };
    assert!(Guest::new().with("pages", "10").start(&limits).is_ok());
    let error = Guest::new().with("pages", "11").start(&limits).unwrap_err();
    assert!(matches!(error, LoadError::Start(CallError::Memory { .. })), "{error:?}");
}

#[test]
fn a_stack_that_overflows_is_a_trap() {
    let guest =
        Guest::new().with("functions", "(func $down (call $down))").with("on-request", "(call $down) (i64.const 0)");
    let error = guest.start(&LIMITS).unwrap().on_request(&[], 0, 0).unwrap_err();
    let CallError::Trap(trap) = &error else { panic!("{error}") };
    assert!(trap.reason.contains("call stack exhausted"), "{error}");
    assert_eq!(trap.backtrace.lines().count(), sluice_wasm::bounds::BACKTRACE_FRAMES_MAX);
}

#[test]
fn a_table_that_grows_without_end_fails_as_memory_does() {
    let grow = "(drop (table.grow $table (ref.null func) (i32.const 100000000))) (i64.const 0)";
    let guest = Guest::new().with("functions", "(table $table 1 funcref)").with("on-request", grow);
    let error = guest.start(&LIMITS).unwrap().on_request(&[], 0, 0).unwrap_err();
    assert_eq!(error.kind(), FailureKind::Memory, "{error}");
    let error = Guest::new().with("functions", "(table 100000 funcref)").start(&LIMITS).unwrap_err();
    assert!(matches!(error, LoadError::Start(CallError::Memory { .. })), "{error:?}");
}

#[test]
fn many_small_tables_and_memories_are_as_bounded_as_a_large_one() {
    let many = |part: &str| Guest::new().with("functions", &part.repeat(100)).start(&LIMITS).map(drop);
    assert!(many("(table 1 funcref)").is_err());
    assert!(many("(global i32 (i32.const 0))").is_ok());
    let grown = LIMITS.memory_bytes_max / PAGE_BYTES;
    let memories = format!(r#"(core module $more (memory {grown})) (core instance (instantiate $more)) (; imports ;)"#);
    let error = Guest::new().replace("(; imports ;)", &memories).start(&LIMITS).unwrap_err();
    assert!(matches!(error, LoadError::Start(CallError::Memory { .. })), "{error:?}");
}
