//! The reader over whole files, as an operator writes them: what it takes, and what it says of slips.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;
use sluice_document::{Faults, Source};

use super::parse;
use crate::pool::Role;
use crate::schema;
use crate::secret::Secret;
use crate::spec::{CloudSpec, Spec};

const FULL: &str = include_str!("../../fixtures/full.toml");
const LEAST: &str = include_str!("../../fixtures/least.toml");

fn read(text: &str) -> Result<Spec, Faults> {
    parse(&Source { file: "infra.toml".into(), text: text.into() })
}

/// The only fault of `text`: place, message and hint on one line.
fn only_fault(text: &str) -> String {
    let faults = read(text).expect_err(text);
    let shown = faults.to_string();
    let [fault] = faults.0.try_into().unwrap_or_else(|_| panic!("more than one fault:\n{shown}"));
    format!("{}:{}: {} | {}", fault.line, fault.column, fault.message, fault.hint.unwrap_or_default())
}

/// The least file with this below it.
fn and(text: &str) -> String {
    format!("{LEAST}\n{text}")
}

const APP: &str = "[pools.app]\nroles = [\"app\"]\napp = \"meow\"\nvariant = \"stable\"\n[apps.meow]\nrun = [\"./run\"]\n\
                   health = { path = \"/\" }\npipeline = { steps = [{ name = \"test\", run = \"true\" }] }\n";

#[test]
fn the_least_file_has_the_defaults() {
    let spec = read(LEAST).unwrap();
    assert_eq!((spec.fleet.as_str(), &spec.cloud, spec.region.as_str()), ("meow", &CloudSpec::Local, "fra1"));
    assert_eq!(
        (spec.router.edge_port, spec.router.admin_port, spec.redis.port, spec.metrics_port),
        (8080, 9900, 6379, 9100)
    );
    assert_eq!(spec.redis.password, Secret::Env("SLUICE_REDIS_PASSWORD".into()));
    let edge = spec.pool("edge").unwrap();
    assert_eq!(
        (edge.roles.as_slice(), edge.size.as_str(), edge.count),
        ([Role::Router, Role::Redis].as_slice(), "s-1vcpu-1gb", 1)
    );
    let rules: Vec<(&str, f64)> = spec.rules.iter().map(|rule| (rule.name.as_str(), rule.above)).collect();
    assert_eq!(rules, [("absent", 0.0), ("cpu-high", 20.0), ("memory-high", 20.0)]);
}

#[test]
fn the_full_file_is_read_whole() {
    let spec = read(FULL).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(spec.monthly_cents_max, Some(12_050));
    let CloudSpec::DigitalOcean { url, token } = &spec.cloud else { panic!("{:?}", spec.cloud) };
    assert_eq!((url.as_str(), token), ("https://api.digitalocean.com", &Secret::Age("digitalocean".into())));
    let scale = spec.pool("production").and_then(|pool| pool.scale.as_ref()).unwrap();
    let (on_alert, target) = (scale.on_alert.as_ref().unwrap(), scale.target.as_ref().unwrap());
    assert_eq!((scale.min, scale.max, scale.replacements_per_hour_max), (2, 6, 2));
    assert_eq!((on_alert.add, on_alert.repeat, on_alert.scale_in_after), (1, Some(Duration::from_secs(600)), None));
    assert_eq!((target.rps_per_droplet, target.p95), (Some(800.0), Some(Duration::from_millis(300))));
    let app = spec.app("meow").unwrap();
    assert_eq!((app.port, app.keep_releases, app.health.healthy, app.pipeline.steps.len()), (8101, 3, 3, 3));
    assert_eq!(app.pipeline.steps[0].timeout, Duration::from_secs(1_200));
    assert_eq!(spec.pools_of(Role::App).count(), 2);
    assert_eq!(spec.rules.iter().find(|rule| rule.name == "absent").unwrap().hold, Duration::from_secs(120));
}

