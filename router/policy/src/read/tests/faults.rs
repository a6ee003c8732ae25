//! Every fault at once, each with its place and what would put it right.

use super::{only_fault, parse_one, source};
use crate::parse;

const BROKEN: &str = include_str!("../../../fixtures/broken.toml");
const BROKEN_SHOWN: &str = include_str!("../../../fixtures/broken.txt");

/// A file that is right, for faults to be added to.
const BASE: &str = "[upstreams.up]\nservers = [\"a:1\"]\n";

fn route(keys: &str) -> String {
    format!("{BASE}[[routes]]\nname = \"r\"\nto = \"up\"\n{keys}\n")
}

#[test]
fn all_faults_are_shown_with_place_excerpt_and_hint() {
    let faults = parse(&[source("routes.d/broken.toml", BROKEN)]).unwrap_err();
    assert_eq!(faults.to_string(), BROKEN_SHOWN.trim_end(), "\n{faults}");
}

#[test]
fn faults_serialise_with_their_place() {
    let faults = parse_one("upstraems = 1").unwrap_err();
    let json = serde_json::to_value(&faults).unwrap();
    assert_eq!((&json[0]["file"], &json[0]["line"], &json[0]["column"]), (&"a.toml".into(), &1.into(), &1.into()));
    assert_eq!(json[0]["hint"], "did you mean `upstreams`?");
}

#[test]
fn every_syntax_error_is_shown_and_hides_no_other_fault() {
    let faults =
        parse_one(&format!("{BASE}[[routes]]\nname = \"r\nto = \"up\"\nplugins = [\"x\" \"y\"]\n\n[plugin.x]\n"));
    let shown: Vec<_> = faults.unwrap_err().0.into_iter().map(|fault| (fault.line, fault.message)).collect();
    assert_eq!(
        shown,
        [
            (4, "invalid basic string, expected `\"`".into()),
            (6, "missing comma between array elements, expected `,`".into()),
            (8, "unknown key `plugin`".to_owned())
        ]
    );
}

#[test]
fn a_syntax_error_is_not_reported_again_as_its_consequences() {
    assert_eq!(
        only_fault("[[routes]]\nname = \"a\"\nto = \n"),
        "3:6: string values must be quoted, expected literal string | "
    );
    let broken = source("a.toml", "[upstreams.up\nservers = [\"a:1\"]");
    let fine = source("b.toml", "[[routes]]\nname = \"r\"\nto = \"up\"");
    let faults = parse(&[broken, fine]).unwrap_err();
    assert!(faults.0.iter().all(|fault| fault.file == "a.toml"), "{faults}");
}

#[test]
fn names_are_unique_over_all_files() {
    let faults = parse(&[source("a.toml", BASE), source("b.toml", BASE)]).unwrap_err();
    let fault = &faults.0[0];
    assert_eq!((fault.file.as_str(), fault.line, fault.column), ("b.toml", 1, 12), "{fault}");
    assert_eq!(fault.message, "upstream `up` is declared twice");
    assert_eq!(fault.hint.as_deref(), Some("rename one of the two; the first is at a.toml:1:12"));
}

#[test]
fn a_faulty_route_still_has_its_names_looked_at() {
    let text = route("match = { path = { prefx = \"/\" } }\nplugins = [\"gat\"]");
    let rendered = parse_one(&text).unwrap_err().to_string();
    for part in ["did you mean `prefix`?", "no plugin is named `gat`"] {
        assert!(rendered.contains(part), "{rendered}");
    }
}

