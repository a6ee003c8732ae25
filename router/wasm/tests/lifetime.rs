//! What is left when engines, artifacts and instances are gone: nothing.

#![expect(clippy::unwrap_used, clippy::panic, reason = "clippy knows tests by #[test], not their helpers")]

#[path = "host/support.rs"]
#[expect(dead_code, reason = "shared with the other test binary, which uses all of it")]
mod support;

use std::sync::{Mutex, PoisonError};

use sluice_wasm::{Engine, Grants, Instance};
use support::{Guest, LIMITS, built};

/// The tests of this binary count what belongs to the whole process.
static ALONE: Mutex<()> = Mutex::new(());

/// Instances made before the memory is measured for the first time.
const WARM_UP: usize = 200;

/// Instances whose memory must be gone again.
const INSTANCES: usize = 1_000;

/// Traps whose memory must be gone again, each with the instance that it ended.
const TRAPS: usize = 10_000;

/// As many as a busy route sends to a plugin that fails each request before anybody looks.
const TRAPS_LONG: usize = 100_000;

/// Loads of a file whose memory must be gone again.
const LOADS: usize = 2_000;

/// Mappings that may come and go with the allocator; an artefact or an instance has several.
const SLACK_MAPPINGS: usize = 100;

/// Growth that may be noise: of allocator arenas, not of instances, the smallest of which holds 1 MiB.
const SLACK_BYTES: usize = 8 * 1024 * 1024;

/// What this process holds.
struct Held {
    resident_bytes: usize,
    descriptors: usize,
    mappings: usize,
}

impl Held {
    fn now() -> Self {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: usize = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
        Self {
            resident_bytes: pages * rustix::param::page_size(),
            descriptors: std::fs::read_dir("/proc/self/fd").unwrap().count(),
            mappings: std::fs::read_to_string("/proc/self/maps").unwrap().lines().count(),
        }
    }

    fn assert_same(&self, what: &str) {
        let now = Self::now();
        let grown = now.resident_bytes.saturating_sub(self.resident_bytes);
        assert!(grown < SLACK_BYTES, "{what} left {grown} bytes");
        assert_eq!(now.descriptors, self.descriptors, "{what} left descriptors");
        assert!(
            now.mappings < self.mappings + SLACK_MAPPINGS,
            "{what}: {} mappings, then {}",
            self.mappings,
            now.mappings
        );
    }
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
            let mut instance = Instance::new(&artifact, "hostile", &config, &Grants::everything(), &LIMITS).unwrap();
            assert_eq!(instance.on_request(&[], 0, 0).is_ok(), act == "count");
        }
    };
    run(WARM_UP);
    let before = Held::now();
    run(INSTANCES);
    before.assert_same(&format!("{INSTANCES} instances"));
}

/// What a plugin that always traps costs: a replacement for each request, and nothing that stays.
fn trap(count: usize) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let artifact = Guest::new().with("on-request", "unreachable").compile().unwrap();
    let run = |count| {
        for _ in 0..count {
            let mut instance = Instance::new(&artifact, "guest", "{}", &Grants::everything(), &LIMITS).unwrap();
            assert_eq!(instance.on_request(&[], 0, 0).unwrap_err().cause(), "trap");
        }
    };
    run(WARM_UP);
    let before = Held::now();
    run(count);
    before.assert_same(&format!("{count} traps"));
}

#[test]
fn traps_leave_no_memory_behind() {
    trap(TRAPS);
}

mod long {
    /// 15 s.
    #[test]
    fn a_hundred_thousand_traps_leave_no_memory_behind() {
        super::trap(super::TRAPS_LONG);
    }
}

/// A folder whose files are replaced all day: two files in turn, from the artefacts that were kept, each started, called
/// and dropped.
#[test]
fn two_thousand_loads_leave_nothing_behind() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let data = tempfile::tempdir().unwrap();
    let engine = Engine::with_cache(&data.path().join("artifacts")).unwrap();
    let files = ["(i64.const 0x100000000)", "(i64.const 0x200000000)"]
        .map(|verdict| Guest::new().with("on-request", verdict).bytes());
    let run = |count: usize| {
        for load in 0..count {
            let artifact = engine.compile(&files[load % 2]).unwrap();
            let mut instance = Instance::new(&artifact, "guest", "{}", &Grants::everything(), &LIMITS).unwrap();
            assert_eq!(instance.on_request(&[], 0, 0).unwrap().ctx as usize, load % 2 + 1);
        }
    };
    run(WARM_UP);
    let before = Held::now();
    run(LOADS);
    before.assert_same(&format!("{LOADS} loads"));
}

#[test]
fn artifacts_leave_no_memory_behind() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let run = |count| (0..count).for_each(|_| drop(Guest::new().compile().unwrap()));
    run(20);
    let before = Held::now();
    run(100);
    before.assert_same("100 artifacts");
}

#[test]
fn the_clock_thread_ends_with_the_last_user_of_its_engine() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let others = clock_threads();
    let engine = Engine::new().unwrap();
    let artifact = engine.compile(&Guest::new().bytes()).unwrap();
    drop(engine);
    let mut instance = Instance::new(&artifact, "guest", "{}", &Grants::everything(), &LIMITS).unwrap();
    drop(artifact);
    assert_eq!(clock_threads(), others + 1, "an instance keeps its clock");
    assert!(instance.on_request(&[], 0, 0).is_ok());
    drop(instance);
    assert_eq!(clock_threads(), others);
}
