//! What an evaluation costs: `cargo bench -p sluice-flagd --bench evaluate`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use sluice_flagd::{Attribute, Context, FlagSet};

/// Flags as people write them: by mail address, by version, by share, and all of that in one.
const DEFINITION: &str = r#"{
  "flags": {
    "static": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "on"},
    "by-email": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off",
      "targeting": {"if": [{"ends_with": [{"var": "email"}, "@example.com"]}, "on", "off"]}},
    "split": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off",
      "targeting": {"fractional": [["on", 25], ["off", 75]]}},
    "typical": {"state": "ENABLED", "variants": {"new": "new", "old": "old"}, "defaultVariant": "old",
      "targeting": {"if": [
        {"and": [
          {"in": [{"var": "country"}, ["de", "at", "ch"]]},
          {"sem_ver": [{"var": "version"}, ">=", "2.1.0"]},
          {"==": [{"var": "tier"}, "premium"]}
        ]},
        {"fractional": [{"cat": [{"var": "$flagd.flagKey"}, {"var": "targetingKey"}]}, ["new", 50], ["old", 50]]},
        "old"
      ]}}
  }
}"#;

fn evaluate(criterion: &mut Criterion) {
    let set = FlagSet::compile(DEFINITION).expect("the definition is one");
    let attributes = [
        ("email", Attribute::Text("ada@example.com")),
        ("country", Attribute::Text("ch")),
        ("version", Attribute::Text("2.10.1")),
        ("tier", Attribute::Text("premium")),
    ];
    let context =
        Context { targeting_key: Some("user-4711"), timestamp_seconds: 1_700_000_000, attributes: &attributes };
    let mut group = criterion.benchmark_group("evaluate");
    for key in ["static", "by-email", "split", "typical"] {
        group.bench_function(key, |bencher| bencher.iter(|| set.evaluate(black_box(key), black_box(&context)).variant));
    }
    group.finish();
    criterion.bench_function("compile", |bencher| bencher.iter(|| FlagSet::compile(black_box(DEFINITION)).is_ok()));
}

criterion_group!(benches, evaluate);
criterion_main!(benches);