#[test]
fn each_slip_has_its_place_and_a_hint() {
    for (text, fault) in [
        (and("[pool.x]"), "7:2: unknown key `pool` | did you mean `pools`?"),
        (
            LEAST.replace("\"meow\"", "\"Meow\""),
            "2:8: `Meow` is no part of a host name | lower-case letters, digits and `-`, a letter first, at most 24 bytes: it becomes part of host names",
        ),
        (
            LEAST.replace(", \"redis\"", ""),
            "4:8: no pool has the role `redis` | add \"redis\" to the roles of the routers' pool",
        ),
        (LEAST.replace("\"redis\"", "\"reddis\""), "5:20: `reddis` is no role | did you mean `redis`?"),
        (and("[pools.b]\nroles = [\"redis\"]"), "4:8: two pools have the role `redis` | take it from one of them"),
        (
            format!("{LEAST}count = 2"),
            "4:8: the pool with the role `redis` has one droplet | write count = 1, without `scale`",
        ),
        (and(&APP.replace("app = \"meow\"", "app = \"meoww\"")), "9:7: no app is named `meoww` | did you mean `meow`?"),
        (
            and(&APP.replace("variant = \"stable\"\n", "")),
            "7:8: `variant` is missing | write variant = \"stable\" or \"canary\"",
        ),
        (and(&APP.replace("./run", "./run {{ prot }}")), "12:8: nothing is named `prot` here | did you mean `port`?"),
        (
            and(&APP.replace("./run", "{{ redis_url }}")),
            "12:8: `redis_url` holds a password, and arguments can be read by every user | put it into `env`",
        ),
        (and(&APP.replace("./run", "{{ port")), "12:8: `{{` is not closed | write {{ port }}"),
        (
            and("[redis]\npassword = \"hunter2hunter2\""),
            "8:12: a secret does not stand in this file | write { env = \"NAME\" }, or { age = \"NAME\" } with [secrets]",
        ),
        (
            and("[redis]\npassword = { age = \"redis\" }"),
            "4:8: a secret stands in an age file, and [secrets] names none | write [secrets] file = \"secrets.age\", identity = \"key.txt\"",
        ),
        (
            and("[cloud]\nkind = \"local\"\nurl = \"http://x\""),
            "7:1: the local cloud has no `url` and no `token` | write kind = \"digitalocean\", or remove them",
        ),
        (and("[rules.hot]\nmetric = \"cpu\""), "7:8: `above` is missing | write the bound, e.g. above = 20"),
        (and("[rules.hot]\nmetric = \"cpu\"\nabove = 101"), "9:9: `101` is out of range | from 0 to 100"),
        (
            and("[rules.gone]\nmetric = \"absent\"\nabove = 1"),
            "9:9: no data has no bound | remove `above`; `for` says how long",
        ),
        (
            and("[rules.hot]\nmetric = \"cpu\"\nabove = 1\npools = [\"edg\"]"),
            "10:10: no pool is named `edg` | did you mean `edge`?",
        ),
        (and("[redis]\nport = 8080"), "4:8: `router.edge_port` and `redis.port` are both 8080 | choose another one"),
        (
            and(&APP.replace("[apps.meow]\n", "[apps.meow]\nport = 8070\n")),
            "11:7: `router.edge_port` 8080 is among the 16 ports of app `meow` | choose another `port` for the app",
        ),
    ] {
        assert_eq!(only_fault(&text), fault, "{text}");
    }
}

#[test]
fn scaling_follows_something_within_its_bounds() {
    let scaled = |scale: &str| and(&APP.replace("[apps.meow]", &format!("[pools.app.scale]\n{scale}\n[apps.meow]")));
    assert!(read(&scaled("min = 1\nmax = 2\ntarget = { cpu = 60 }")).is_ok());
    for (scale, message) in [
        ("min = 3\nmax = 2\ntarget = { cpu = 60 }", "`min` 3 is more than `max` 2"),
        ("min = 1\nmax = 2", "what the number follows is missing"),
        ("min = 1\nmax = 2\ntarget = {}", "no metric to follow"),
        ("min = 1\nmax = 501\ntarget = { cpu = 60 }", "`501` is out of range"),
        ("min = 1\nmax = 2\non_alert = { rules = [\"cpu-hi\"] }", "no rule is named `cpu-hi`"),
        ("min = 1\nmax = 2\ntarget = { cpu = 0 }", "`0` is out of range"),
    ] {
        assert!(only_fault(&scaled(scale)).contains(message), "{scale}: {}", only_fault(&scaled(scale)));
    }
}

#[test]
fn a_secret_in_the_file_is_not_repeated() {
    for text in [
        and("[redis]\npassword = \"hunter2hunter2\""),
        and("[redis]\npassword = { env = \"hunter2 hunter2\" }"),
        and("[cloud]\nkind = \"digitalocean\"\ntoken = \"dop_v1_hunter2\""),
    ] {
        assert!(!read(&text).expect_err(&text).to_string().contains("hunter2"), "{text}");
    }
}

#[test]
fn the_schema_takes_what_the_reader_takes() {
    let schema = schema::infra();
    assert!(jsonschema::meta::is_valid(&schema));
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let json = |text: &str| -> Value { serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap() };
    for text in [FULL, LEAST] {
        let errors: Vec<String> = validator.iter_errors(&json(text)).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
    }
    for text in [and("[pool.x]"), and("[redis]\npassword = \"x\""), and("[rules.hot]\nmetric = \"heat\"")] {
        assert!(!validator.is_valid(&json(&text)), "{text}");
    }
    let committed: Value =
        serde_json::from_str(include_str!("../../../../docs/schema/infra.toml.schema.json")).unwrap();
    assert!(committed == schema, "run `cargo run -p sluice-infra-spec --example schema`");
    let page = include_str!("../../../../docs/infra.md");
    let (_, generated) = page.split_once(schema::MARKER).expect("the page has a generated part");
    assert!(generated.trim() == schema::reference().trim(), "run `cargo run -p sluice-infra-spec --example schema`");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(at in 0..FULL.len(), cut in 0..40_usize, put in "[\\[\\]{}=\"a-z0-9.\n -]{0,12}") {
        let at = FULL.floor_char_boundary(at);
        let end = FULL.floor_char_boundary((at + cut).min(FULL.len()));
        let _either_way = read(&format!("{}{put}{}", &FULL[..at], &FULL[end..]));
    }
}
