//! Every bound: as much as it allows is read, one more is a fault.

use super::{only_fault, parse_one, source};
use crate::parse;
use crate::read::reader::{FAULTS_PER_FILE_MAX, SOURCE_BYTES_MAX};
use crate::read::{ENTRIES_MAX, fields, matching, plugin, process, rollout, route, servers, target, values};

/// `count` items made by `item`, separated by commas.
fn items(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(", ")
}

/// `text(max)` is read; `text(max + 1)` has one fault, which says `message`.
fn holds(max: usize, message: &str, text: impl Fn(usize) -> String) {
    let at = parse_one(&text(max));
    assert!(at.is_ok(), "{message}: {}", at.unwrap_err());
    let past = only_fault(&text(max + 1));
    assert!(past.contains(message), "{past}");
}

fn route(keys: &str) -> String {
    format!("[upstreams.up]\nservers = [\"a:1\"]\n[[routes]]\nname = \"r\"\nto = \"up\"\n{keys}")
}

#[test]
fn lists_are_bounded() {
    holds(servers::SERVERS_MAX, "more than 1024 entries", |count| {
        format!("[upstreams.up]\nservers = [{}]", items(count, |i| format!("\"a:{}\"", i + 1)))
    });
    holds(route::HOSTS_MAX, "more than 16 entries", |count| {
        route(&format!("hosts = [{}]", items(count, |i| format!("\"h{i}\""))))
    });
    holds(route::MATCHES_MAX, "more than 64 entries", |count| {
        route(&format!("match = [{}]", items(count, |i| format!("{{ path.exact = \"/{i}\" }}"))))
    });
    holds(matching::METHODS_MAX, "more than 16 entries", |count| {
        route(&format!("match.method = [{}]", items(count, |i| format!("\"M{i}\""))))
    });
    for conditions in ["headers", "query"] {
        holds(matching::CONDITIONS_MAX, "more than 16 entries", |count| {
            route(&format!("match.{conditions} = {{ {} }}", items(count, |i| format!("n{i} = \"\""))))
        });
    }
    holds(route::CHAIN_MAX, "more than 16 entries", |count| {
        let plugins: String = (0..=count).map(|i| format!("[plugins.p{i}]\nfile = \"p.wasm\"\n")).collect();
        plugins + &route(&format!("plugins = [{}]", items(count, |i| format!("\"p{i}\""))))
    });
    holds(target::TARGETS_MAX, "more than 16 entries", |count| {
        let upstreams: String = (0..count).map(|i| format!("[upstreams.u{i}]\nservers = [\"a:1\"]\n")).collect();
        format!("{upstreams}[[routes]]\nname = \"r\"\nto = [{}]", items(count, |i| format!("\"u{i}\"")))
    });
    holds(plugin::STATE_GRANTS_MAX, "more than 64 entries", |count| {
        format!("[plugins.p]\nfile = \"p.wasm\"\ngrants.state = [{}]", items(count, |i| format!("\"flag:f{i}\"")))
    });
}

#[test]
fn rollouts_are_bounded() {
    let rollout = |keys: usize, variants: usize| {
        let key = items(keys, |i| format!("\"cookie:c{i}\""));
        let variants = items(variants, |i| format!("v{i} = \"up\""));
        let head = "[upstreams.up]\nservers = [\"a:1\"]\n[rollouts.d]\nstable = \"v0\"\ncanary = \"v1\"";
        format!("{head}\nkey = [{key}]\nvariants = {{ {variants} }}")
    };
    holds(fields::KEY_FIELDS_MAX, "more than 8 entries", |count| rollout(count, 2));
    holds(rollout::VARIANTS_MAX, "more than 16 entries", |count| rollout(1, count));
}

#[test]
fn a_route_has_a_bounded_number_of_combinations() {
    let combinations = |hosts: usize, matches: usize, methods: &str| {
        let matches = items(matches, |i| format!("{{ path.exact = \"/{i}\"{methods} }}"));
        route(&format!("hosts = [{}]\nmatch = [{matches}]", items(hosts, |i| format!("\"h{i}\""))))
    };
    assert_eq!(route::HOSTS_MAX * route::MATCHES_MAX, route::COMBINATIONS_MAX);
    assert!(parse_one(&combinations(16, 64, "")).is_ok());
    let past = only_fault(&combinations(9, 57, ", method = [\"GET\", \"PUT\"]"));
    assert!(past.contains("more than 1024 combinations"), "{past}");
}