#[test]
fn a_misspelt_key_is_not_reported_again_as_a_missing_one() {
    for (text, expected) in [
        (route("match = { path = { prefxi = \"/\" } }"), "6:20: unknown key `prefxi`"),
        (route("rewrite = { pathh = \"/\" }"), "6:13: unknown key `pathh`"),
        ("[[routes]]\nname = \"r\"\nredirect = { schema = \"https\" }".into(), "3:14: unknown key `schema`"),
        ("[[routes]]\nname = \"r\"\nredirct = { port = 1 }".into(), "3:1: unknown key `redirct`"),
        ("[[routes]]\nname = \"r\"\nrediret = { port = 1 }\nto.builtin = \"servers\"".into(), "3:1: unknown key"),
        ("[upstreams.up]\nsevers = [\"a:1\"]".into(), "2:1: unknown key `severs`"),
        ("[plugins.p]\nfiel = \"p.wasm\"".into(), "2:1: unknown key `fiel`"),
        ("[plugins.p]\nfile = \"p.wasm\"\nrelease = { trail = \"canary\", percent = 1.0 }".into(), "3:13: unknown key"),
        (
            "[[tests]]\nname = \"t\"\nrequest.url = \"http://a/\"\nexpect = { statsu = 404 }".into(),
            "4:12: unknown key `statsu`",
        ),
    ] {
        assert!(only_fault(&text).starts_with(expected), "{text}: {}", only_fault(&text));
    }
    let faults = parse_one("[plugins.p]\nx = \"p.wasm\"").unwrap_err();
    assert!(faults.0.iter().any(|fault| fault.message == "`file` is missing"), "{faults}");
    let admin = "[admin]\naddress = \"0.0.0.0:1\"\ntokenenv = \"A\"";
    let faults = crate::parse_process(&source("s.toml", admin)).unwrap_err();
    assert_eq!(faults.0.len(), 1, "{faults}");
}

#[test]
fn names_of_nothing_suggest_what_exists() {
    for (text, expected) in [
        (route("plugins = [\"x\"]"), "6:12: no plugin is named `x` | none is declared"),
        (route("rollout = \"x\""), "6:11: no rollout is named `x` | none is declared"),
        (
            BASE.replace(".up", ".stable") + "[[routes]]\nname = \"r\"\nto = \"stabel\"",
            "5:6: no upstream is named `stabel` | did you mean `stable`?",
        ),
        (
            format!(
                "{BASE}[rollouts.d]\nkey = [\"path\"]\nstable = \"s\"\ncanary = \"c\"\nvariants = {{ s = \"up\", c = \"op\" }}"
            ),
            "7:28: no upstream is named `op` | write `up`",
        ),
        (
            "[plugins.p]\nfile = \"p.wasm\"\ngrants.state = [\"rollout:x\"]".into(),
            "3:17: no rollout is named `x` | none is declared",
        ),
    ] {
        assert_eq!(only_fault(&text), expected, "{text}");
    }
}

#[test]
fn a_faulty_item_is_no_missing_one() {
    let text = "[upstreams.up]\nservers = [\"a\"]\n[[routes]]\nname = \"r\"\nto = \"up\"";
    assert!(only_fault(text).starts_with("2:12: `a` is no address of a server"));
}

#[test]
fn a_route_that_another_one_hides_is_unreachable() {
    let twice = |first: &str, second: &str| {
        format!("{BASE}[[routes]]\nname = \"a\"\nto = \"up\"\n{first}\n[[routes]]\nname = \"b\"\nto = \"up\"\n{second}")
    };
    for (first, second, at) in [
        ("", "", "8:8"),
        ("", "match = { path = { prefix = \"/\" } }", "10:9"),
        ("hosts = [\"a\", \"b\"]", "hosts = \"B\"", "8:8"),
        ("match.method = [\"GET\", \"PUT\"]", "match = { method = \"PUT\" }", "10:9"),
        ("match.headers = { a = \"1\", B = \"2\" }", "match = { headers = { b = \"2\", A = \"1\" } }", "10:9"),
        ("match.path.prefix = \"/a/\"", "match = [{ path.exact = \"/a\" }, { path.prefix = \"/a\" }]", "10:33"),
    ] {
        let fault = only_fault(&twice(first, second));
        assert!(fault.starts_with(&format!("{at}: route `b` is unreachable here | route `a` at a.toml:")), "{fault}");
    }
    for (first, second) in [
        ("", "hosts = \"a\""),
        ("", "match.method = \"GET\""),
        ("match.headers = { a = \"1\" }", "match.headers = { a = \"2\" }"),
        ("match.path.exact = \"/a\"", "match.path.prefix = \"/a\""),
        ("hosts = \"a.b\"", "hosts = \"*.a.b\""),
    ] {
        assert!(parse_one(&twice(first, second)).is_ok(), "{first} / {second}");
    }
}

