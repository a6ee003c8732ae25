//! Explaining a request on a running control: it tells what would happen, and nothing does.

use sluice_control::{CommandError, Outcome, Question, Said};
use sluice_snapshot::plugin::Phase;

use crate::site::{Site, hostile_policy, plain_policy, plugin_bytes};

fn question(method: &str, url: &str) -> Question {
    let headers = vec![("cookie".to_owned(), "uid=7".to_owned())];
    Question { method: method.to_owned(), url: url.to_owned(), headers, body_bytes: None, client: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_with_the_live_state_and_counts_nothing() {
    let site = Site::demo();
    let running = site.start().await;
    let explained = running.handle.explain(&question("GET", "http://a.example/x/../set")).await.unwrap();
    assert_eq!((explained.revision, explained.request.path.as_str()), (1, "/set"));
    assert_eq!(explained.route.as_ref().map(|route| route.name.as_str()), Some("app"));
    assert_eq!(
        explained.outcome,
        Outcome::Answered { by: "plugin `feature-flags`".to_owned(), status: 404, location: None }
    );

    running.handle.set_switch("featureFlags", true, "test").await.unwrap();
    let explained = running.handle.explain(&question("GET", "http://a.example/set")).await.unwrap();
    let Outcome::Sent { variant: Some(variant), .. } = &explained.outcome else { panic!("{explained:?}") };
    let rollout = explained.rollout.as_ref().unwrap();
    assert_eq!(rollout.variant.as_ref(), Some(variant), "the plugin and the slot agree");
    assert_eq!((rollout.key.as_deref(), rollout.weight), (Some("cookie:uid"), 25.0));
    for plugin in running.snapshot().plugins() {
        assert_eq!(plugin.stats.calls(Phase::Request), 0, "{}", plugin.name());
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_traps_costs_only_the_explanation() {
    let site = Site::new();
    site.write_plugin("hostile.wasm", &plugin_bytes("hostile"));
    let policy = hostile_policy("trap-in-request").replace("request\" }", "request\", when = \"x-hostile\" }");
    site.write_policy("demo.toml", &policy);
    let running = site.start().await;
    running.no_faults().await;
    let mut asked = question("GET", "http://a.example/");
    asked.headers.push(("x-hostile".to_owned(), "1".to_owned()));
    let explained = running.handle.explain(&asked).await.unwrap();
    let Said::Failed { status: Some(503), .. } = explained.plugins[0].verdict else { panic!("{explained:?}") };
    assert!(matches!(explained.outcome, Outcome::Refused { status: 503, .. }), "{explained:?}");
    let plugin = running.plugin("hostile").unwrap();
    assert!(plugin.stats.failures.is_empty(), "{:?}", plugin.stats.failures);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_and_the_policy_of_a_cause_are_told() {
    for (act, would, status) in
        [("edit-path", Some("would send it to the path /get"), None), ("spin-in-request", None, Some(504))]
    {
        let site = Site::new();
        site.write_plugin("hostile.wasm", &plugin_bytes("hostile"));
        let policy = hostile_policy(act).replace(&format!("{act}\" }}"), &format!("{act}\", when = \"x-hostile\" }}"));
        let policy = policy.replace("log = true", "log = true, edits = true");
        let more = "[plugins.hostile]\non_failure = { closed = 500, deadline = { closed = 504 } }\n";
        site.write_policy("demo.toml", &policy.replace("[plugins.hostile]\n", more));
        let running = site.start().await;
        running.no_faults().await;
        let mut asked = question("GET", "http://a.example/");
        asked.headers.push(("x-hostile".to_owned(), "1".to_owned()));
        let said = running.handle.explain(&asked).await.unwrap().plugins.remove(0);
        assert_eq!(said.would.first().map(String::as_str), would, "{said:?}");
        let failed = if let Said::Failed { status, .. } = said.verdict { status } else { None };
        assert_eq!(failed, status, "{said:?}");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_refused() {
    let site = Site::demo();
    let running = site.start().await;
    let refused = running.handle.explain(&question("GET", "/no-host")).await.unwrap_err();
    assert!(matches!(refused, CommandError::Invalid(_)), "{refused}");
    let explained = running.handle.explain(&question("GET", "http://a/%zz")).await.unwrap();
    assert!(matches!(explained.outcome, Outcome::Refused { status: 400, .. }), "{explained:?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_is_answered_by_the_route_of_what_it_announces() {
    let site = Site::new();
    let route = plain_policy("app").replace("prefix = \"/\" }", "prefix = \"/\" }, method = \"PUT\"");
    site.write_policy("demo.toml", &format!("{route}cors = {{ origins = [\"*\"], methods = [\"PUT\"] }}\n"));
    let running = site.start().await;
    running.no_faults().await;
    let mut asked = question("OPTIONS", "http://a.example/");
    assert!(running.handle.explain(&asked).await.unwrap().route.is_none());
    for (name, value) in [("origin", "http://b.example"), ("access-control-request-method", "PUT")] {
        asked.headers.push((name.to_owned(), value.to_owned()));
    }
    let explained = running.handle.explain(&asked).await.unwrap();
    assert!(
        matches!(&explained.outcome, Outcome::Answered { status: 204, by, .. } if by.contains("CORS")),
        "{explained:?}"
    );
    running.stop().await;
}
