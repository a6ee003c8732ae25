//! What a plugin costs a request that does not concern it: the manifest's word, decided without a call.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has no result")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use sluice_policy::Source;
use sluice_snapshot::plugin::Parts;
use sluice_snapshot::{Cells, Plugin};
use sluice_wasm::{Activation, Engine, Instance};

const POLICY: &str = "[plugins.guest]\nfile = \"guest.wasm\"\ngrants = { body = true }\n[[routes]]\nname = \"all\"\nto = { builtin = \"servers\" }\n";
/// What a request of the demo asks for.
const PATH: &str = "/images/cat-on-a-mat.jpg";

/// A plugin that says of itself that it concerns these methods and paths.
fn concerned_with(methods: &[&str], prefixes: &[&str]) -> Plugin {
    let source = Source { file: "bench.toml".to_owned(), text: POLICY.to_owned() };
    let policy = sluice_policy::parse(&[source]).unwrap();
    let spec = &policy.plugins[0];
    let guest = wat::parse_str(include_str!("../../wasm/tests/host/guest.wat")).unwrap();
    let artifact = Engine::new().unwrap().compile(&guest).unwrap();
    let instance = Instance::new(&artifact, "guest", "{}", &spec.grants, &spec.limits).unwrap();
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let said =
        Activation { methods: texts(methods), path_prefixes: texts(prefixes), ..(**instance.activation()).clone() };
    let parts = Parts::new(&artifact, spec, &said.into(), &Cells::new()).unwrap();
    Plugin::new(parts, Vec::new(), instance)
}

fn applies(criterion: &mut Criterion) {
    let many: Vec<String> = (0..64).map(|number| format!("/section-{number:02}/of/the/shop")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let plugins = [
        ("ruled out by its method", concerned_with(&["POST", "PUT"], &["/upload"])),
        ("ruled out by its one path", concerned_with(&[], &["/upload"])),
        ("ruled out by as many paths as there may be", concerned_with(&[], &many)),
        ("concerned: every request", concerned_with(&[], &[])),
        ("concerned: the second of two paths", concerned_with(&["GET"], &["/set", "/images"])),
    ];
    let mut group = criterion.benchmark_group("applies");
    for (name, plugin) in &plugins {
        group.bench_function(*name, |bencher| {
            bencher.iter(|| black_box(plugin).applies(black_box("GET"), black_box(PATH)));
        });
    }
    group.finish();
}

criterion_group!(benches, applies);
criterion_main!(benches);
