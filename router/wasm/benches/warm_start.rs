//! What a router with 20 plugins waits for at its start: compiled files found, instantiated and initialised. Cold beside
//! it: the same without the cache. Set: warm below 50 ms. And what a plugin in JavaScript costs, of which there may be one.
//!
//! Times are CPU time of the one thread that does it all, so that whatever else the machine does is left out.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run is wrong")]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::{Bencher, Criterion, criterion_group, criterion_main};
use rustix::time::{ClockId, clock_gettime};
use sluice_wasm::{Artifact, Engine, Instance, Limits, fields};

const PLUGINS: usize = 20;

/// The first-party plugins, each with a configuration that it takes.
const KINDS: [(&str, &str); 3] = [
    ("canary", r#"{"rollout":"demo"}"#),
    ("feature-flags", r#"{"gates":[{"flag":"featureFlags","paths":["/set"]}]}"#),
    ("upload-alert", r#"{"limit":"50000B","paths":["/upload"],"action":"abort_canary"}"#),
];

/// Runs it again and again, and counts the CPU time of this thread.
fn iterate<T>(bencher: &mut Bencher<'_>, mut run: impl FnMut() -> T) {
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    bencher.iter_custom(|rounds| {
        let start = now();
        for _ in 0..rounds {
            black_box(run());
        }
        now() - start
    });
}

/// A file of its own digest: `bytes` with one more custom section, whose content is `number`.
fn numbered(mut bytes: Vec<u8>, number: usize) -> Vec<u8> {
    let content = [1, b'n', u8::try_from(number).unwrap()];
    bytes.extend([0, u8::try_from(content.len()).unwrap()]);
    bytes.extend(content);
    bytes
}

/// The files and configurations of 20 plugins. `None` = they are not built.
fn plugins() -> Option<Vec<(Vec<u8>, &'static str)>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins");
    let plugin = |number: usize| {
        let (name, config) = KINDS[number % KINDS.len()];
        Some((numbered(std::fs::read(folder.join(format!("{name}.wasm"))).ok()?, number), config))
    };
    (0..PLUGINS).map(plugin).collect()
}

/// Loads them all as a fresh process does, and says whether all were found compiled.
fn start(engine: &Engine, plugins: &[(Vec<u8>, &str)]) -> bool {
    plugins.iter().fold(true, |all_kept, (bytes, config)| {
        let artifact = engine.compile(bytes).unwrap();
        let grants = artifact.manifest().needs.as_grants();
        let _instance = Instance::new(&artifact, "bench", config, &grants, &Limits::default()).unwrap();
        all_kept && artifact.was_kept()
    })
}

fn warm_start(criterion: &mut Criterion) {
    let Some(plugins) = plugins() else { return };
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("artifacts");
    start(&Engine::with_cache(&folder).unwrap(), &plugins);

    let mut group = criterion.benchmark_group("start of 20 plugins");
    group.sample_size(10);
    group.bench_function("warm, with a fresh engine", |bencher| {
        iterate(bencher, || assert!(start(&Engine::with_cache(&folder).unwrap(), &plugins)));
    });
    group.bench_function("cold, with a fresh engine", |bencher| {
        iterate(bencher, || assert!(!start(&Engine::new().unwrap(), &plugins)));
    });
    group.finish();
}

/// What the example's documentation grants a plugin in JavaScript.
const JAVASCRIPT_LIMITS: Limits = Limits {
    memory_bytes_max: 64 * 1024 * 1024,
    memory_bytes_soft: 48 * 1024 * 1024,
    call_cpu_max: Duration::from_millis(50),
    state_cpu_max: Duration::from_millis(50),
    init_cpu_max: Duration::from_millis(500),
    body_bytes_max: 0,
    log_lines_per_second_max: 0,
    alerts_per_minute_max: 0,
};

fn greeter(artifact: &Artifact) -> Instance {
    let grants = artifact.manifest().needs.as_grants();
    let config = r#"{"greeting":"hello","header":"x-hello"}"#;
    Instance::new(artifact, "greeter", config, &grants, &JAVASCRIPT_LIMITS).unwrap()
}

/// Left out where `cargo xtask test` has not built the plugin.
fn javascript(criterion: &mut Criterion) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/javascript/greeter.wasm");
    let Ok(bytes) = std::fs::read(file) else { return };
    let data = tempfile::tempdir().unwrap();
    let engine = Engine::with_cache(&data.path().join("artifacts")).unwrap();
    engine.compile(&bytes).unwrap();

    let mut group = criterion.benchmark_group("a plugin in JavaScript");
    group.sample_size(10);
    group.bench_function("found compiled", |bencher| iterate(bencher, || engine.compile(&bytes).unwrap()));
    let artifact = engine.compile(&bytes).unwrap();
    group.bench_function("instantiate and init", |bencher| iterate(bencher, || greeter(&artifact)));

    let mut packed = Vec::new();
    fields::push(&mut packed, Some(b"/set"));
    fields::push(&mut packed, None);
    for (name, flag) in [("on-request with an edit", "false"), ("on-request that does nothing", "true")] {
        // As the router does, it is replaced once it has grown too much.
        let fresh = || {
            let mut instance = greeter(&artifact);
            instance.on_state("flag:quiet", Some(flag)).unwrap();
            instance
        };
        let mut instance = fresh();
        group.bench_function(name, |bencher| {
            iterate(bencher, || {
                if instance.memory_bytes() as u64 > JAVASCRIPT_LIMITS.memory_bytes_soft {
                    instance = fresh();
                }
                instance.on_request(black_box(&packed), 1, 2).unwrap()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, warm_start, javascript);
criterion_main!(benches);
