//! Mirrors whose answers are compared, on a real router: the admin port and the command line tell what differs, and clients
//! notice nothing.

use anyhow::{Result, ensure};
use reqwest::StatusCode;
use sluice_tests::echo::Echo;
use sluice_tests::process::sluice;
use sluice_tests::router::Router;
use sluice_tests::{client, eventually};

/// Requests of each kind.
const REQUESTS: u64 = 20;

/// Two servers that answer with what they were told; one of them is told more.
fn policy(server: &Echo, mirror: &Echo) -> String {
    format!(
        r#"
[upstreams.app]
servers = ["{}"]
[upstreams.next]
servers = ["{}"]

[[routes]]
name = "same"
match = {{ path = {{ prefix = "/same" }} }}
to = "app"
mirror = [{{ upstream = "next", compare = {{ headers = ["content-type"], body = true }} }}]

[[routes]]
name = "differs"
match = {{ path = {{ prefix = "/differs" }} }}
to = "next"
mirror = [{{ upstream = "gone", compare = {{ body = true }} }}]

[upstreams.gone]
servers = ["127.0.0.1:1"]
"#,
        server.address, mirror.address
    )
}

#[tokio::test]
async fn answers_are_compared_and_told() -> Result<()> {
    let (server, mirror) = (Echo::start().await?, Echo::start().await?);
    let router = Router::start(&policy(&server, &mirror)).await?;
    let http = client::keep_alive();
    for path in ["/same", "/differs"] {
        for _ in 0..REQUESTS {
            let response = http.get(format!("{}{path}?token=secret", router.edge)).send().await?;
            ensure!(response.status() == StatusCode::OK, "{response:?}");
            response.bytes().await?;
        }
    }
    let told = eventually("all are compared", async || {
        let told = router.get("/v1/shadow").await?;
        let comparisons = told["comparisons"].as_array().map_or(&[][..], Vec::as_slice);
        let count = |name: &str| comparisons.iter().filter_map(|pair| pair[name].as_u64()).sum::<u64>();
        ensure!(count("same") + count("different") + count("unfinished") == 2 * REQUESTS, "{told}");
        Ok(told)
    })
    .await;
    assert_eq!(told["comparisons"][0]["unfinished"], REQUESTS, "a mirror that is gone: {told}");
    assert_eq!((&told["comparisons"][1]["route"], &told["comparisons"][1]["same"]), (&"same".into(), &REQUESTS.into()));
    assert!(!told.to_string().contains("secret"), "{told}");

    let (status, out, _) = sluice(&["shadow", "--admin", &router.admin]).await?;
    assert_eq!(status, 0, "{out}");
    assert!(out.contains("differs  gone") && out.contains("UNFINISHED"), "{out}");
    Ok(())
}
