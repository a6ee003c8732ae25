//! Header edits of a route, both ways.

use crate::origin::{Origin, Plan};
use crate::router::{Router, everything_to};

const EDITS: &str = r#"
request_headers = { set = { x-set = ["1", "2"] }, add = { x-add = "b" }, remove = ["x-gone"] }
response_headers = { set = { x-set = "ours", content-type = "text/x-ours" }, add = { x-add = "b" }, remove = ["server"] }
"#;

#[tokio::test]
async fn a_request_is_edited_and_no_connection_field_undoes_it() {
    let origin = Origin::saying("ok").await;
    let router = Router::start(&format!("{}{EDITS}", everything_to(&[&origin])));
    let request = "GET / HTTP/1.1\r\nhost: test\r\nconnection: x-set, x-add\r\nx-set: theirs\r\nx-gone: 1\r\nx-gone: 2\r\n\
                   x-kept: 1\r\n\r\n";
    assert_eq!(router.client().await.ask(request).await.status, 200);
    let head = origin.request().head;
    let lines = |name: &str| head.lines().filter(|line| line.starts_with(&format!("{name}:"))).count();
    assert_eq!((lines("x-set"), lines("x-add"), lines("x-gone"), lines("x-kept")), (2, 1, 0, 1), "{head}");
    assert!(head.contains("x-set: 1\r\nx-set: 2\r\n") && !head.contains("theirs"), "{head}");
    assert!(head.contains("x-forwarded-for: 127.0.0.1"), "what the router vouches for stays: {head}");
}

#[tokio::test]
async fn every_response_of_the_route_is_edited_whoever_made_it() {
    let plan =
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nserver: secret/1.0\r\nx-set: a\r\nx-set: b\r\nx-add: a\r\n\r\nok";
    let origin = Origin::start(move |_| Plan::keep(plan)).await;
    let router = Router::start(&format!("{}{EDITS}", everything_to(&[&origin])));
    let reply = router.client().await.get("/").await;
    let lines = |name: &str| reply.headers.iter().filter(|(known, _)| known == name).count();
    assert_eq!((lines("x-set"), lines("x-add"), lines("server")), (1, 2, 0), "{reply:?}");
    assert_eq!((reply.header("x-set"), reply.header("content-type")), (Some("ours"), Some("text/x-ours")));

    drop(origin);
    let reply = router.client().await.get("/").await;
    assert_eq!(reply.status, 503);
    assert_eq!((reply.header("x-set"), reply.header("content-type")), (Some("ours"), Some("text/x-ours")));
    assert!(reply.header("proxy-status").is_some() && reply.header("x-sluice-request-id").is_some());
}

#[tokio::test]
async fn an_interim_response_is_not_edited() {
    let origin = Origin::saying("ok").await;
    let router = Router::start(&format!("{}{EDITS}", everything_to(&[&origin])));
    let mut client = router.client().await;
    client.send("POST / HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n").await;
    let interim = client.reply().await;
    assert_eq!((interim.status, interim.header("x-set")), (100, None));
    assert_eq!(client.ask("body").await.header("x-set"), Some("ours"));
}
