//! What a bare call costs by the shape of its arguments: what the contract's shape was chosen by.
//! docs/bench/plugin-call-shapes.md has the figures; `calls` has those of whole calls through the host.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has no result")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use sluice_wasm::fields;
use wasmtime::component::{Component, ComponentType, Func, Linker, Lower};
use wasmtime::{Config, Store};

/// What the three fields of a usual call hold: method, path, sticky key.
const VALUES: [&str; 3] = ["GET", "/upload/images/cat-on-a-mat.jpg", "u-1234567890"];

/// Header lines of a browser's request.
const BROWSER_HEADERS: usize = 12;

/// Never reached: the shapes are measured without a deadline of their own.
const FAR_AWAY: u64 = 1 << 40;

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
    group.bench_function("b, typed at each call", |bencher| {
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

criterion_group!(benches, shapes);
criterion_main!(benches);