#[test]
fn texts_names_and_numbers_are_bounded() {
    let name = |length: usize| format!("[upstreams.{}]\nservers = [\"a:1\"]", "n".repeat(length));
    holds(values::NAME_BYTES_MAX, "is no name", name);
    holds(values::TEXT_BYTES_MAX, "longer than 1024 bytes", |length| {
        route(&format!("match.query = {{ a = \"{}\" }}", "v".repeat(length)))
    });
    holds(values::TEXT_BYTES_MAX, "longer than 1024 bytes", |length| {
        route(&format!("match.query = {{ {} = \"v\" }}", "a".repeat(length)))
    });
    holds(crate::route::RETRY_ATTEMPTS_MAX as usize, "out of range", |attempts| {
        route(&format!("retries.attempts = {attempts}"))
    });
    holds(target::WEIGHT_MAX as usize, "out of range", |weight| {
        format!(
            "[upstreams.up]\nservers = [\"a:1\"]\n[[routes]]\nname = \"r\"\nto = {{ upstream = \"up\", weight = {weight} }}"
        )
    });
    holds(crate::upstream::CONNECTIONS_MAX_MAX, "out of range", |connections| {
        format!("[upstreams.up]\nservers = [\"a:1\"]\nconnections_max = {connections}")
    });
    holds(4 << 20, "out of range", |kib| format!("[plugins.p]\nfile = \"p.wasm\"\nlimits.memory = \"{kib}KiB\""));
    assert!(parse_one("[plugins.p]\nfile = \"p.wasm\"\nlimits.memory = \"64KiB\"").is_ok());
    assert!(only_fault("[plugins.p]\nfile = \"p.wasm\"\nlimits.memory = \"65535B\"").contains("from 64KiB to 4GiB"));
    holds(10_000, "out of range", |millis| format!("[plugins.p]\nfile = \"p.wasm\"\nlimits.cpu = \"{millis}ms\""));
    holds(24 * 60, "out of range", |minutes| route(&format!("timeouts.request = \"{minutes}m\"")));
    assert!(only_fault(&route("timeouts.request = \"0ms\"")).contains("from 1ms to 24h"));
}

#[test]
fn hosts_are_bounded_as_in_dns() {
    holds(63, "is no host", |length| route(&format!("hosts = \"{}\"", "h".repeat(length))));
    let labels = |length: usize| ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(length)].join(".");
    assert_eq!(labels(61).len(), 253);
    holds(61, "is no host", |length| route(&format!("hosts = \"{}\"", labels(length))));
}

#[test]
fn files_are_bounded() {
    let filled = |bytes: usize| format!("#{}", "x".repeat(bytes - 1));
    holds(SOURCE_BYTES_MAX, "the file is larger than", filled);
    holds(plugin::CONFIG_BYTES_MAX, "the config is larger than", |bytes| {
        let envelope = "{\"a\":\"\"}".len();
        format!("[plugins.p]\nfile = \"p.wasm\"\nconfig = {{ a = \"{}\" }}", "x".repeat(bytes - envelope))
    });
    holds(ENTRIES_MAX, "more than 10000 entries", |count| {
        (0..count).map(|i| format!("[upstreams.u{i}]\nservers = [\"a:1\"]\n")).collect()
    });
}

#[test]
fn the_lists_of_the_process_are_bounded() {
    let read = |text: &str| crate::parse_process(&source("sluice.toml", text));
    let listeners = |count: usize| "[[listeners]]\naddress = \"127.0.0.1:0\"\n".repeat(count);
    assert!(read(&listeners(process::LISTENERS_MAX)).is_ok());
    assert!(read(&listeners(process::LISTENERS_MAX + 1)).is_err());
    let switches = |count| format!("[store]\nswitches = [{}]", items(count, |i| format!("\"s{i}\"")));
    assert!(read(&switches(process::SWITCHES_MAX)).is_ok());
    assert!(read(&switches(process::SWITCHES_MAX + 1)).is_err());
    let connections = |count: usize| format!("[limits]\nconnections_max = {count}");
    assert!(read(&connections(crate::process::CONNECTIONS_MAX_MAX)).is_ok());
    assert!(read(&connections(crate::process::CONNECTIONS_MAX_MAX + 1)).is_err());
}

#[test]
fn faults_of_one_file_are_bounded_and_hide_none_of_another() {
    let many = |count: usize| (0..count).map(|i| format!("x{i} = 1\n")).collect::<String>();
    let count = |text: &str| parse_one(text).unwrap_err().0.len();
    assert_eq!(count(&many(FAULTS_PER_FILE_MAX - 1)), FAULTS_PER_FILE_MAX - 1);
    assert_eq!(count(&many(FAULTS_PER_FILE_MAX)), FAULTS_PER_FILE_MAX);
    assert_eq!(count(&many(FAULTS_PER_FILE_MAX + 50)), FAULTS_PER_FILE_MAX);
    let faults = parse(&[source("a.toml", &many(500)), source("b.toml", "y = 1")]).unwrap_err();
    assert_eq!(faults.0.last().map(|fault| fault.file.as_str()), Some("b.toml"));
}
