//! More clients than there is room for, and no files left for them (B23).

use std::fs::File;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::client::{Client, eventually};
use crate::h2client::H2Client;
use crate::origin::Origin;
use crate::router::{Router, everything_to, settings};

const GET: &str = "GET / HTTP/1.1\r\nhost: test\r\n\r\n";

#[tokio::test]
async fn b23_a_client_too_many_is_told_so_and_served_when_there_is_room_again() {
    let origin = Origin::saying("ok").await;
    let router =
        Router::start_with(&everything_to(&[&origin]), sluice_proxy::Settings { connections_max: 2, ..settings() });
    let (mut first, second) = (router.client().await, H2Client::connect(router.address).await);
    assert_eq!(first.get("/").await.status, 200);
    assert_eq!(second.get("/").await.unwrap().status, 200);
    for _ in 0..3 {
        let mut third = router.client().await;
        let reply = third.get("/").await;
        assert_eq!(
            (reply.status, reply.header("retry-after"), reply.header("connection")),
            (503, Some("1"), Some("close"))
        );
        let said = reply.header("proxy-status").unwrap();
        assert!(said.contains("error=connection_limit_reached") && said.contains("overloaded"), "{said}");
        assert!(third.is_closed().await);
        let third = H2Client::connect(router.address).await;
        let reply = third.get("/").await.unwrap();
        assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
        third.ended().await.unwrap();
    }
    assert_eq!(origin.requests().len(), 2);
    assert_eq!(first.get("/").await.status, 200, "who was there first is served on");
    drop(first);
    eventually("the first is gone", || open(&router) == 1).await;
    assert_eq!(router.client().await.get("/").await.status, 200);
}

fn open(router: &Router) -> u64 {
    router.shared.traffic.worker(0).connections.load(std::sync::atomic::Ordering::Relaxed)
}

#[tokio::test]
async fn b23_beyond_those_who_are_told_clients_wait_in_the_backlog() {
    const REFUSED_MAX: usize = 64;
    let origin = Origin::saying("ok").await;
    let router =
        Router::start_with(&everything_to(&[&origin]), sluice_proxy::Settings { connections_max: 1, ..settings() });
    let mut silent = Vec::new();
    for _ in 0..=REFUSED_MAX {
        silent.push(router.client().await);
    }
    eventually("they are taken in", || open(&router) == 1 + REFUSED_MAX as u64).await;
    let mut waiting = router.client().await;
    waiting.send(GET).await;
    assert_eq!(silent[0].get("/").await.status, 200);
    assert_eq!(open(&router), 1 + REFUSED_MAX as u64, "one past the bound is not taken in");
    assert_eq!(silent.pop().unwrap().get("/").await.status, 503);
    assert_eq!(waiting.reply().await.status, 503, "it has the place of one that left");
    drop(silent);
    eventually("all are gone", || open(&router) == 0).await;
    assert_eq!(router.client().await.get("/").await.status, 200);
}

/// Runs in a process of its own, which has only so many files.
#[tokio::test]
async fn b23_a_process_without_files_serves_on_and_accepts_again_when_it_has_some() {
    const CHILD: &str = "SLUICE_TEST_WITHOUT_FILES";
    const FILES: u64 = 64;
    if std::env::var_os(CHILD).is_none() {
        let name = "overload::b23_a_process_without_files_serves_on_and_accepts_again_when_it_has_some";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let ended = child.args(["--exact", name, "--nocapture"]).env(CHILD, "1").output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        assert!(String::from_utf8_lossy(&ended.stdout).contains("1 passed"), "the child ran it");
        return;
    }
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    let mut served = router.client().await;
    assert_eq!(served.get("/").await.status, 200);
    let whole = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(FILES), ..whole }).unwrap();

    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    assert!(files.len() > 2);
    // One for the client's own end; none for the router's.
    files.pop();
    let mut waiting = router.client().await;
    waiting.send(GET).await;
    for _ in 0..10 {
        assert_eq!(served.get("/").await.status, 200, "who is connected is served");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(open(&router), 1, "the other one waits");
    drop(files);
    assert_eq!(waiting.reply().await.status, 200);
    assert_eq!(Client::connect(router.address).await.get("/").await.status, 200);
}
