//! What a call of a plugin costs through the whole host, phase by phase, beside a native no-op behind the same shape of
//! trait object; and the first-party plugins one after the other. docs/bench/plugin-calls.md has the figures.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot run has no result")]

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sluice_wasm::{Artifact, CallError, Decision, Engine, Grants, Instance, Limits, SizeUnit, Verdict, fields};

const LIMITS: Limits = Limits {
    call_cpu_max: Duration::from_millis(50),
    state_cpu_max: Duration::from_millis(50),
    init_cpu_max: Duration::from_secs(1),
    log_lines_per_second_max: 0,
    alerts_per_minute_max: u32::MAX,
    ..Limits::DEFAULT
};

/// Sizes of body chunks: one TCP segment, what a busy socket gives at once, what a buffer holds at most.
const CHUNK_BYTES: [usize; 3] = [1 << 10, 16 << 10, 64 << 10];

/// A sticky key, as a cookie holds it.
const KEY: &str = "u-1234567890";

/// The shape of a plugin's call: a method behind a pointer.
trait Call {
    fn on_request(&mut self, fields: &[u8], now_ms: u64, random: u64) -> Result<Verdict, CallError>;
}

impl Call for Instance {
    fn on_request(&mut self, fields: &[u8], now_ms: u64, random: u64) -> Result<Verdict, CallError> {
        Self::on_request(self, fields, now_ms, random)
    }
}

/// A plugin that is compiled in and says nothing.
struct NoOp;

impl Call for NoOp {
    fn on_request(&mut self, fields: &[u8], now_ms: u64, random: u64) -> Result<Verdict, CallError> {
        black_box((fields, now_ms, random));
        Ok(Verdict { decision: Decision::Next, ctx: 0, outcome: None })
    }
}

fn blob(values: &[&str]) -> Vec<u8> {
    let mut blob = Vec::new();
    values.iter().for_each(|value| fields::push(&mut blob, Some(value.as_bytes())));
    blob
}

