//! Error pages: what a client reads when the router itself answers.

use crate::origin::{Origin, Plan};
use crate::router::{Router, everything_to};

const PAGES: &str = r#"
[error_pages.html]
statuses = [404, "500-599"]
default = true
content_type = "text/html; charset=utf-8"
body = "<h1>{status}</h1><p>{reason} {request_id}</p>"
[error_pages.json]
statuses = ["400-599"]
default = true
content_type = "application/json"
body = '{"status": {status}, "reason": "{reason}"}'
[error_pages.own]
statuses = [503]
content_type = "text/plain"
body = "closed"
"#;

#[tokio::test]
async fn a_page_is_chosen_by_status_and_then_by_accept() {
    let router = Router::start(PAGES);
    let reply = router.client().await.get("/nothing").await;
    assert_eq!((reply.status, reply.header("content-type")), (404, Some("text/html; charset=utf-8")));
    let id = reply.header("x-sluice-request-id").unwrap();
    assert_eq!(reply.text(), format!("<h1>404</h1><p>no_route {id}</p>"));
    assert!(reply.header("proxy-status").is_some());

    let mut client = router.client().await;
    let reply = client.ask("GET / HTTP/1.1\r\nhost: test\r\naccept: text/html;q=0.1, application/json\r\n\r\n").await;
    assert_eq!(reply.text(), r#"{"status": 404, "reason": "no_route"}"#);
    let reply = client.ask("GET / HTTP/1.1\r\nhost: test\r\nexpect: the-worst\r\n\r\n").await;
    assert_eq!((reply.status, reply.header("content-type")), (417, Some("application/json")));
    let reply = client.ask("HEAD / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    assert_eq!((reply.status, &*reply.body), (404, &b""[..]));
    assert_eq!(client.get("/").await.status, 404, "and the connection goes on");
}

#[tokio::test]
async fn a_route_with_pages_of_its_own_uses_no_others() {
    let origin = Origin::saying("ok").await;
    let policy = format!("{}error_pages = [\"own\"]\nlimits = {{ body = \"1B\" }}\n{PAGES}", everything_to(&[&origin]));
    let router = Router::start(&policy);
    drop(origin);
    let reply = router.client().await.get("/").await;
    assert_eq!((reply.status, reply.text(), reply.header("content-type")), (503, "closed", Some("text/plain")));
    assert_eq!(reply.header("retry-after"), Some("1"));
    let reply = router.client().await.ask("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 2\r\n\r\nab").await;
    assert_eq!((reply.status, reply.text(), reply.header("connection")), (413, "413 body too large\n", Some("close")));
}

#[tokio::test]
async fn what_a_server_says_is_never_replaced() {
    let origin = Origin::start(|_| Plan::keep("HTTP/1.1 503 Busy\r\ncontent-length: 6\r\n\r\ntheirs")).await;
    let router = Router::start(&format!("{}{PAGES}", everything_to(&[&origin])));
    let reply = router.client().await.get("/").await;
    assert_eq!((reply.status, reply.text()), (503, "theirs"));
}
