//! What takes minutes: many clients, big bodies, memory that stays flat. Run by `cargo xtask test --long`.

mod plugins;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures_util::stream;
use reqwest::{Body, Client};
use sluice_tests::flood::{FILLING, Flood};
use sluice_tests::herd::{self, Protocol};
use sluice_tests::load::{Load, Shape};
use sluice_tests::router::{POLICY_FILE, Router, Setup};
use sluice_tests::stack::{Stack, StoreKind};
use sluice_tests::{client, eventually, eventually_within, metrics};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::reload::another_policy;

const IDLE_CLIENTS: usize = 10_000;
const IDLE_HTTP2_CLIENTS: usize = 1_000;
/// What an idle connection may cost: hyper's buffers of one are 27 to 35 KB (measured, DESIGN), and ours beside them.
const IDLE_BYTES_MAX: u64 = 48 << 10;
/// HTTP/2 keeps two HPACK tables and the windows besides.
const IDLE_HTTP2_BYTES_MAX: u64 = 96 << 10;
/// What the allocator may keep of memory that was given back.
const KEPT_SHARE_PERCENT: u64 = 50;
/// A body is streamed: what is held of it does not grow with it.
const STREAM_BYTES: usize = 1 << 30;
const STREAM_GROWTH_BYTES_MAX: u64 = 32 << 20;
const PART_BYTES: usize = 64 << 10;
/// How long a GiB may take on a busy machine.
const STREAM_PATIENCE: Duration = Duration::from_secs(240);
const RELOADS: u32 = 100;
const SLOW_CLIENTS: usize = 2_000;
const SLOW_CLIENT_BYTES_MAX: u64 = 96 << 10;
/// One in ten of them reads slowly: the kernel holds several MiB for each of those, on both of its connections.
const SLOW_READER_EVERY: usize = 10;
/// A download that no kernel buffers to its end.
const SLOW_DOWNLOAD_BYTES: usize = 64 << 20;
/// Requests of those who are not slow.
const OTHERS_REQUESTS: usize = 2_000;
/// Pause between two bytes of a slow client.
const DRIP: Duration = Duration::from_millis(500);

/// Answers without any server.
const POLICY: &str = "[[routes]]\nname = \"list\"\nto = { builtin = \"servers\" }\n";

fn address(router: &Router) -> Result<&str> {
    router.edge.strip_prefix("http://").context("a plain http URL")
}

async fn connections_are(router: &Router, wanted: usize) {
    eventually_within(STREAM_PATIENCE, &format!("{wanted} connections are open"), async || {
        let text = client::http().get(format!("{}/metrics", router.admin)).send().await?.text().await?;
        let open: f64 = metrics::parse(&text)?
            .iter()
            .filter(|sample| sample.name == "sluice_connections")
            .map(|sample| sample.value)
            .sum();
        ensure!((open - wanted as f64).abs() < 0.5, "{open} are open");
        Ok(())
    })
    .await;
}

