//! The example of the documentation means what it says.

use std::time::Duration;

use http::{HeaderMap, Method};
use sluice_model::field::Field;
use sluice_model::weight::BasisPoints;

use super::{parse_one, source};
use crate::{
    Builtin, FailurePolicy, Limits, PathPattern, Policy, RequestLine, Servers, Target, WeightedUpstream, parse,
};

const DEMO: &str = include_str!("../../../fixtures/demo.toml");

fn demo() -> Policy {
    parse_one(DEMO).unwrap_or_else(|faults| panic!("{faults}"))
}

#[test]
fn upstreams_rollouts_and_plugins_are_read() {
    let policy = demo();
    let names: Vec<&str> = policy.upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
    assert_eq!(names, ["canary", "stable", "static-one"]);
    assert_eq!(policy.upstreams[1].servers, Servers::Discover { app: "meow".into(), variant: "stable".into() });
    let Servers::Static(listed) = &policy.upstreams[2].servers else { panic!("listed servers") };
    assert_eq!(listed[0].address, "127.0.0.1:9001");

    let rollout = &policy.rollouts[0];
    let key = [Field::Cookie("uid".into()), Field::Header("x-user".into()), Field::ClientAddress];
    assert_eq!((rollout.name.as_str(), rollout.key.as_slice()), ("demo", key.as_slice()));
    assert_eq!((rollout.upstream_of("stable"), rollout.upstream_of("canary")), (Some(1), Some(0)));
    assert_eq!((rollout.upstream_of("other"), rollout.initial), (None, BasisPoints::new(2_500).unwrap()));

    let [canary, flags, upload] = policy.plugins.as_slice() else { panic!("{:?}", policy.plugins) };
    assert_eq!(
        (canary.file.as_str(), canary.grants.state.as_slice()),
        ("canary.wasm", ["rollout:demo".into()].as_slice())
    );
    assert_eq!(flags.config["gates"][0]["paths"][0], "/set");
    assert_eq!((flags.on_failure.trap, flags.limits), (FailurePolicy::Closed { status: 503 }, Limits::default()));
    assert_eq!((upload.on_failure.trap, upload.limits.memory_bytes_max), (FailurePolicy::Open, 16 << 20));
    assert!(upload.grants.alerts && upload.grants.abort && !upload.grants.counters && !upload.grants.tags);
}

#[test]
fn routes_are_read_and_found() {
    let policy = demo();
    let [servers, app] = policy.routes.as_slice() else { panic!("{:?}", policy.routes) };
    assert_eq!(servers.target, Target::Builtin(Builtin::Servers));
    assert_eq!(servers.matches[0].path, PathPattern::Exact("/listservers".into()));
    assert_eq!(app.chain, [1, 2, 0], "in the order of the chain, not of the names");
    assert_eq!(
        (app.rollout, &app.target),
        (Some(0), &Target::Upstreams(vec![WeightedUpstream { upstream: 1, weight: 100 }]))
    );
    assert_eq!((app.timeouts.request, app.timeouts.connect), (Duration::from_secs(60), Duration::from_secs(1)));
    assert_eq!((app.timeouts.first_byte, app.retries.attempts), (Duration::from_secs(60), 2));

    let headers = HeaderMap::new();
    let find = |path| {
        let line = RequestLine { host: "any.example", path, query: None, method: &Method::GET, headers: &headers };
        policy.find(&line).map(|route| policy.routes[route].name.as_str())
    };
    assert_eq!((find("/listservers"), find("/listservers/"), find("/")), (Some("servers"), Some("app"), Some("app")));
}

#[test]
fn several_files_are_one_policy_in_the_order_of_their_names() {
    let first = source("a.toml", "[[routes]]\nname = \"first\"\nmatch = { path = { exact = \"/x\" } }\nto = \"up\"");
    let second =
        source("b.toml", "[upstreams.up]\nservers = [\"[::1]:80\"]\n[[routes]]\nname = \"second\"\nto = [\"up\"]");
    let policy = parse(&[second, first]).unwrap();
    let names: Vec<&str> = policy.routes.iter().map(|route| route.name.as_str()).collect();
    assert_eq!(names, ["first", "second"]);
}

#[test]
fn no_file_and_empty_files_are_an_empty_policy() {
    assert_eq!(parse(&[]), Ok(Policy::empty()));
    assert_eq!(parse(&[source("a.toml", ""), source("b.toml", "# nothing\n\n")]), Ok(Policy::empty()));
}
