//! Edits that plugins make, as server and client see them.

use sluice_policy::TrialMode;

use crate::client::eventually;
use crate::misbehaviour::{hostile_policy, provoke, two_digests};
use crate::origin::{Origin, Plan};
use crate::router::Router;

#[tokio::test]
async fn headers_are_edited_on_both_ways_and_the_route_has_the_last_word() {
    let origin = Origin::start(|_| {
        Plan::keep("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-edited: server\r\nx-removed: 1\r\n\r\nok")
    })
    .await;
    let policy = hostile_policy(&origin, "edit", "");
    let router = Router::start(&policy);
    let mut client = router.client().await;
    let asked = "GET /a?b HTTP/1.1\r\nhost: test\r\nx-hostile: 1\r\nx-edited: client\r\nx-removed: 1\r\n\r\n";
    let reply = client.ask(asked).await;
    let request = origin.request();
    assert_eq!((request.line(), request.header("host")), ("GET /a?b HTTP/1.1", Some("test")));
    assert_eq!((request.header("x-edited"), request.header("x-removed")), (Some("request"), None));
    assert_eq!((reply.header("x-edited"), reply.header("x-removed"), reply.text()), (Some("response"), None, "ok"));
    let decision = router.shared.traffic.decisions().find(reply.header("x-sluice-request-id").unwrap()).unwrap();
    assert!(decision.steps.iter().all(|step| step.edits == 2), "{:?}", decision.steps);
    assert_eq!(router.plugin(0).stats.report().verdicts["request"]["edit"], 1);

    let own = "plugins = [\"hostile\"]\nrequest_headers = { set = { x-edited = \"route\" } }\nresponse_headers = { remove = [\"x-edited\"] }";
    router.publish(&policy.replace("plugins = [\"hostile\"]", own));
    let reply = client.ask(asked).await;
    assert_eq!(origin.requests()[1].header("x-edited"), Some("route"));
    assert_eq!(reply.header("x-edited"), None);
}

#[tokio::test]
async fn a_path_that_is_edited_reaches_the_server_and_matches_nothing_again() {
    let origin = Origin::saying("ok").await;
    let elsewhere =
        "[[routes]]\nname = \"get\"\nmatch = { path = { exact = \"/get\" } }\nto = { builtin = \"servers\" }\n";
    let router = Router::start(&format!("{}{elsewhere}", hostile_policy(&origin, "edit-path", "")));
    let mut client = router.client().await;
    let reply = client.ask("POST /set?a=1 HTTP/1.1\r\nhost: test\r\nx-hostile: 1\r\ncontent-length: 2\r\n\r\nhi").await;
    assert_eq!((reply.status, reply.text()), (200, "ok"));
    let request = origin.request();
    assert_eq!((request.line(), &*request.body), ("POST /get?edited=1 HTTP/1.1", &b"hi"[..]));
    let decision = router.shared.traffic.decisions().find(reply.header("x-sluice-request-id").unwrap()).unwrap();
    assert_eq!((decision.facts.path.as_deref(), decision.facts.route.as_deref()), (Some("/set"), Some("app")));
}

#[tokio::test]
async fn a_path_of_a_plugin_takes_the_place_of_what_the_route_would_rewrite() {
    let origin = Origin::saying("ok").await;
    let rewrite = "plugins = [\"hostile\"]\nrewrite = { path = \"/rewritten\" }";
    let policy = hostile_policy(&origin, "edit-path", "").replace("plugins = [\"hostile\"]", rewrite);
    let router = Router::start(&policy);
    let mut client = router.client().await;
    provoke(&mut client).await;
    client.get("/a?b").await;
    let lines: Vec<String> = origin.requests().iter().map(|request| request.line().to_owned()).collect();
    assert_eq!(lines, ["GET /get?edited=1 HTTP/1.1", "GET /rewritten?b HTTP/1.1"]);
}

#[tokio::test]
async fn what_frames_or_addresses_a_message_is_not_edited() {
    for act in ["edit-host", "edit-content-length", "edit-injection", "path-injection", "path-not-normal"] {
        let origin = Origin::saying("ok").await;
        let router = Router::start(&hostile_policy(&origin, act, ""));
        assert_eq!(provoke(&mut router.client().await).await.status, 503, "{act}");
        assert!(origin.requests().is_empty(), "{act}: nothing of it reached the server");
    }
}

#[tokio::test]
async fn a_status_is_edited_on_answers_of_servers_and_plugins() {
    let origin = Origin::saying("ok").await;
    let policy = hostile_policy(&origin, "edit-status", "");
    let router = Router::start(&policy);
    let reply = provoke(&mut router.client().await).await;
    assert_eq!((reply.status, reply.text()), (299, "ok"));
    // One that answers, behind one that edits.
    let answering = two_digests(&origin, "edit-status", "respond").replace("[\"hostile\"]", "[\"hostile\", \"newer\"]");
    let router = Router::start(&answering);
    let reply = provoke(&mut router.client().await).await;
    assert_eq!((reply.status, reply.text()), (299, "short and stout\n"));
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test]
async fn edits_without_a_grant_change_nothing_and_are_counted() {
    let origin = Origin::saying("ok").await;
    let policy = hostile_policy(&origin, "edit", "").replace("edits = true, ", "");
    let router = Router::start(&policy);
    let reply = provoke(&mut router.client().await).await;
    assert_eq!((reply.status, reply.header("x-edited")), (200, None));
    assert_eq!(origin.request().header("x-edited"), None);
    assert_eq!(router.plugin(0).stats.report().effects_refused, 4);
}

#[tokio::test]
async fn edits_of_a_shadow_change_nothing() {
    let origin = Origin::saying("ok").await;
    let router = Router::start(&two_digests(&origin, "nothing", "edit"));
    let trial = router.begin_trial(TrialMode::Shadow, 100.0);
    let reply = provoke(&mut router.client().await).await;
    assert_eq!((reply.status, reply.header("x-edited"), origin.request().header("x-edited")), (200, None, None));
    eventually("it is compared", || trial.comparisons.report().different == 1).await;
    let said: Vec<_> = trial.comparisons.report().recent.into_iter().map(|difference| difference.new).collect();
    assert_eq!(
        said,
        ["next, set x-edited: response, remove x-removed", "next, set x-edited: request, remove x-removed"]
    );
}
