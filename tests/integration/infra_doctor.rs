//! `sluice-infra doctor`: a fleet that can go up, one that lacks things, and a cloud that repeats the token it refuses.

use anyhow::{Context, Result};
use serde_json::Value;
use sluice_tests::fleet::Fleet;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const LOCAL: &str = r#"
[fleet]
name = "cats"

[budget]
monthly_usd_max = 6

[pools.edge]
roles = ["router", "redis"]
size = "s-1vcpu-1gb"
count = 1

[router]
folder = "router"

[redis]
password = { env = "SLUICE_REDIS_PASSWORD" }
"#;
const PASSWORD: &str = "0123456789abcdef";
const TOKEN: &str = "canary-token-of-this-test";

/// Exit code and checks: name, state and the whole.
async fn doctor(fleet: &Fleet) -> Result<(i32, Vec<Value>, String)> {
    let ended = fleet.run(&["doctor", "--json"]).await?;
    let report: Value =
        serde_json::from_str(&ended.stdout).with_context(|| format!("{}{}", ended.stdout, ended.stderr))?;
    let checks = report["checks"].as_array().context("it has checks")?.clone();
    Ok((ended.code, checks, format!("{}{}", ended.stdout, ended.stderr)))
}

fn states<'c>(checks: &'c [Value], name: &str) -> Vec<&'c str> {
    checks.iter().filter(|check| check["name"] == name).filter_map(|check| check["state"].as_str()).collect()
}

#[tokio::test]
async fn infra_doctor_says_what_is_missing_all_at_once() -> Result<()> {
    let fleet = Fleet::new(LOCAL)?;
    let (code, checks, _) = doctor(&fleet).await?;
    assert_eq!(code, 1);
    assert_eq!(states(&checks, "secrets"), ["fail"]);
    assert_eq!(states(&checks, "routers"), ["fail"]);
    assert_eq!(states(&checks, "region"), ["ok"], "what fails stops no other check");
    assert!(checks.iter().filter(|check| check["state"] == "fail").all(|check| check["hint"].is_string()));

    let fleet = fleet.env("SLUICE_REDIS_PASSWORD", PASSWORD);
    fleet.write("router/sluice.toml", "")?;
    let (code, checks, shown) = doctor(&fleet).await?;
    assert_eq!(code, 0, "{shown}");
    for name in ["file", "routers", "secrets", "cloud", "quota", "region", "image", "size", "budget"] {
        assert_eq!(states(&checks, name), ["ok"], "{shown}");
    }
    assert!(!shown.contains(PASSWORD));
    assert!(fleet.droplets()?.is_empty(), "it changes nothing");
    Ok(())
}

#[tokio::test]
async fn infra_doctor_holds_names_and_prices_against_the_cloud() -> Result<()> {
    let infra =
        LOCAL.replace("count = 1", "count = 1\n\n[pools.spare]\nroles = [\"router\"]\nsize = \"s-999vcpu-1gb\"");
    let fleet =
        Fleet::new(&infra.replace("name = \"cats\"", "name = \"cats\"\nregion = \"nowhere9\"\nimage = \"none\""))?;
    let (code, checks, shown) = doctor(&fleet.env("SLUICE_REDIS_PASSWORD", PASSWORD)).await?;
    assert_eq!(code, 1, "{shown}");
    assert_eq!(states(&checks, "region"), ["fail"], "{shown}");
    assert_eq!(states(&checks, "image"), ["fail"], "{shown}");
    assert!(states(&checks, "size").contains(&"fail"), "{shown}");
    let fleet = Fleet::new(&LOCAL.replace("monthly_usd_max = 6", "monthly_usd_max = 5"))?;
    let (_, checks, shown) = doctor(&fleet.env("SLUICE_REDIS_PASSWORD", PASSWORD)).await?;
    assert_eq!(states(&checks, "budget"), ["fail"], "{shown}");
    Ok(())
}

/// Refuses everything, and repeats the whole request while doing so.
async fn parrot() -> Result<(String, JoinSet<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let mut task = JoinSet::new();
    task.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 8192];
            let count = stream.read(&mut request).await.unwrap_or(0);
            let heard = String::from_utf8_lossy(&request[..count]).into_owned();
            let body = serde_json::json!({ "id": "unauthorized", "message": heard, "request_id": TOKEN }).to_string();
            let head = "HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-type: application/json\r\n";
            let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
            drop(stream.write_all(answer.as_bytes()).await);
        }
    });
    Ok((url, task))
}

#[tokio::test]
async fn infra_doctor_shows_no_token_that_a_cloud_repeats() -> Result<()> {
    let (url, _parrot) = parrot().await?;
    let cloud = format!("[cloud]\nkind = \"digitalocean\"\nurl = \"{url}\"\ntoken = {{ env = \"CANARY\" }}\n");
    let fleet = Fleet::new(&format!("{cloud}{LOCAL}"))?.env("SLUICE_REDIS_PASSWORD", PASSWORD).env("CANARY", TOKEN);
    let (code, checks, shown) = doctor(&fleet).await?;
    assert_eq!(code, 1, "{shown}");
    assert_eq!(states(&checks, "cloud"), ["fail"], "{shown}");
    assert!(shown.contains("refuses the token"), "{shown}");
    let for_people = fleet.run(&["doctor"]).await?;
    let logged = fleet.env("RUST_LOG", "trace").run(&["plan"]).await?;
    for text in [&shown, &for_people.stdout, &for_people.stderr, &logged.stdout, &logged.stderr] {
        assert!(!text.contains(TOKEN), "{text}");
    }
    Ok(())
}
