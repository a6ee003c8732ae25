//! Mirrors whose answers are compared with those that clients get.

use sluice_policy::filter::COMPARED_BYTES_MAX;
use sluice_snapshot::shadow::{Difference, Pair, ShadowTotals};

use crate::client::eventually;
use crate::origin::{Origin, Plan};
use crate::router::{Router, everything_to};

fn comparing(origin: &Origin, mirror: &Origin, compare: &str) -> Router {
    let route = format!("mirror = [{{ upstream = \"mirror\", compare = {compare} }}]\n");
    let upstream = format!("[upstreams.mirror]\nservers = [\"{}\"]\n", mirror.address);
    Router::start(&format!("{}{route}{upstream}", everything_to(&[origin])))
}

fn totals(router: &Router) -> ShadowTotals {
    router.shared.traffic.shadows().totals().pop().unwrap_or_default()
}

fn differences(router: &Router) -> Vec<Difference> {
    router.shared.traffic.shadows().last()
}

async fn saying(head: &'static str, body: String) -> Origin {
    Origin::start(move |_| Plan::keep(format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()))).await
}

const ALL: &str = "{ headers = [\"content-type\"], body = true }";

#[tokio::test]
async fn answers_that_are_the_same_are_counted() {
    let head = "200 OK\r\ncontent-type: text/plain\r\nx-unnamed: 1";
    let origin = saying(head, "meow".to_owned()).await;
    let mirror = saying("200 OK\r\ncontent-type: text/plain\r\nx-unnamed: 2", "meow".to_owned()).await;
    let router = comparing(&origin, &mirror, ALL);
    let mut client = router.client().await;
    for _ in 0..3 {
        assert_eq!(client.get("/cats?secret=1").await.text(), "meow");
    }
    eventually("three are the same", || totals(&router).same == 3).await;
    let ShadowTotals { route, mirror, different, unfinished, cut, .. } = totals(&router);
    assert_eq!((&*route, &*mirror, different, unfinished, cut), ("app", "mirror", 0, 0, 0));
    assert!(differences(&router).is_empty());
}

#[tokio::test]
async fn what_differs_is_told_without_content() {
    let origin = saying("200 OK\r\ncontent-type: text/plain", "meow, secret one".to_owned()).await;
    let mirror = saying("201 Created\r\ncontent-type: text/html", "meow, SECRET".to_owned()).await;
    let router = comparing(&origin, &mirror, ALL);
    let reply = router.client().await.get("/cats?token=secret").await;
    assert_eq!((reply.status, reply.text()), (200, "meow, secret one"));
    eventually("one differs", || totals(&router).different == 1).await;
    let totals = totals(&router);
    assert_eq!((totals.status, totals.headers, totals.body), (1, 1, 1));
    let difference = differences(&router).remove(0);
    assert_eq!(Some(&*difference.request_id), reply.header("x-sluice-request-id"));
    assert_eq!((&*difference.method, &*difference.path, &*difference.route), ("GET", "/cats", "app"));
    assert_eq!(difference.status, Some(Pair { client: 200, mirror: 201 }));
    assert_eq!(difference.headers[0].values.mirror.as_deref(), Some("text/html"));
    let body = difference.body.unwrap();
    assert_eq!((body.offset, body.bytes), (Some(6), Pair { client: 16, mirror: 12 }));
    assert!(!format!("{difference:?}").to_lowercase().contains("secret"), "{difference:?}");
}

#[tokio::test]
async fn only_safe_methods_are_compared_and_all_are_copied() {
    let (origin, mirror) = (Origin::saying("one").await, Origin::saying("two").await);
    let router = comparing(&origin, &mirror, ALL);
    let mut client = router.client().await;
    let post = "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 1\r\n\r\nx";
    assert_eq!(client.ask(post).await.text(), "one");
    assert_eq!(client.get("/").await.text(), "one");
    eventually("one differs", || totals(&router).different == 1).await;
    eventually("both are copied", || mirror.requests().len() == 2).await;
    let totals = totals(&router);
    assert_eq!((totals.different, totals.same, totals.unfinished), (1, 0, 0));
}

#[tokio::test]
async fn a_mirror_that_is_slow_or_dead_delays_nobody() {
    let origin = saying("200 OK", "x".repeat(2 * COMPARED_BYTES_MAX)).await;
    let (held, release) = Origin::held().await;
    let router = comparing(&origin, &held, ALL);
    let mut client = router.client().await;
    assert_eq!(client.get("/").await.body.len(), 2 * COMPARED_BYTES_MAX, "the mirror has not answered yet");
    eventually("the mirror was asked", || held.requests().len() == 1).await;
    release.notify_one();
    eventually("it differs", || totals(&router).different == 1).await;

    let dead = comparing(&origin, &Origin::raw(|_, _| async {}).await, ALL);
    assert_eq!(dead.client().await.get("/").await.status, 200);
    eventually("nothing to compare with", || totals(&dead).unfinished == 1).await;
}

#[tokio::test]
async fn long_bodies_are_compared_up_to_a_bound_and_said_to_be() {
    let body = "x".repeat(COMPARED_BYTES_MAX);
    let (origin, mirror) = (saying("200 OK", format!("{body}a")).await, saying("200 OK", format!("{body}b")).await);
    let router = comparing(&origin, &mirror, ALL);
    assert_eq!(router.client().await.get("/").await.body.len(), COMPARED_BYTES_MAX + 1);
    eventually("they are the same so far", || totals(&router).same == 1).await;
    assert_eq!(totals(&router).cut, 1);
}
