//! A plugin in another language, in the real router: the example in JavaScript, `plugins/examples/javascript`.
//!
//! `cargo xtask test` builds it, and leaves these tests out where it cannot be built.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use sluice_tests::router::{POLICY_FILE, Router, Setup};
use sluice_tests::{client, eventually_within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A file of 12 MB is compiled on one thread, beside other tests.
const COMPILE_PATIENCE: Duration = Duration::from_secs(240);

const FILE: &str = "plugins.d/greeter.wasm";
/// Requests that leave the plugin something to collect.
const REQUESTS: u32 = 2_000;

/// The plugin before a server.
fn policy(server: &str) -> String {
    format!(
        r#"
[plugins.greeter]
file = "greeter.wasm"
config = {{ greeting = "hello", header = "x-hello" }}
grants = {{ state = ["flag:quiet"], edits = true, log = true }}
limits = {{ memory = "64MiB", cpu = "500ms" }}

[upstreams.app]
servers = ["{server}"]

[[routes]]
name = "all"
plugins = ["greeter"]
to = "app"
"#
    )
}

/// The plugin, as `cargo xtask test` made it.
fn built() -> Result<PathBuf> {
    let path = std::env::var_os("SLUICE_JAVASCRIPT_PLUGIN").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/javascript/greeter.wasm")),
        PathBuf::from,
    );
    ensure!(path.is_file(), "no plugin at {}: run `cargo xtask test plugin_javascript`", path.display());
    Ok(path)
}

/// A server whose answer is the head of the request that it got.
async fn mirror() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    #[expect(clippy::disallowed_methods, reason = "a server of a test ends with its runtime; nothing waits for it")]
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(tell(connection));
        }
    });
    Ok(address)
}

/// Answers until the connection ends.
async fn tell(mut connection: TcpStream) -> Result<()> {
    let mut head = Vec::new();
    loop {
        while !head.ends_with(b"\r\n\r\n") {
            head.push(connection.read_u8().await?);
        }
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", head.len());
        connection.write_all(answer.as_bytes()).await?;
        connection.write_all(&head).await?;
        head.clear();
    }
}

/// A router with the plugin's flag among its switches.
async fn start() -> Result<Router> {
    let setup = Setup::new("", "embedded")?;
    let file = setup.path("sluice.toml");
    let text = fs::read_to_string(&file)?;
    fs::write(file, text.replace("[store]\n", "[store]\nswitches = [\"quiet\"]\n"))?;
    setup.start().await
}

/// Drops the plugin and its policy in; returns once it serves.
async fn serve(router: &Router, server: &str) -> Result<()> {
    router.replace(FILE, &fs::read(built()?)?)?;
    router.replace(POLICY_FILE, policy(server).as_bytes())?;
    eventually_within(COMPILE_PATIENCE, "the plugin serves", async || {
        let plugin = router.plugin("greeter").await?;
        ensure!(plugin["state"] == "active", "{plugin}");
        Ok(())
    })
    .await;
    Ok(())
}

async fn get(router: &Router, path: &str) -> Result<String> {
    let response = client::keep_alive().get(format!("{}{path}", router.edge)).send().await?;
    ensure!(response.status().is_success(), "{path}: {}", response.status());
    Ok(response.text().await?)
}

/// The one file of compiled code that the router keeps of this plugin.
async fn kept(router: &Router) -> Result<Metadata> {
    let digest = router.plugin("greeter").await?["digest"].as_str().context("a plugin has a digest")?.to_owned();
    for entry in fs::read_dir(router.path("data/artifacts"))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&digest) {
            return Ok(entry.metadata()?);
        }
    }
    anyhow::bail!("nothing is kept of {digest}")
}

async fn it_answers_edits_and_obeys_a_flag(router: &Router) -> Result<()> {
    assert_eq!(get(router, "/hello?name=ann").await?, "hello, ann\n");
    assert_eq!(get(router, "/hello").await?, "hello, you\n");
    let seen = get(router, "/other").await?;
    assert!(seen.starts_with("GET /other") && seen.contains("x-hello: hello"), "{seen}");

    let url = format!("{}/v1/flags/quiet", router.admin);
    let set = async |value: bool| client::json(client::http().put(&url).json(&json!({ "value": value }))).await;
    set(true).await?;
    let seen = get(router, "/hello?name=ann").await?;
    assert!(seen.starts_with("GET /hello?name=ann") && !seen.contains("x-hello"), "{seen}");
    set(false).await?;
    Ok(())
}

/// What it leaves to its garbage collector stays within its limits, and no request pays for it.
async fn it_serves_many_requests(router: &Router) -> Result<()> {
    let client = client::keep_alive();
    let url = format!("{}/hello?name=ann", router.edge);
    for number in 0..REQUESTS {
        let answer = client.get(&url).send().await?.text().await?;
        ensure!(answer == "hello, ann\n", "request {number}: {answer}");
    }
    Ok(())
}

/// One test, for it is one compilation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_in_javascript_serves_and_is_found_compiled_after_a_restart() -> Result<()> {
    let mut router = start().await?;
    serve(&router, &mirror().await?).await?;
    it_answers_edits_and_obeys_a_flag(&router).await?;
    it_serves_many_requests(&router).await?;

    let first = kept(&router).await?;
    assert_eq!(first.mode() & 0o777, 0o600);
    router.process.terminate().await?;
    router.restart().await?;
    assert_eq!(get(&router, "/hello?name=ann").await?, "hello, ann\n");
    let second = kept(&router).await?;
    // Compiled anew it would be another file; found, it is this one, used again.
    assert_eq!(first.ino(), second.ino());
    assert!(second.modified()? > first.modified()?);
    Ok(())
}
