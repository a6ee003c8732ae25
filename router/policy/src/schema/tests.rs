//! What is generated is what is committed, accepts every file of ours, refuses what the readers refuse, and names every
//! key with the default that the readers give it.

use std::collections::BTreeSet;

use jsonschema::Validator;
use serde_json::Value;
use sluice_document::shape::{Form, Need, Rule, Shape};

use super::{plugin_tests, process, routes};
use crate::read::{SHAPE as ROUTES, plugin_tests as plugin_tests_file, process as process_file};
use crate::{Source, parse, parse_plugin_tests, parse_process, reference};

const FULL: &str = include_str!("../../fixtures/full.toml");
const DEMO: &str = include_str!("../../fixtures/demo.toml");
const PROCESS: &str = include_str!("../../fixtures/process.toml");
const PLUGIN_TESTS: &str = include_str!("../../fixtures/plugin-tests.toml");
const PLUGIN_TESTS_PAGE: &str = include_str!("../../../../docs/plugin-tests.md");
const POLICY_PAGE: &str = include_str!("../../../../docs/policy.md");
const PLUGINS_PAGE: &str = include_str!("../../../../plugins/README.md");

fn validator(schema: &Value) -> Validator {
    jsonschema::draft202012::new(schema).unwrap()
}

fn json(text: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap_or_else(|error| panic!("{error}\n{text}"))).unwrap()
}

