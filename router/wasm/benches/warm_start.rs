//! What a router with 20 plugins waits for at its start: compiled files found, instantiated and initialised. Cold beside
//! it: the same without the cache. Set: warm below 50 ms.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run is wrong")]

use std::path::PathBuf;

use criterion::{Criterion, criterion_group, criterion_main};
use sluice_wasm::{Engine, Instance, Limits};

const PLUGINS: usize = 20;

/// The first-party plugins, each with a configuration that it takes.
const KINDS: [(&str, &str); 3] = [
    ("canary", r#"{"rollout":"demo"}"#),
    ("feature-flags", r#"{"gates":[{"flag":"featureFlags","paths":["/set"]}]}"#),
    ("upload-alert", r#"{"limit":"50000B","paths":["/upload"],"action":"abort_canary"}"#),
];

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
        bencher.iter(|| assert!(start(&Engine::with_cache(&folder).unwrap(), &plugins)));
    });
    group.bench_function("cold, with a fresh engine", |bencher| {
        bencher.iter(|| assert!(!start(&Engine::new().unwrap(), &plugins)));
    });
    group.finish();
}

criterion_group!(benches, warm_start);
criterion_main!(benches);
