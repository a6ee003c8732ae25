//! Every bound: as much as it allows is read, one more is a fault.

use sluice_document::reader::{FAULTS_PER_FILE_MAX, SOURCE_BYTES_MAX};
use sluice_document::values::{NAME_BYTES_MAX, TEXT_BYTES_MAX};

use super::{only_fault, parse_one, source};
use crate::plugin::{ALERTS_PER_MINUTE_MAX, BREAKER_FAILURES_MAX, BUDGET_CALLS_MIN_MAX, LOG_LINES_PER_SECOND_MAX};
use crate::read::{
    ENTRIES_MAX, alert, cors, error_page, expectation, fields, filter, header_edits, listener, matching, pattern,
    plugin, process, rollout, route, servers, sink, status, target,
};
use crate::{parse, parse_process};

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
    holds(plugin::grants::STATE_GRANTS_MAX, "more than 64 entries", |count| {
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
    holds(NAME_BYTES_MAX, "is no name", name);
    holds(TEXT_BYTES_MAX, "longer than 1024 bytes", |length| {
        route(&format!("match.query = {{ a = \"{}\" }}", "v".repeat(length)))
    });
    holds(TEXT_BYTES_MAX, "longer than 1024 bytes", |length| {
        route(&format!("match.query = {{ {} = \"v\" }}", "a".repeat(length)))
    });
    holds(crate::route::RETRY_ATTEMPTS_MAX as usize, "out of range", |attempts| {
        route(&format!("retries.attempts = {attempts}"))
    });
    holds(1_000_000, "out of range", |weight| {
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
fn what_a_plugin_may_use_is_bounded() {
    let plugin = |keys: String| format!("[plugins.p]\nfile = \"p.wasm\"\n{keys}");
    let count = |max: u32| usize::try_from(max).unwrap();
    holds(1 << 10, "out of range", |gib| plugin(format!("limits.body = \"{gib}GiB\"")));
    holds(count(LOG_LINES_PER_SECOND_MAX), "out of range", |lines| plugin(format!("limits.log_lines = {lines}")));
    holds(count(ALERTS_PER_MINUTE_MAX), "out of range", |alerts| plugin(format!("limits.alerts = {alerts}")));
    holds(16 << 10, "`memory_soft` is more than `memory`", |kib| plugin(format!("limits.memory_soft = \"{kib}KiB\"")));
    holds(128, "`memory_soft` is more than `memory`", |kib| {
        plugin(format!("limits = {{ memory_soft = \"{kib}KiB\", memory = \"128KiB\" }}"))
    });
    holds(count(BREAKER_FAILURES_MAX), "out of range", |failures| plugin(format!("breaker.failures = {failures}")));
    holds(60, "out of range", |minutes| plugin(format!("breaker.open_max = \"{minutes}m\"")));
    holds(60_000, "`open` is longer than `open_max`", |millis| plugin(format!("breaker.open = \"{millis}ms\"")));
    holds(7 * 24, "out of range", |hours| plugin(format!("release.watch = \"{hours}h\"")));
    holds(7 * 24, "out of range", |hours| plugin(format!("release = {{ trial = \"canary\", for = \"{hours}h\" }}")));
    holds(60, "out of range", |seconds| plugin(format!("release.budget.call_p99 = \"{seconds}s\"")));
    holds(count(BUDGET_CALLS_MIN_MAX), "out of range", |calls| plugin(format!("release.budget.calls_min = {calls}")));
    holds(100, "between 0 and 100", |percent| plugin(format!("release.budget.failures = {percent}")));
    holds(599, "out of range", |status| plugin(format!("on_failure.memory.closed = {status}")));
    for (least, less) in [
        ("limits.body = \"1B\"", "limits.body = \"0B\""),
        ("limits = { log_lines = 0, alerts = 0 }", "limits.log_lines = -1"),
        ("limits.memory_soft = \"64KiB\"", "limits.memory_soft = \"65535B\""),
        ("breaker = { failures = 1, open = \"10ms\" }", "breaker.open = \"9ms\""),
        ("release.watch = \"100ms\"", "release.watch = \"99ms\""),
        ("release.budget.calls_min = 1", "release.budget.calls_min = 0"),
        ("release.budget.call_p99 = \"1ms\"", "release.budget.call_p99 = \"0ms\""),
        ("on_failure.closed = 400", "on_failure.closed = 399"),
    ] {
        assert!(parse_one(&plugin(least.to_owned())).is_ok(), "{least}");
        assert!(only_fault(&plugin(less.to_owned())).contains("is out of range"), "{less}");
    }
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
    let read = |text: &str| parse_process(&source("sluice.toml", text));
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

#[test]
fn lists_of_filters_and_limits_are_bounded() {
    holds(filter::MIRRORS_MAX, "more than 4 entries", |count| {
        let upstreams: String = (0..count).map(|i| format!("[upstreams.u{i}]\nservers = [\"a:1\"]\n")).collect();
        upstreams + &route(&format!("mirror = [{}]", items(count, |i| format!("\"u{i}\""))))
    });
    holds(cors::ORIGINS_MAX, "more than 64 entries", |count| {
        route(&format!("cors.origins = [{}]", items(count, |i| format!("\"http://h{i}\""))))
    });
    holds(cors::NAMES_MAX, "more than 64 entries", |count| {
        route(&format!("cors = {{ origins = \"*\", headers = [{}] }}", items(count, |i| format!("\"x-{i}\""))))
    });
    for edits in ["set", "add"] {
        holds(header_edits::EDITS_MAX, "more than 16 entries", |count| {
            route(&format!("request_headers.{edits} = {{ {} }}", items(count, |i| format!("x{i} = \"\""))))
        });
        holds(header_edits::LINES_MAX, "more than 16 entries", |count| {
            route(&format!("response_headers.{edits}.x = [{}]", items(count, |i| format!("\"{i}\""))))
        });
    }
    holds(header_edits::EDITS_MAX, "more than 16 entries", |count| {
        route(&format!("request_headers.remove = [{}]", items(count, |i| format!("\"x{i}\""))))
    });
    holds(fields::KEY_FIELDS_MAX, "more than 8 entries", |count| {
        let key = items(count, |i| format!("\"cookie:c{i}\""));
        route(&format!("limits.rate = {{ requests = 1, key = [{key}] }}"))
    });
    holds(status::STATUSES_MAX, "more than 16 entries", |count| {
        route(&format!("retries.statuses = [{}]", items(count, |i| (500 + i).to_string())))
    });
}

#[test]
fn error_pages_and_tests_are_bounded() {
    holds(status::STATUSES_MAX, "more than 16 entries", |count| {
        format!("[error_pages.p]\nbody = \"x\"\nstatuses = [{}]", items(count, |i| (400 + i).to_string()))
    });
    holds(error_page::PAGE_BYTES_MAX, "longer than 65536 bytes", |length| {
        format!("[error_pages.p]\nstatuses = [500]\nbody = \"{}\"", "a".repeat(length))
    });
    holds(route::ERROR_PAGES_MAX, "more than 16 entries", |count| {
        let pages: String =
            (0..count).map(|i| format!("[error_pages.p{i}]\nstatuses = [500]\nbody = \"x\"\n")).collect();
        pages + &route(&format!("error_pages = [{}]", items(count, |i| format!("\"p{i}\""))))
    });
    holds(expectation::HEADERS_MAX, "more than 100 entries", |count| {
        let headers = items(count, |i| format!("x{i} = \"\""));
        let request = format!("request = {{ url = \"http://a/\", headers = {{ {headers} }} }}");
        route(&format!("[[tests]]\nname = \"t\"\nexpect.route = \"r\"\n{request}"))
    });
}

#[test]
fn regular_expressions_are_bounded_over_all_files() {
    holds(pattern::PATTERNS_MAX, "more than 1000 regular expressions", |count| {
        let routes =
            (0..count).map(|i| format!("[[routes]]\nname = \"r{i}\"\nto = \"up\"\nmatch.path.regex = \"/{i}\"\n"));
        format!("[upstreams.up]\nservers = [\"a:1\"]\n{}", routes.collect::<String>())
    });
}

#[test]
fn lists_of_the_process_are_bounded() {
    let holds = |max: usize, text: &dyn Fn(usize) -> String| {
        assert!(parse_process(&source("s.toml", &text(max))).is_ok());
        let faults = parse_process(&source("s.toml", &text(max + 1))).unwrap_err();
        assert!(faults.to_string().contains(&format!("more than {max} entries")), "{faults}");
    };
    holds(listener::TRUSTED_PROXIES_MAX, &|count| {
        let proxies = items(count, |i| format!("\"10.0.{}.{}\"", i / 256, i % 256));
        format!("[[listeners]]\naddress = \"[::]:0\"\ntrusted_proxies = [{proxies}]")
    });
    holds(process::ASK_FROM_MAX, &|count| {
        format!("chain_trace.ask_from = [{}]", items(count, |i| format!("\"10.0.0.{i}\"")))
    });
    holds(process::NAME_SERVERS_MAX, &|count| {
        format!("dns.servers = [{}]", items(count, |i| format!("\"10.0.0.{i}\"")))
    });
}

fn with_rollout(keys: &str) -> String {
    format!(
        "[upstreams.up]\nservers = [\"a:1\"]\n[plugins.p]\nfile = \"p.wasm\"\ngrants.counters = true\n[rollouts.r]\n\
         key = \"cookie:u\"\nvariants = {{ a = \"up\", b = \"up\" }}\nstable = \"a\"\ncanary = \"b\"\n{keys}"
    )
}

#[test]
fn plans_and_checks_are_bounded() {
    holds(rollout::steps::STEPS_MAX, "more than 64 entries", |count| {
        with_rollout(&format!("steps = [{}]", items(count, |_| "{ weight = 1 }".into())))
    });
    holds(rollout::analysis::CHECKS_MAX, "more than 16 entries", |count| {
        let check = |i| format!("{{ quantile = {}, max = \"1s\" }}", i + 1);
        with_rollout(&format!("analysis.latency = [{}]", items(count, check)))
    });
    holds(rollout::analysis::CHECKS_MAX, "more than 16 entries", |count| {
        let check = |i| format!("{{ counter = \"p/{i}\", per_request_max = 1 }}");
        with_rollout(&format!("analysis.counters = [{}]", items(count, check)))
    });
    holds(fields::KEY_FIELDS_MAX, "more than 8 entries", |count| {
        with_rollout(&format!("override = [{}]", items(count, |i| format!("\"cookie:c{i}\""))))
    });
}

#[test]
fn alert_rules_are_bounded() {
    holds(alert::ALERT_RULES_MAX, "more than 256 entries", |count| {
        (0..count).map(|i| format!("[alerts.a{i}]\n")).collect()
    });
    holds(alert::LABELS_MAX, "more than 16 entries", |count| {
        format!("[alerts.a]\nlabels = {{ {} }}", items(count, |i| format!("l{i} = \"x\"")))
    });
    holds(alert::LABEL_BYTES_MAX, "longer than 256 bytes", |count| {
        format!("[alerts.a]\nlabels.l = \"{}\"", "x".repeat(count))
    });
    holds(sink::SINKS_MAX, "more than 32 entries", |count| {
        format!("[alerts.a]\nsinks = [{}]", items(count, |i| format!("\"s{i}\"")))
    });
}

#[test]
fn sinks_and_recipients_are_bounded() {
    let holds = |max: usize, message: &str, text: &dyn Fn(usize) -> String| {
        let read = |count| parse_process(&source("sluice.toml", &text(count)));
        read(max).unwrap_or_else(|faults| panic!("{faults}"));
        let past = read(max + 1).unwrap_err().to_string();
        assert!(past.contains(message), "{past}");
    };
    holds(sink::SINKS_MAX, "more than 32 entries", &|count| {
        (0..count).map(|i| format!("[alerts.sinks.s{i}]\nslack.url.env = \"S\"\n")).collect()
    });
    holds(sink::smtp::RECIPIENTS_MAX, "more than 32 entries", &|count| {
        let to = items(count, |i| format!("\"a{i}@b\""));
        format!("[alerts.sinks.s]\nsmtp = {{ host = \"h\", from = \"a@b\", to = [{to}] }}")
    });
}