fn built(engine: &Engine, name: &str) -> Artifact {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../target/plugins/{name}.wasm"));
    let bytes =
        std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask plugins`", file.display()));
    engine.compile(&bytes).unwrap()
}

fn start(artifact: &Artifact, config: &str) -> Instance {
    Instance::new(artifact, "bench", config, &Grants::everything(), &LIMITS).unwrap()
}

/// A plugin as the demo runs it, told its state.
fn first_party(engine: &Engine, name: &str) -> Instance {
    let rollout = r#"{"state":"running","weight_bps":2500,"salt":"s","epoch":1,"stable":"stable","canary":"canary"}"#;
    let (config, state) = match name {
        "canary" => (r#"{"rollout":"demo"}"#, Some(("rollout:demo", rollout))),
        "feature-flags" => {
            (r#"{"gates":[{"flag":"featureFlags","paths":["/set"]}]}"#, Some(("flag:featureFlags", "true")))
        }
        _ => (r#"{"limit":"50000B","paths":["/upload"],"action":"abort_canary"}"#, None),
    };
    let mut plugin = start(&built(engine, name), config);
    if let Some((key, value)) = state {
        plugin.on_state(key, Some(value)).unwrap();
    }
    plugin
}

/// What the way itself costs: a guest that does nothing, written as text.
fn empty(criterion: &mut Criterion) {
    let engine = Engine::new().unwrap();
    let artifact = engine.compile(&wat::parse_str(include_str!("../tests/host/guest.wat")).unwrap()).unwrap();
    let packed = blob(&["/upload/images/cat-on-a-mat.jpg"]);
    let mut group = criterion.benchmark_group("empty");
    let plugins: [(&str, Box<dyn Call>); 2] =
        [("on-request, native no-op", Box::new(NoOp)), ("on-request", Box::new(start(&artifact, "{}")))];
    for (name, mut plugin) in plugins {
        group.bench_function(name, |bencher| {
            bencher.iter(|| plugin.on_request(black_box(&packed), 1, 2).unwrap());
        });
    }
    let mut guest = start(&artifact, "{}");
    group.bench_function("on-body-size", |bencher| {
        bencher.iter(|| guest.on_body_size(0, black_box(50_001), SizeUnit::Body, true).unwrap());
    });
    group.bench_function("on-response", |bencher| bencher.iter(|| guest.on_response(0, black_box(&packed)).unwrap()));
    group.bench_function("a trap, and an instance in place of the one that it ended", |bencher| {
        let artifact = built(&engine, "hostile");
        bencher.iter(|| start(&artifact, r#"{"do":"trap-in-request"}"#).on_request(&[], 0, 0).unwrap_err());
    });
    group.finish();
}

/// A plugin of the SDK, in each phase.
fn phases(criterion: &mut Criterion) {
    let engine = Engine::new().unwrap();
    let artifact = built(&engine, "hostile");
    let plugin = |act: &str| start(&artifact, &format!(r#"{{"do":"{act}"}}"#));
    let status = blob(&["200"]);
    let mut group = criterion.benchmark_group("phase");
    let mut quiet = plugin("nothing");
    group.bench_function("on-request", |bencher| bencher.iter(|| quiet.on_request(black_box(&[]), 1, 2).unwrap()));
    group.bench_function("on-body-size", |bencher| {
        bencher.iter(|| quiet.on_body_size(0, black_box(50_001), SizeUnit::Body, true).unwrap());
    });
    group.bench_function("on-response", |bencher| bencher.iter(|| quiet.on_response(0, black_box(&status)).unwrap()));
    for (name, act) in [("on-request, one counter", "count"), ("on-request, two edits", "edit")] {
        let mut plugin = plugin(act);
        group.bench_function(name, |bencher| bencher.iter(|| plugin.on_request(black_box(&[]), 1, 2).unwrap()));
    }
    let mut reader = plugin("done-after-one-chunk");
    for bytes in CHUNK_BYTES {
        let chunk = vec![7; bytes];
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(format!("on-body-chunk, {} KiB", bytes >> 10), |bencher| {
            bencher.iter(|| reader.on_body_chunk(0, black_box(&chunk), 0, false).unwrap());
        });
    }
    group.finish();
}

/// The plugins of the demo, alone and as a chain.
fn chain(criterion: &mut Criterion) {
    let engine = Engine::new().unwrap();
    let [mut flags, mut canary, mut upload] =
        ["feature-flags", "canary", "upload-alert"].map(|name| first_party(&engine, name));
    let (no_fields, key) = (Vec::new(), blob(&[KEY]));
    let mut group = criterion.benchmark_group("chain");
    group.bench_function("feature-flags, flag on", |bencher| {
        bencher.iter(|| flags.on_request(black_box(&no_fields), 1, 2).unwrap());
    });
    group.bench_function("canary, bucket of a key", |bencher| {
        bencher.iter(|| canary.on_request(black_box(&key), 1, 2).unwrap());
    });
    group.bench_function("upload-alert, abort raised", |bencher| {
        bencher.iter(|| upload.on_body_size(0, black_box(50_001), SizeUnit::Body, true).unwrap());
    });
    let mut second = first_party(&engine, "canary");
    let chain: [(&mut dyn Call, &[u8]); 3] = [(&mut flags, &no_fields), (&mut canary, &key), (&mut second, &key)];
    three(&mut group, "three that apply: feature-flags, canary, canary", chain);
    let [mut one, mut two, mut three_] = [NoOp, NoOp, NoOp];
    let chain: [(&mut dyn Call, &[u8]); 3] = [(&mut one, &no_fields), (&mut two, &key), (&mut three_, &key)];
    three(&mut group, "three native no-ops", chain);
    group.bench_function("an upload that trips: feature-flags, canary, upload-alert", |bencher| {
        bencher.iter(|| {
            black_box(flags.on_request(black_box(&no_fields), 1, 2).unwrap());
            black_box(canary.on_request(black_box(&key), 1, 2).unwrap());
            upload.on_body_size(0, black_box(50_001), SizeUnit::Body, true).unwrap()
        });
    });
    group.finish();
}

fn three(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    name: &str,
    mut chain: [(&mut dyn Call, &[u8]); 3],
) {
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            for (plugin, fields) in &mut chain {
                black_box(plugin.on_request(black_box(fields), 1, 2).unwrap());
            }
        });
    });
}

criterion_group!(benches, empty, phases, chain);
criterion_main!(benches);
