//! What is left when engines, artifacts and instances are gone: nothing.

#![expect(clippy::unwrap_used, clippy::panic, reason = "clippy knows tests by #[test], not their helpers")]

#[path = "host/support.rs"]
#[expect(dead_code, reason = "shared with the other test binary, which uses all of it")]
mod support;

use std::sync::{Mutex, PoisonError};

use sluice_wasm::{Engine, Instance};
use support::{Guest, LIMITS, all_grants, built};

/// The tests of this binary count what belongs to the whole process.
static ALONE: Mutex<()> = Mutex::new(());

/// Instances made before the memory is measured for the first time.
const WARM_UP: usize = 200;

/// Instances whose memory must be gone again.
const INSTANCES: usize = 1_000;

/// Growth that may be noise: of allocator arenas, not of instances, the smallest of which holds 1 MiB.
const SLACK_BYTES: usize = 8 * 1024 * 1024;

fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size()
}

fn clock_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter(|task| {
            // A thread may end between the listing and the reading.
            let name = std::fs::read_to_string(task.as_ref().unwrap().path().join("comm")).unwrap_or_default();
            name.trim_end() == "plugin-clock"
        })
        .count()
}

#[test]
fn instances_leave_no_memory_behind() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let artifact = built("hostile");
    let run = |count| {
        for index in 0..count {
            let act = if index % 2 == 0 { "count" } else { "trap-in-request" };
            let config = format!(r#"{{"do":"{act}"}}"#);
            let mut instance = Instance::new(&artifact, "hostile", &config, &all_grants(), &LIMITS).unwrap();
            assert_eq!(instance.on_request(&[], 0, 0).is_ok(), act == "count");
        }
    };
    run(WARM_UP);
    let before = resident_bytes();
    run(INSTANCES);
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < SLACK_BYTES, "{INSTANCES} instances left {grown} bytes");
}

#[test]
fn artifacts_leave_no_memory_behind() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let run = |count| (0..count).for_each(|_| drop(Guest::new().compile().unwrap()));
    run(20);
    let before = resident_bytes();
    run(100);
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < SLACK_BYTES, "100 artifacts left {grown} bytes");
}

#[test]
fn the_clock_thread_ends_with_the_last_user_of_its_engine() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let others = clock_threads();
    let engine = Engine::new().unwrap();
    let artifact = engine.compile(&Guest::new().bytes()).unwrap();
    drop(engine);
    let mut instance = Instance::new(&artifact, "guest", "{}", &all_grants(), &LIMITS).unwrap();
    drop(artifact);
    assert_eq!(clock_threads(), others + 1, "an instance keeps its clock");
    assert!(instance.on_request(&[], 0, 0).is_ok());
    drop(instance);
    assert_eq!(clock_threads(), others);
}