fn errors(schema: &Value, text: &str) -> Vec<String> {
    validator(schema).iter_errors(&json(text)).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn source(text: &str) -> Source {
    Source { file: "a.toml".into(), text: text.into() }
}

/// The TOML blocks of a Markdown page.
fn blocks(page: &str) -> Vec<&str> {
    page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn committed_schemas_and_reference_are_the_generated_ones() {
    let hint = "run `cargo run -p sluice-policy --example schema`";
    let committed: Value = serde_json::from_str(include_str!("../../../../docs/schema/routes.d.schema.json")).unwrap();
    assert!(committed == routes(), "{hint}");
    let committed: Value =
        serde_json::from_str(include_str!("../../../../docs/schema/sluice.toml.schema.json")).unwrap();
    assert!(committed == process(), "{hint}");
    let committed: Value =
        serde_json::from_str(include_str!("../../../../docs/schema/plugin-tests.schema.json")).unwrap();
    assert!(committed == plugin_tests(), "{hint}");
    for (page, reference) in [(POLICY_PAGE, reference::markdown()), (PLUGIN_TESTS_PAGE, reference::plugin_tests())] {
        let (_, generated) = page.split_once(reference::MARKER).expect("the page has a generated part");
        assert!(generated.trim() == reference.trim(), "{hint}");
    }
}

#[test]
fn the_schemas_are_schemas() {
    for schema in [routes(), process(), plugin_tests()] {
        assert!(jsonschema::meta::is_valid(&schema));
    }
}

#[test]
fn our_own_files_are_valid() {
    let demo = include_str!("../../../../app/demo/routes.d/demo.toml");
    for text in [FULL, DEMO, demo] {
        assert_eq!(errors(&routes(), text), Vec::<String>::new());
    }
    let demo = include_str!("../../../../app/demo/sluice.toml");
    for text in [PROCESS, include_str!("../../fixtures/sluice.toml"), demo] {
        assert_eq!(errors(&process(), text), Vec::<String>::new());
    }
    for block in blocks(PLUGINS_PAGE).into_iter().filter(|block| block.contains("[[routes]]")) {
        assert_eq!(errors(&routes(), block), Vec::<String>::new());
    }
}

#[test]
fn the_examples_of_the_page_are_accepted() {
    let (configs, policies): (Vec<&str>, Vec<&str>) =
        blocks(POLICY_PAGE).into_iter().partition(|block| block.starts_with("# sluice.toml\n"));
    assert!(configs.len() >= 2 && policies.len() >= 5, "{} and {} examples", configs.len(), policies.len());
    for policy in policies {
        parse(&[source(policy)]).unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(errors(&routes(), policy), Vec::<String>::new());
    }
    for tests in blocks(PLUGIN_TESTS_PAGE).into_iter().chain([PLUGIN_TESTS]) {
        parse_plugin_tests(&source(tests)).unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(errors(&plugin_tests(), tests), Vec::<String>::new());
    }
    for config in configs {
        parse_process(&source(config)).unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(errors(&process(), config), Vec::<String>::new());
    }
}

#[test]
fn faulty_files_are_not_valid() {
    for text in [
        "upstraems = {}",
        "[upstreams.u]",
        "[upstreams.u]\nservers = []",
        "[upstreams.u]\nservers = [\"a\"]",
        "[upstreams.u]\nservers = [\"a:1\"]\ndiscover = { app = \"a\", variant = \"b\" }",
        "[upstreams.u]\nservers = [\"a:1\"]\nbalance = \"random\"",
        "[upstreams.u]\nservers = [\"a:1\"]\nidle_timeout = 4",
        "[upstreams.u]\nservers = [\"a:1\"]\nbreaker = {}",
        "[plugins.p]\nfile = \"p.wasm\"\nbreaker = true",
        "[plugins.p]\nfile = \"p.wasm\"\nbreaker = { failures = 0 }",
        "[plugins.p]\nfile = \"p.wasm\"\nrelease.watch = true",
        "[plugins.p]\nfile = \"p.wasm\"\nrelease.trial = \"both\"",
        "[plugins.p]\nfile = \"p.wasm\"\nrelease.percent = 5.0",
        "[plugins.p]\nfile = \"p.wasm\"\nrelease.budget.call_p99 = 10",
        "[plugins.p]\nfile = \"p.wasm\"\non_failure = { load = \"last\" }",
        "[plugins.p]\nfile = \"p.wasm\"\non_failure.trap.closed = 200",
        "[error_pages.e]\nstatuses = [200]\nbody = \"\"",
        "[rollouts.r]\nkey = \"cookie:u\"",
        "[rollouts.r]\nsteps = [{}]",
        "[rollouts.r]\nsteps = [{ weight = 1, weights = {} }]",
        "[rollouts.r]\noverride = \"client-address\"",
        "[rollouts.r]\nanalysis = {}",
        "[rollouts.r]\nanalysis.latency = [{ quantile = 99 }]",
        "[rollouts.r]\nanalysis.counters = [{ counter = \"a\", per_request_max = 1 }]",
        "[alerts.a]\nabove = 1",
        "[alerts.a]\nmetric = \"load\"",
        "[alerts.a]\nsinks = \"mail\"",
        "[[routes]]\nname = \"r\"",
        "[[routes]]\nname = \"r\"\nto = \"u\"\nredirect.port = 1",
        "[[routes]]\nname = \"r\"\nredirect = {}",
        "[[routes]]\nname = \"r\"\nredirect = { port = 1, status = 304 }",
        "[[routes]]\nname = \"r\"\nto = \"u\"\nmatch.path = \"/\"",
        "[[routes]]\nname = \"r\"\nto = \"u\"\nmatch.path = { exact = \"/\", prefix = \"/\" }",
        "[[routes]]\nname = \"r\"\nto = \"u\"\nretries.statuses = [404]",
        "[[routes]]\nname = \"r\"\nto = \"u\"\nlimits.body = \"1TB\"",
        "[[tests]]\nname = \"t\"\nrequest.url = \"/\"\nexpect.status = 404",
        "[[tests]]\nname = \"t\"\nrequest.url = \"http://a/\"\nexpect = {}",
    ] {
        assert!(parse(&[source(text)]).is_err(), "{text}");
        assert!(!errors(&routes(), text).is_empty(), "{text}");
    }
    for text in [
        "[[listeners]]",
        "[limits]\nworkers = 0",
        "[access_log]\nto = \"x\"",
        "[store]\nurl = \"http://a\"",
        "rollouts.override_key = \"secret\"",
        "alerts.sinks.a = {}",
        "alerts.sinks.a = { slack.url = \"https://x\" }",
        "alerts.sinks.a = { webhook.url = \"ftp://x\" }",
        "alerts.sinks.a = { smtp = { host = \"h\", from = \"a\", to = \"b@c\" } }",
    ] {
        assert!(parse_process(&source(text)).is_err() && !errors(&process(), text).is_empty(), "{text}");
    }
}

/// Keys, each with the title of its shape.
#[derive(Default)]
struct Keys {
    known: BTreeSet<(&'static str, &'static str)>,
    used: BTreeSet<(&'static str, &'static str)>,
}

impl Keys {
    /// Collects every key that `shape` knows, and those of them that `values` use.
    fn collect(&mut self, shape: &Shape, values: &[&Value]) {
        for key in shape.keys {
            let values: Vec<&Value> = values.iter().filter_map(|value| value.get(key.name)).collect();
            self.known.insert((shape.title, key.name));
            if !values.is_empty() {
                self.used.insert((shape.title, key.name));
            }
            self.collect_form(&key.form, &values);
        }
    }

    fn collect_form(&mut self, form: &Form, values: &[&Value]) {
        match form {
            Form::Table(shape) => self.collect(shape, values),
            Form::List(of, ..) | Form::OneOrMore(of, _) => {
                let items = values.iter().flat_map(|value| match value {
                    Value::Array(items) => items.iter().collect(),
                    other => vec![*other],
                });
                self.collect_form(of, &items.collect::<Vec<_>>());
            }
            Form::Map(of, _) => {
                let entries = values.iter().filter_map(|value| value.as_object()).flat_map(|table| table.values());
                self.collect_form(of, &entries.collect::<Vec<_>>());
            }
            Form::Either(forms) => forms.iter().for_each(|form| self.collect_form(form, values)),
            _ => {}
        }
    }
}

#[test]
fn the_fixtures_use_every_key_that_the_readers_know() {
    for (shape, text) in [(&ROUTES, FULL), (&process_file::SHAPE, PROCESS), (&plugin_tests_file::SHAPE, PLUGIN_TESTS)] {
        let mut keys = Keys::default();
        keys.collect(shape, &[&json(text)]);
        let unused: Vec<_> = keys.known.difference(&keys.used).collect();
        assert!(unused.is_empty(), "{unused:?}");
    }
    parse(&[source(FULL)]).unwrap_or_else(|faults| panic!("{faults}"));
    parse_process(&source(PROCESS)).unwrap_or_else(|faults| panic!("{faults}"));
}

/// All defaults of `shape`, written out; without those that say something only beside a key that `given` lacks.
fn written_defaults(shape: &Shape, given: &str) -> String {
    let lacks = |name: &str| match shape.rule {
        Rule::OnlyWith(keys, with) => keys.contains(&name) && !given.contains(with),
        Rule::Free | Rule::ExactlyOne(_) | Rule::AtLeastOne(_) => false,
    };
    let written = shape.keys.iter().filter(|key| !lacks(key.name)).filter_map(|key| match (&key.need, &key.form) {
        (Need::Default("{}"), Form::Table(shape)) => {
            Some(format!("{} = {{ {} }}", key.name, written_defaults(shape, "")))
        }
        (Need::Default(written), _) => Some(format!("{} = {written}", key.name)),
        (Need::Required | Need::Optional, _) => None,
    });
    written.collect::<Vec<_>>().join(", ")
}

/// What a rollout must have.
const ROLLOUT: &str = "key = \"cookie:u\", variants = { a = \"up\", b = \"other\" }, stable = \"a\", canary = \"b\"";

#[test]
fn documented_defaults_are_those_of_the_readers() {
    let config = written_defaults(&process_file::SHAPE, "").replace("}, ", "}\n");
    assert_eq!(parse_process(&source(&config)), parse_process(&source("")), "{config}");
    let minimal: Vec<(&str, &str, &str)> = vec![
        ("upstreams", "", "servers = [\"a:1\"]"),
        ("upstreams", "health", "path = \"/\""),
        ("upstreams", "breaker", "failures = 1"),
        ("plugins", "", "file = \"p.wasm\""),
        ("plugins", "breaker", ""),
        ("plugins", "on_failure", ""),
        ("plugins", "release", "trial = \"canary\""),
        ("error_pages", "", "statuses = [500], body = \"x\""),
        ("routes", "", "name = \"r\", redirect = { port = 1 }"),
        ("routes", "cors", "origins = \"*\""),
        ("routes", "mirror", "upstream = \"up\""),
        ("rollouts", "", ROLLOUT),
        ("rollouts", "analysis", "success_rate = { min = 99 }"),
        ("rollouts", "steps", "weight = 1"),
        ("alerts", "", "metric = \"error_rate\", above = 1"),
    ];
    for (table, key, required) in minimal {
        let entry = shape_of(&ROUTES, table);
        let text = |defaults: &str| {
            let with: Vec<&str> = [required, defaults].into_iter().filter(|keys| !keys.is_empty()).collect();
            let with = with.join(", ");
            let inner = match (table, key) {
                (_, "") => with,
                ("upstreams", _) => format!("servers = [\"a:1\"], {key} = {{ {with} }}"),
                ("plugins", _) => format!("file = \"p.wasm\", {key} = {{ {with} }}"),
                ("rollouts", "steps") => format!("{ROLLOUT}, steps = [{{ {with} }}]"),
                ("rollouts", _) => format!("{ROLLOUT}, {key} = {{ {with} }}"),
                _ => format!("name = \"r\", to = \"up\", {key} = {{ {with} }}"),
            };
            let other = "other = { servers = [\"b:1\"] }, up = { servers = [\"b:1\"] }";
            match table {
                "routes" => format!("upstreams = {{ {other} }}\nroutes = [{{ {inner} }}]"),
                "rollouts" => format!("upstreams = {{ {other} }}\nrollouts = {{ x = {{ {inner} }} }}"),
                table => format!("{table} = {{ x = {{ {inner} }} }}"),
            }
        };
        let shape = if key.is_empty() { entry } else { shape_of(entry, key) };
        let (plain, full) = (text(""), text(&written_defaults(shape, required)));
        let read = |text: &str| parse(&[source(text)]).unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(read(&full), read(&plain), "{full}");
    }
}

/// The shape of the table at `key` of `shape`, or of its entries.
fn shape_of(shape: &Shape, key: &str) -> &'static Shape {
    fn within(form: &'static Form) -> Option<&'static Shape> {
        match form {
            Form::Table(shape) => Some(shape),
            Form::List(of, ..) | Form::OneOrMore(of, _) | Form::Map(of, _) => within(of),
            Form::Either(forms) => forms.iter().find_map(within),
            _ => None,
        }
    }
    within(&shape.key(key).unwrap().form).unwrap()
}
