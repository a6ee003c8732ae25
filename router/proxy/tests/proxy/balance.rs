//! Which server gets a request: shares, turns, keys; and servers that come, go and drain.

use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::client::{Client, eventually};
use crate::origin::{Notes, Origin, Plan, read_head};
use crate::router::{Router, balanced, everything_to};

async fn origins<const N: usize>(names: [&'static str; N]) -> Vec<Origin> {
    let mut origins = Vec::new();
    for name in names {
        origins.push(Origin::saying(name).await);
    }
    origins
}

/// A policy over these servers with these weights.
fn weighted(servers: &[(&Origin, u32)], upstream: &str) -> String {
    let listed: Vec<String> = servers
        .iter()
        .map(|(origin, weight)| format!("{{ address = \"{}\", weight = {weight} }}", origin.address))
        .collect();
    let policy = balanced(&[], upstream, "");
    policy.replace("servers = []", &format!("servers = [{}]", listed.join(", ")))
}

async fn ask_as(client: &mut Client, user: &str) -> String {
    let request = format!("GET / HTTP/1.1\r\nhost: test\r\ncookie: uid={user}\r\n\r\n");
    client.ask(request).await.text().to_owned()
}

/// Where each of a hundred users ends up.
async fn places(router: &Router) -> BTreeMap<String, String> {
    let mut client = router.client().await;
    let mut places = BTreeMap::new();
    for user in 0..100 {
        let user = user.to_string();
        let place = ask_as(&mut client, &user).await;
        places.insert(user, place);
    }
    places
}

#[tokio::test]
async fn turns_follow_the_weights() {
    let origins = origins(["a", "b", "c"]).await;
    let servers = [(&origins[0], 3), (&origins[1], 1), (&origins[2], 0)];
    let router = Router::start(&weighted(&servers, "balance = \"round-robin\""));
    let mut client = router.client().await;
    for _ in 0..40 {
        assert_eq!(client.get("/").await.status, 200);
    }
    let counts: Vec<usize> = origins.iter().map(|origin| origin.requests().len()).collect();
    assert_eq!(counts, [30, 10, 0]);
}

#[tokio::test]
async fn by_default_idle_servers_share_by_weight_and_weight_zero_gets_nothing() {
    let origins = origins(["a", "b", "c"]).await;
    let router = Router::start(&weighted(&[(&origins[0], 3), (&origins[1], 1), (&origins[2], 0)], ""));
    let mut client = router.client().await;
    for _ in 0..400 {
        assert_eq!(client.get("/").await.status, 200);
    }
    let counts: Vec<usize> = origins.iter().map(|origin| origin.requests().len()).collect();
    // 300 and 100, with a standard deviation of 9.
    assert!((240..360).contains(&counts[0]) && counts[2] == 0, "{counts:?}");
}

#[tokio::test]
async fn a_busy_server_is_spared() {
    let free = Arc::new(Notify::new());
    let release = Arc::clone(&free);
    let busy = Origin::raw(move |mut stream, notes: Notes| {
        let release = Arc::clone(&release);
        async move {
            let mut buffer = Vec::new();
            while let Some(head) = read_head(&mut stream, &mut buffer).await {
                notes.note(crate::origin::Request { head, body: Vec::new(), place: 0 });
                release.notified().await;
                let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbusy").await;
            }
        }
    })
    .await;
    let quick = Origin::saying("quick").await;
    let router = Router::start(&everything_to(&[&busy, &quick]));
    // Until one request hangs there; the others are answered at once.
    let mut hanging = router.client().await;
    while busy.requests().is_empty() {
        hanging = router.client().await;
        hanging.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
        let seen = busy.requests().len() + quick.requests().len();
        eventually("the request arrives", || busy.requests().len() + quick.requests().len() >= seen.max(1)).await;
    }
    // From here on a request goes to the busy one only if it was drawn twice.
    let mut waiting = Vec::new();
    for _ in 0..40 {
        let mut client = router.client().await;
        client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
        waiting.push(client);
    }
    eventually("all are on their way", || busy.requests().len() + quick.requests().len() >= 41).await;
    assert!(busy.requests().len() <= 30, "{} of 41 hang", busy.requests().len());
    drop((hanging, waiting));
    free.notify_waiters();
}

#[tokio::test]
async fn a_key_stays_with_its_server_and_a_server_that_leaves_moves_its_own_keys_only() {
    let origins = origins(["a", "b", "c", "d"]).await;
    let all: Vec<&Origin> = origins.iter().collect();
    let by_cookie = "balance = { hash = [\"cookie:uid\", \"header:x-user\"] }";
    let router = Router::start(&balanced(&all, by_cookie, ""));
    let before = places(&router).await;
    assert_eq!(before.values().collect::<BTreeSet<_>>().len(), 4, "every server has users");
    assert_eq!(places(&router).await, before, "and keeps them");

    drop(router.publish(&balanced(&all[1..], by_cookie, "")));
    let without = places(&router).await;
    for (user, place) in &before {
        assert!(place == "a" || without[user] == *place, "user {user} of {place} moved to {}", without[user]);
    }
    drop(router.publish(&balanced(&all, by_cookie, "")));
    assert_eq!(places(&router).await, before, "who comes back gets its users back");

    let mut client = router.client().await;
    let same = client.ask("GET / HTTP/1.1\r\nhost: test\r\nx-user: 7\r\n\r\n").await;
    assert_eq!(same.text(), before["7"], "the next field counts where the first is missing");
    assert_eq!(client.get("/").await.status, 200, "without any of them somebody answers");
}

#[tokio::test]
async fn a_server_that_was_taken_out_finishes_and_its_idle_connections_are_closed() {
    let free = Arc::new(Notify::new());
    let release = Arc::clone(&free);
    let old = Origin::raw(move |mut stream, notes: Notes| {
        let release = Arc::clone(&release);
        async move {
            let mut buffer = Vec::new();
            while let Some(head) = read_head(&mut stream, &mut buffer).await {
                let is_slow = head.starts_with("GET /slow");
                notes.note(crate::origin::Request { head, body: Vec::new(), place: 0 });
                if is_slow {
                    release.notified().await;
                }
                let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nold").await;
            }
        }
    })
    .await;
    let new = Origin::saying("new").await;
    let router = Router::start(&everything_to(&[&old]));
    let (mut slow, mut client) = (router.client().await, router.client().await);
    slow.send("GET /slow HTTP/1.1\r\nhost: test\r\n\r\n").await;
    eventually("the slow request is there", || old.requests().len() == 1).await;
    assert_eq!(client.get("/").await.text(), "old");
    assert_eq!(old.open_connections(), 2);

    drop(router.publish(&everything_to(&[&new])));
    eventually("the idle connection is closed", || old.open_connections() == 1).await;
    assert_eq!(client.get("/").await.text(), "new");
    let old_address = old.address.to_string();
    assert_eq!(router.upstream().servers[&old_address].draining_in, 1);
    free.notify_one();
    assert_eq!(slow.reply().await.text(), "old", "what was in flight ends well");
    eventually("the other one follows", || old.open_connections() == 0).await;
    eventually("it is forgotten", || !router.upstream().servers.contains_key(&old_address)).await;
}

#[tokio::test]
async fn servers_of_a_name_follow_what_it_resolves_to() {
    let origins = origins(["a", "b"]).await;
    let policy = balanced(&[], "", "").replace("servers = []", "dns = { name = \"app.internal:80\" }");
    let router = Router::start(&policy);
    let mut client = router.client().await;
    let reply = client.get("/").await;
    assert_eq!(reply.status, 503, "nothing is known yet");
    assert!(reply.header("proxy-status").unwrap().contains("no_healthy_server"));
    for origin in &origins {
        let address = origin.address.to_string();
        router.cells.upstream("app").update(|known| {
            known.resolved = [("app.internal:80".to_owned(), vec![address])].into();
        });
        let wanted = if origin.address == origins[0].address { "a" } else { "b" };
        for _ in 0..5 {
            assert_eq!(client.get("/").await.text(), wanted);
        }
    }
    eventually("idle connections to the old address are closed", || origins[0].open_connections() == 0).await;
}

#[tokio::test]
async fn an_unhealthy_server_gets_nothing_unless_all_are() {
    let origins = origins(["a", "b"]).await;
    let all: Vec<&Origin> = origins.iter().collect();
    let lines = "balance = \"round-robin\"\nhealth = { path = \"/healthz\" }";
    let router = Router::start(&balanced(&all, lines, ""));
    let cell = router.cells.upstream("app");
    let mut client = router.client().await;
    let mut seen = async |times: usize| {
        let mut seen = BTreeSet::new();
        for _ in 0..times {
            seen.insert(client.get("/").await.text().to_owned());
        }
        seen.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(seen(2).await, ["a", "b"]);
    cell.update(|known| known.unhealthy = vec![origins[0].address.to_string()]);
    assert_eq!(seen(10).await, ["b"]);
    cell.update(|known| {
        known.unhealthy = origins.iter().map(|origin| origin.address.to_string()).collect();
        known.unhealthy.sort();
    });
    assert_eq!(seen(10).await, ["a", "b"], "when all fail their checks, trying beats refusing");
    cell.update(|known| known.unhealthy.clear());
    assert_eq!(seen(2).await, ["a", "b"]);
}

#[tokio::test]
async fn a_server_with_unreadable_answers_is_left_alone() {
    const FAILURES: usize = 3;
    let broken = Origin::start(|_| Plan::close("220 smtp.example ESMTP\r\n\r\n")).await;
    let sound = Origin::saying("ok").await;
    let lines = format!(
        "balance = \"round-robin\"\n\
         ejection = {{ consecutive_failures = {FAILURES}, base = \"10m\", max = \"10m\" }}"
    );
    let router = Router::start(&balanced(&[&broken, &sound], &lines, ""));
    let mut client = router.client().await;
    let mut refused = 0;
    for _ in 0..20 {
        match client.get("/").await.status {
            200 => {}
            // Some of an answer has come, so nothing is sent again.
            502 => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!((refused, broken.requests().len()), (FAILURES, FAILURES));
}