async fn idle_clients(protocol: Protocol, count: usize, bytes_max: u64) -> Result<()> {
    herd::allow(count)?;
    let router = Router::start(POLICY).await?;
    // Buffers and pools that serve everyone are made once.
    drop(herd::idle(address(&router)?, protocol, 100).await?);
    connections_are(&router, 0).await;
    let before = router.process.resident_bytes()?;
    let many = u64::try_from(count)?;
    let mut peaks = Vec::new();
    for _ in 0..3 {
        let clients = herd::idle(address(&router)?, protocol, count).await?;
        connections_are(&router, count).await;
        let grown = router.process.resident_bytes()?.saturating_sub(before);
        assert!(grown < many * bytes_max, "{} bytes for each of {count} connections", grown / many);
        assert_eq!(client::http().get(&router.edge).send().await?.status(), 200, "others are served");
        peaks.push(grown);
        drop(clients);
        connections_are(&router, 0).await;
    }
    let kept_max = peaks[0] * KEPT_SHARE_PERCENT / 100;
    eventually("the memory is given back", async || {
        // The allocator gives back as it works.
        client::http().get(&router.edge).send().await?;
        let kept = router.process.resident_bytes()?.saturating_sub(before);
        ensure!(kept < kept_max, "{kept} bytes are kept after {peaks:?}");
        Ok(())
    })
    .await;
    assert!(peaks[2] < peaks[0] + peaks[0] / 5, "the same crowd costs more each time: {peaks:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_clients_cost_little_and_give_it_back() -> Result<()> {
    idle_clients(Protocol::Http1, IDLE_CLIENTS, IDLE_BYTES_MAX).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_idle_http2_clients_cost_little_and_give_it_back() -> Result<()> {
    idle_clients(Protocol::Http2, IDLE_HTTP2_CLIENTS, IDLE_HTTP2_BYTES_MAX).await
}

/// Streams a GiB each way through `client` and watches the router's memory.
async fn stream_through(client: &Client) -> Result<()> {
    let flood = Flood::start().await?;
    let router = Router::start(&flood.policy()).await?;
    let warm = client.get(format!("{}/{}", router.edge, 4 << 20)).send().await?.bytes().await?;
    ensure!(warm.len() == 4 << 20, "{} bytes", warm.len());
    let before = router.process.resident_bytes()?;
    let is_flat = |what: &str, moved: usize| {
        let now = router.process.resident_bytes()?;
        ensure!(now < before + STREAM_GROWTH_BYTES_MAX, "{what}: from {before} to {now} bytes after {moved}");
        Ok(())
    };

    let mut response = client.get(format!("{}/{STREAM_BYTES}", router.edge)).send().await?;
    let (mut taken, mut looked) = (0, 0);
    while let Some(chunk) = response.chunk().await? {
        taken += chunk.len();
        if taken - looked > STREAM_BYTES / 32 {
            looked = taken;
            is_flat("down", taken)?;
        }
    }
    assert_eq!(taken, STREAM_BYTES);

    let part = Bytes::from(vec![FILLING; PART_BYTES]);
    let parts = (0..STREAM_BYTES / PART_BYTES).map(move |_| Ok::<_, std::io::Error>(part.clone()));
    let upload = client.post(&router.edge).body(Body::wrap_stream(stream::iter(parts))).send();
    let watched = async {
        let mut pace = interval(Duration::from_millis(100));
        loop {
            pace.tick().await;
            is_flat("up", 0)?;
        }
    };
    let answer = tokio::select! {
        response = upload => response?.text().await?,
        failed = watched => return failed,
    };
    assert_eq!(answer, STREAM_BYTES.to_string());
    is_flat("after", 2 * STREAM_BYTES)
}

fn patient() -> reqwest::ClientBuilder {
    Client::builder().timeout(STREAM_PATIENCE).no_proxy()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gibibyte_flows_down_and_up_in_flat_memory() -> Result<()> {
    stream_through(&patient().build()?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gibibyte_flows_down_and_up_over_http2_in_flat_memory() -> Result<()> {
    stream_through(&patient().http2_prior_knowledge().build()?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b26_a_hundred_reloads_under_full_load_fail_no_request() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    let load = Load::start_with(&stack.edge("/version"), Shape::FULL);
    load.answers(1_000).await;
    for number in 1..=RELOADS {
        let policy = another_policy(number)?;
        stack.router.publish(|router| router.replace(POLICY_FILE, policy.as_bytes())).await?;
    }
    let answered = load.finish().await?;
    assert!(answered > u64::from(RELOADS) * 50, "only {answered} requests were answered: no load");
    Ok(())
}

/// Does one slow thing until the router has had enough, again and again.
async fn be_slow(address: String, number: usize) -> Result<()> {
    let is_reader = number.is_multiple_of(SLOW_READER_EVERY);
    let opening = match number % 2 {
        _ if is_reader => format!("GET /{SLOW_DOWNLOAD_BYTES} HTTP/1.1\r\nhost: test\r\n\r\n"),
        0 => "GET / HTTP/1.1\r\nhost: test\r\nx-slow: ".to_owned(),
        _ => "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 1000000\r\n\r\n".to_owned(),
    };
    loop {
        let mut connection = TcpStream::connect(&address).await?;
        connection.write_all(opening.as_bytes()).await?;
        let mut pace = interval(DRIP);
        let mut byte = [0];
        loop {
            pace.tick().await;
            let went_on = if is_reader {
                connection.read_exact(&mut byte).await.is_ok()
            } else {
                connection.write_all(b"x").await.is_ok()
            };
            if !went_on {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_slow_clients_leave_service_to_others_intact() -> Result<()> {
    herd::allow(2 * SLOW_CLIENTS)?;
    let flood = Flood::start().await?;
    let setup = Setup::new(&flood.policy(), "embedded")?;
    let router = setup.start().await?;
    let warm = herd::idle(address(&router)?, Protocol::Http1, 100).await?;
    let before = router.process.resident_bytes()?;
    drop(warm);
    let mut slow = JoinSet::new();
    for number in 0..SLOW_CLIENTS {
        slow.spawn(be_slow(address(&router)?.to_owned(), number));
    }
    eventually_within(STREAM_PATIENCE, "all slow clients are there", async || {
        let text = client::http().get(format!("{}/metrics", router.admin)).send().await?.text().await?;
        let samples = metrics::parse(&text)?;
        let open = samples.iter().find(|sample| sample.name == "sluice_connections").context("a gauge")?.value;
        ensure!(open > SLOW_CLIENTS as f64 * 0.9, "{open}");
        Ok(())
    })
    .await;
    let (kept, fresh) = (client::keep_alive(), client::http());
    for number in 0..OTHERS_REQUESTS {
        let client = if number % 2 == 0 { &kept } else { &fresh };
        let response = client.get(format!("{}/100", router.edge)).send().await?;
        ensure!(response.status() == 200 && response.bytes().await?.len() == 100, "request {number}");
    }
    let grown = router.process.resident_bytes()?.saturating_sub(before);
    let many = u64::try_from(SLOW_CLIENTS)?;
    assert!(grown < many * SLOW_CLIENT_BYTES_MAX, "{} bytes for each of {many} slow clients", grown / many);
    slow.shutdown().await;
    // It would idle for as long as the router lets it.
    drop(kept);
    connections_are(&router, 0).await;
    Ok(())
}
