//! What a hot call costs: by the shape of its arguments, through the whole host, and for the first-party plugins.
//!
//! The first group is what the contract's shape was chosen by; docs/bench/plugin-call-shapes.md has the figures.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has no result")]

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use sluice_wasm::{Engine, Grants, Instance, Limits, SizeUnit, fields};
use wasmtime::component::{Component, ComponentType, Func, Linker, Lower};
use wasmtime::{Config, Store};

/// What the three fields of a usual call hold: method, path, sticky key.
const VALUES: [&str; 3] = ["GET", "/upload/images/cat-on-a-mat.jpg", "u-1234567890"];

/// Header lines of a browser's request.
const BROWSER_HEADERS: usize = 12;

/// Never reached: the shapes are measured without a deadline of their own.
const FAR_AWAY: u64 = 1 << 40;

const LIMITS: Limits = Limits {
    memory_bytes_max: 16 * 1024 * 1024,
    call_cpu_max: Duration::from_millis(50),
    state_cpu_max: Duration::from_millis(50),
    init_cpu_max: Duration::from_millis(500),
    ..Limits::DEFAULT
};

/// The request as a record, the shape that was not chosen.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Request<'a> {
    fields: &'a [(&'a str, &'a str)],
    #[component(name = "now-ms")]
    now_ms: u64,
    random: u64,
}

fn blob(values: &[Option<&str>]) -> Vec<u8> {
    let mut blob = Vec::new();
    values.iter().for_each(|value| fields::push(&mut blob, value.map(str::as_bytes)));
    blob
}

/// The shapes, as bare calls of wasmtime with the settings of the host.
fn shapes(criterion: &mut Criterion) {
    let mut config = Config::new();
    config.epoch_interruption(true).concurrency_support(false);
    let engine = wasmtime::Engine::new(&config).unwrap();
    let component = Component::from_binary(&engine, &wat::parse_str(include_str!("call_shapes.wat")).unwrap()).unwrap();
    let mut store = Store::new(&engine, ());
    store.set_epoch_deadline(FAR_AWAY);
    let instance = Linker::new(&engine).instantiate(&mut store, &component).unwrap();
    let mut export = |name: &str| -> Func { instance.get_func(&mut store, name).unwrap() };
    let (strings, record, bytes, pair) =
        (export("three-strings"), export("record"), export("blob"), export("blob-pair"));

    let mut group = criterion.benchmark_group("shape");
    let function = strings.typed::<(&str, &str, &str), (u64,)>(&store).unwrap();
    let [a, b, c] = VALUES;
    group.bench_function("a: three flat strings -> u64", |bencher| {
        bencher.iter(|| function.call(&mut store, black_box((a, b, c))).unwrap());
    });

    let packed = blob(&VALUES.map(Some));
    let function = bytes.typed::<(&[u8], u64, u64), (u64,)>(&store).unwrap();
    group.bench_function("b: blob, u64, u64 -> u64", |bencher| {
        bencher.iter(|| function.call(&mut store, black_box((&packed[..], 1, 2))).unwrap());
    });
    group.bench_function("b, typed at each call, as the host does", |bencher| {
        bencher.iter(|| {
            let function = bytes.typed::<(&[u8], u64, u64), (u64,)>(&store).unwrap();
            function.call(&mut store, black_box((&packed[..], 1, 2))).unwrap()
        });
    });

    let few = VALUES.map(|value| ("header:x", value));
    let many = [("accept-language", "en-GB,en;q=0.5"); BROWSER_HEADERS];
    let function = record.typed::<(&Request<'_>,), (u64,)>(&store).unwrap();
    for (name, fields) in [("c: record with 3 tuples -> u64", &few[..]), ("c with 12 tuples", &many[..])] {
        let request = Request { fields, now_ms: 1, random: 2 };
        group.bench_function(name, |bencher| {
            bencher.iter(|| function.call(&mut store, black_box((&request,))).unwrap());
        });
    }

    let function = pair.typed::<(&[u8], u64, u64), ((u64, u64),)>(&store).unwrap();
    group.bench_function("d: blob, u64, u64 -> tuple<u64, u64>", |bencher| {
        bencher.iter(|| function.call(&mut store, black_box((&packed[..], 1, 2))).unwrap());
    });
    group.finish();
}

/// The same call through the host: deadline, verdict, everything.
fn host(criterion: &mut Criterion) {
    let engine = Engine::new().unwrap();
    let guest = wat::parse_str(include_str!("../tests/host/guest.wat")).unwrap();
    let artifact = engine.compile(&guest).unwrap();
    let mut instance = Instance::new(&artifact, "guest", "{}", &Grants::default(), &LIMITS).unwrap();
    let packed = blob(&VALUES.map(Some));
    let mut group = criterion.benchmark_group("host");
    group.bench_function("on-request of an empty guest", |bencher| {
        bencher.iter(|| instance.on_request(black_box(&packed), 1, 2).unwrap());
    });
    group.bench_function("instantiate and init an empty guest", |bencher| {
        bencher.iter(|| Instance::new(&artifact, "guest", "{}", &Grants::default(), &LIMITS).unwrap());
    });
    group.finish();
}

/// The first-party plugins as the demo runs them. Left out where they are not built.
fn plugins(criterion: &mut Criterion) {
    let engine = Engine::new().unwrap();
    let start = |name: &str, config: &str, state: &str| {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins");
        let bytes = std::fs::read(folder.join(format!("{name}.wasm"))).ok()?;
        let state = vec![state.to_owned()];
        let grants =
            Grants { state, alerts: true, abort: true, counters: true, tags: true, log: true, edits: true, body: true };
        Some(Instance::new(&engine.compile(&bytes).unwrap(), name, config, &grants, &LIMITS).unwrap())
    };
    let mut group = criterion.benchmark_group("plugin");

    if let Some(mut canary) = start("canary", r#"{"rollout":"demo"}"#, "rollout:demo") {
        let document =
            r#"{"state":"running","weight_bps":2500,"salt":"s","epoch":1,"stable":"stable","canary":"canary"}"#;
        canary.on_state("rollout:demo", Some(document)).unwrap();
        let packed = blob(&[Some(VALUES[2])]);
        group.bench_function("canary on-request", |bencher| {
            bencher.iter(|| canary.on_request(black_box(&packed), 1, 2).unwrap());
        });
    }
    let config = r#"{"gates":[{"flag":"featureFlags","paths":["/set"]}]}"#;
    if let Some(mut gate) = start("feature-flags", config, "flag:featureFlags") {
        gate.on_state("flag:featureFlags", Some("true")).unwrap();
        let fields = gate.activation().request_fields.clone();
        let values: Vec<_> = fields.iter().map(|field| Some(if field == "path" { "/set" } else { "GET" })).collect();
        let packed = blob(&values);
        group.bench_function("feature-flags on-request", |bencher| {
            bencher.iter(|| gate.on_request(black_box(&packed), 1, 2).unwrap());
        });
    }
    let config = r#"{"limit":"50000B","paths":["/upload"],"action":"abort_canary"}"#;
    if let Some(mut watch) = start("upload-alert", config, "flag:none") {
        let packed = blob(&vec![Some("POST"); watch.activation().request_fields.len()]);
        if watch.activation().phases.request {
            group.bench_function("upload-alert on-request", |bencher| {
                bencher.iter(|| watch.on_request(black_box(&packed), 1, 2).unwrap());
            });
        }
        group.bench_function("upload-alert on-body-size, with an alert", |bencher| {
            bencher.iter(|| watch.on_body_size(0, black_box(50_001), SizeUnit::Body, true).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, shapes, host, plugins);
criterion_main!(benches);