#[test]
fn wrong_values_of_a_route_say_what_to_write() {
    for (keys, expected) in [
        ("hosts = [\"a b\"]", "6:10: `a b` is no host | write a host such as"),
        ("hosts = \"*.*.a\"", "6:9: `*.*.a` is no host | write a host"),
        ("hosts = []", "6:9: empty list | write one entry"),
        (
            "match = { path = \"/a\" }",
            "6:18: a path is matched exactly, by prefix or by regular expression | write { exact",
        ),
        ("match = { path = { prefxi = \"/\" } }", "6:20: unknown key `prefxi` | did you mean `prefix`?"),
        ("match = { path = {} }", "6:18: the path is missing | write { exact"),
        (
            "match = { path = { exact = \"/a\", prefix = \"/a\" } }",
            "6:18: a path is matched exactly, by prefix or by regular expression, not by several",
        ),
        ("match = { path = { exact = \"a\" } }", "6:28: `a` is no path: a path begins with `/`"),
        ("match = { path = { exact = \"/a/../b\" } }", "6:28: `/a/../b` is not in normal form | write `/b`"),
        ("match = { path = { exact = \"/a?b=c\" } }", "6:28: a path ends before `?`"),
        ("match = { method = \"G T\" }", "6:20: `G T` is no method"),
        ("match = { headers = { \"a b\" = \"1\" } }", "6:23: `a b` is no header name"),
        ("match = { headers = { a = \"1\\n\" } }", "6:27: `1\\n` is no header value"),
        ("match = { headers = { a = \"1\", A = \"2\" } }", "6:23: this name is listed twice"),
        ("match = { headers = [\"a\"] }", "6:21: expected a table of names and values, found an array"),
        ("match = { query = { a = 1 } }", "6:25: expected a string, found an integer"),
        ("match = { path = { glob = \"/a*\" } }", "6:20: unknown key `glob` | one of `exact`, `prefix`, `regex`"),
        ("timeouts = { connect = \"2h\" }", "6:24: longer than `request`"),
        ("timeouts = { request = 60 }", "6:24: a bare number has no unit | write it as \"60s\""),
        ("retries = { attempts = 1.0 }", "6:24: expected an integer, found a float"),
        ("plugins = \"p\"", "6:11: expected an array, found a string"),
        ("name2 = 1", "6:1: unknown key `name2` | did you mean `name`?"),
    ] {
        let faults = parse_one(&route(keys)).unwrap_err();
        let shown: Vec<String> = faults
            .0
            .iter()
            .map(|fault| {
                format!("{}:{}: {} | {}", fault.line, fault.column, fault.message, fault.hint.as_deref().unwrap_or(""))
            })
            .collect();
        assert!(shown.iter().any(|fault| fault.starts_with(expected)), "{keys}: {shown:#?}");
    }
}

#[test]
fn wrong_targets_say_what_to_write() {
    for (to, expected) in [
        ("{ builtin = \"server\" }", "3:18: no built-in target is named `server` | did you mean `servers`?"),
        ("[{ upstream = \"up\", weight = 0 }]", "3:6: no upstream has a weight above 0"),
        ("[\"up\", \"up\"]", "3:13: `up` is listed twice"),
        ("{ weight = 1 }", "3:6: `upstream` is missing"),
        ("5", "3:6: expected an upstream, found an integer"),
    ] {
        let fault = only_fault(&format!("[[routes]]\nname = \"r\"\nto = {to}\n[upstreams.up]\nservers = [\"a:1\"]"));
        assert!(fault.starts_with(expected), "{to}: {fault}");
    }
    let builtin = "[[routes]]\nname = \"r\"\nto = { builtin = \"servers\" }\nrollout = \"x\"";
    assert!(parse_one(builtin).unwrap_err().to_string().contains("a built-in target has no variants"));
    assert!(only_fault("[[routes]]\nname = \"r\"").starts_with("1:1: `to` is missing"));
}

