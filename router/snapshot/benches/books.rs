//! What the router keeps of each call into a plugin, apart from the call: breaker, counters, and the clock of those that
//! are timed.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has no result")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use sluice_policy::Source;
use sluice_snapshot::plugin::{Parts, Phase, VerdictKind};
use sluice_snapshot::time::unix_ms;
use sluice_snapshot::{Cells, Plugin};
use sluice_wasm::{Engine, Instance};

const POLICY: &str = "[plugins.guest]\nfile = \"guest.wasm\"\ngrants = { body = true }\n[[routes]]\nname = \"all\"\nto = { builtin = \"servers\" }\n";
/// As in the request path.
const TIMED_EVERY: u32 = 17;
const WORKER: usize = 0;

fn plugin() -> Plugin {
    let source = Source { file: "bench.toml".to_owned(), text: POLICY.to_owned() };
    let policy = sluice_policy::parse(&[source]).unwrap();
    let spec = &policy.plugins[0];
    let guest = wat::parse_str(include_str!("../../wasm/tests/host/guest.wat")).unwrap();
    let artifact = Engine::new().unwrap().compile(&guest).unwrap();
    let instance = || Instance::new(&artifact, "guest", "{}", &spec.grants, &spec.limits).unwrap();
    let spare = instance();
    let parts = Parts::new(&artifact, spec, spare.activation(), &Cells::new()).unwrap();
    Plugin::new(parts, vec![instance()], spare)
}

fn count(plugin: &Plugin) {
    let pass = plugin.breaker.admit(unix_ms).unwrap();
    plugin.stats.called(WORKER, Phase::Request);
    plugin.stats.said(WORKER, Phase::Request, VerdictKind::Next);
    pass.succeeded(Phase::Request);
}

fn books(criterion: &mut Criterion) {
    let plugin = plugin();
    let mut group = criterion.benchmark_group("books");
    group.bench_function("breaker and counters of one call", |bencher| bencher.iter(|| count(black_box(&plugin))));
    let mut turn = 0_u32;
    group.bench_function("the same, timed now and then", |bencher| {
        bencher.iter(|| {
            turn = turn.wrapping_add(1);
            let began = turn.is_multiple_of(TIMED_EVERY).then(Instant::now);
            count(black_box(&plugin));
            if let Some(began) = began {
                plugin.stats.took(WORKER, Phase::Request, began.elapsed());
            }
        });
    });
    group.bench_function("the same, timed always", |bencher| {
        bencher.iter(|| {
            let began = Instant::now();
            count(black_box(&plugin));
            plugin.stats.took(WORKER, Phase::Request, began.elapsed());
        });
    });
    group.bench_function("the end of a request", |bencher| {
        bencher.iter(|| black_box(&plugin).stats.request_ended(WORKER, black_box(false)));
    });
    group.bench_function("a time in its bucket", |bencher| {
        bencher.iter(|| black_box(&plugin).stats.took(WORKER, Phase::Request, black_box(Duration::from_nanos(412))));
    });
    group.finish();
}

criterion_group!(benches, books);
criterion_main!(benches);
