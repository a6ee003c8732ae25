//! Servers that come and go, variants, and the list of servers.

use sluice_model::alert::AlertId;
use sluice_model::lease::{LEASE_TTL, Lease, Server};
use sluice_model::rollout::Rollout;
use sluice_model::weight::BasisPoints;

use crate::origin::Origin;
use crate::router::{Router, now_ms};

const POLICY: &str = r#"
[upstreams.stable]
discover = { app = "meow", variant = "stable" }
[upstreams.canary]
discover = { app = "meow", variant = "canary" }
[rollouts.demo]
key = ["cookie:uid"]
stable = "stable"
canary = "canary"
variants = { stable = "stable", canary = "canary" }
initial = 25.0
[[routes]]
name = "list"
match = { path = { exact = "/listservers" } }
to = { builtin = "servers" }
[[routes]]
name = "app"
rollout = "demo"
to = [{ upstream = "stable", weight = 1 }]
[[routes]]
name = "direct"
rollout = "demo"
match = { path = { prefix = "/canary" } }
to = [{ upstream = "canary", weight = 1 }]
"#;

fn lease(id: &str, variant: &str, origin: &Origin, draining: bool) -> Lease {
    let server = Server {
        id: id.to_owned(),
        addr: origin.address.to_string(),
        app: "meow".to_owned(),
        variant: variant.to_owned(),
        roles: Vec::new(),
        release: "v1".to_owned(),
        cpu: None,
        mem: None,
        draining,
        started_ms: 0,
    };
    Lease { server, ends_ms: now_ms() + u64::try_from(LEASE_TTL.as_millis()).unwrap() }
}

#[tokio::test]
async fn servers_join_and_leave_by_their_leases() {
    let (one, two) = (Origin::saying("one").await, Origin::saying("two").await);
    let router = Router::start(POLICY);
    let mut client = router.client().await;
    assert_eq!(client.get("/").await.status, 503);
    router.cells.servers().apply(vec![lease("one", "stable", &one, false)]);
    assert_eq!(client.get("/").await.text(), "one");
    router.cells.servers().apply(vec![lease("one", "stable", &one, true), lease("two", "stable", &two, false)]);
    for _ in 0..10 {
        assert_eq!(client.get("/").await.text(), "two", "a draining server takes nothing new");
    }
}

#[tokio::test]
async fn the_variant_is_that_of_the_upstream_and_falls_back_to_stable_only() {
    let (stable, canary) = (Origin::saying("stable").await, Origin::saying("canary").await);
    let router = Router::start(POLICY);
    let leases = [lease("c", "canary", &canary, false), lease("s", "stable", &stable, false)];
    router.cells.servers().apply(leases.to_vec());
    let mut client = router.client().await;
    for (path, variant) in [("/", "stable"), ("/canary", "canary")] {
        let reply = client.get(path).await;
        assert_eq!((reply.text(), reply.header("x-sluice-variant")), (variant, Some(variant)));
    }

    drop(canary);
    let reply = client.get("/canary").await;
    assert_eq!((reply.text(), reply.header("x-sluice-variant")), ("stable", Some("stable")), "a dead canary");
    router.cells.servers().apply(leases[1..].to_vec());
    assert_eq!(client.get("/canary").await.text(), "stable", "no canary");
    router.cells.servers().apply(leases[..1].to_vec());
    assert_eq!(client.get("/").await.status, 503, "stable does not fall to canary");
}

#[tokio::test]
async fn an_abort_keeps_everything_off_the_canary() {
    let (stable, canary) = (Origin::saying("stable").await, Origin::saying("canary").await);
    let router = Router::start(POLICY);
    router.cells.servers().apply(vec![lease("c", "canary", &canary, false), lease("s", "stable", &stable, false)]);
    let cell = router.cells.find_rollout("demo").unwrap();
    cell.apply(Rollout::initial(BasisPoints::FULL, "salt".to_owned(), "test", now_ms()));
    let mut client = router.client().await;
    assert_eq!(client.get("/canary").await.text(), "canary");
    assert!(cell.abort(&AlertId::derive(&["x"]), "test"));
    assert_eq!(client.get("/canary").await.text(), "stable");
    let variants = router.shared.traffic.routes().into_iter().find(|route| route.route() == "direct").unwrap().totals();
    let served: Vec<u64> = variants.iter().map(|totals| totals.classes[1]).collect();
    assert_eq!(served.iter().sum::<u64>(), 2);
}

#[tokio::test]
async fn servers_are_listed_as_text_and_as_json() {
    let origin = Origin::saying("ok").await;
    let router = Router::start(POLICY);
    let mut busy = lease("a", "stable", &origin, false);
    (busy.server.cpu, busy.server.mem) = (Some(20.5), Some(7.0));
    router.cells.servers().apply(vec![busy, lease("b", "canary", &origin, true)]);
    let mut client = router.client().await;
    let text = client.get("/listservers").await;
    assert_eq!(text.header("content-type"), Some("text/plain; charset=utf-8"));
    let lines: Vec<Vec<&str>> = text.text().lines().map(|line| line.split_whitespace().collect()).collect();
    let address = origin.address.to_string();
    assert_eq!(lines[1][..7], [&*address, "meow", "stable", "v1", "serving", "20%", "7%"]);
    assert_eq!(lines[2][..7], [&*address, "meow", "canary", "v1", "draining", "-", "-"], "not known is not 0");
    let json = client.ask("GET /listservers HTTP/1.1\r\nhost: test\r\naccept: application/json\r\n\r\n").await;
    let listed: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
    assert_eq!(listed[0]["address"], address);
    assert_eq!((&listed[0]["id"], &listed[1]["health"]), (&"a".into(), &"draining".into()));
    assert_eq!((&listed[0]["cpu"], listed[1].get("cpu")), (&20.5.into(), None));
    assert_eq!(client.get("/listservers/x").await.text(), "ok", "only where policy routes it");
}