#[test]
fn wrong_values_of_a_plugin_say_what_to_write() {
    for (keys, expected) in [
        ("on_failure = \"closd\"", "3:14: `closd` is no failure policy | did you mean `closed`?"),
        ("on_failure = { closed = 200 }", "3:25: `200` is out of range | from 400 to 599"),
        ("limits = { memory = \"16mb\" }", "3:21: `16mb`: unknown unit | write a size such as"),
        ("limits = { cpu = \"1h\" }", "3:18: `1h` is out of range | from 1ms to 10s"),
        ("grants = { state = [\"flog:x\"] }", "3:21: `flog:x` is no state key | did you mean `flag`?"),
        ("grants = { state = [\"x\"] }", "3:21: `x` is no state key | write flag:NAME"),
        ("grants = { state = [\"flag:a*b\"] }", "3:21: `flag:a*b` is no state key | write flag:NAME; a `*`"),
        ("grants = { alert = true }", "3:12: unknown key `alert` | did you mean `alerts`?"),
        ("config = [1]", "3:10: expected a table, found an array"),
        ("config = { at = 2020-01-01 }", "3:17: a config is JSON, which has no such value"),
        ("config = { at = inf }", "3:17: a config is JSON, which has no such value"),
    ] {
        let fault = only_fault(&format!("[plugins.p]\nfile = \"p.wasm\"\n{keys}"));
        assert!(fault.starts_with(expected), "{keys}: {fault}");
    }
    for file in ["p", ".wasm", "../p.wasm", "a/p.wasm", ".p.wasm"] {
        let fault = only_fault(&format!("[plugins.p]\nfile = \"{file}\""));
        assert!(fault.contains("is no plugin file"), "{file}: {fault}");
    }
}

#[test]
fn wrong_values_of_a_rollout_say_what_to_write() {
    let good = "[rollouts.d]\nkey = [\"path\"]\nstable = \"s\"\ncanary = \"c\"\nvariants = { s = \"up\", c = \"up\" }\ninitial = 5\n";
    assert!(parse_one(&format!("{BASE}{good}")).is_ok());
    for (from, to, expected) in [
        ("\"path\"", "\"coookie:x\"", "4:8: `coookie:x` is no sticky key | write method"),
        ("\"path\"", "\"status\"", "4:8: `status` is no sticky key | write a field that tells users apart"),
        ("\"path\"", "", "4:7: empty list"),
        ("stable = \"s\"", "stable = \"z\"", "5:10: `z` is none of the `variants`"),
        ("canary = \"c\"", "canary = \"s\"", "6:10: `stable` and `canary` are the same variant"),
        ("= 5", "= 100.01", "8:11: `100.01`: a weight lies between 0 and 100 percent"),
        ("= 5", "= 0.001", "8:11: `0.001`: a weight has at most two decimals"),
        ("= 5", "= \"5\"", "8:11: expected a percentage such as 25.0, found a string"),
    ] {
        let fault = only_fault(&format!("{BASE}{}", good.replacen(from, to, 1)));
        assert!(fault.starts_with(expected), "{to}: {fault}");
    }
}

#[test]
fn an_upstream_is_listed_or_discovered() {
    let fault = only_fault("[upstreams.up]\n");
    assert!(fault.starts_with("1:12: upstream `up` has no servers"), "{fault}");
    let fault = only_fault("[upstreams.up]\nservers = [\"a:1\"]\ndiscover = { app = \"a\", variant = \"b\" }");
    assert!(fault.starts_with("3:12: an upstream has `servers`, `dns` or `discover`"), "{fault}");
    let fault = only_fault("[upstreams.up]\nservers = [\"a:1\", \"a:1\"]");
    assert!(fault.starts_with("2:19: `a:1` is listed twice"), "{fault}");
    let fault = only_fault("[upstreams.\"a b\"]\nservers = [\"a:1\"]");
    assert!(fault.starts_with("1:12: `a b` is no name"), "{fault}");
}
