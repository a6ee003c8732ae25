//! `cargo xtask demo --fleet` as a user runs it: the original story, from an empty folder to one more server and back, while
//! visitors come of whom none is turned away.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sluice_tests::process::{Process, binary};
use tokio::process::Command;

/// It builds the app three times from its sources, the first time with all its dependencies, and waits for alerts to be over.
const PATIENCE: Duration = Duration::from_secs(900);
/// What is told, in this order.
const CHAPTERS: [&str; 10] = [
    "the cloud makes four droplets",
    "25 %, each always on the same side",
    "GET /set 404; GET /on at the admin port (true); GET /set 200",
    "a commit that breaks a unit test: refused",
    "the next commit: deployed",
    "the canary gets nobody any more",
    "a mail came: [firing] upload-size",
    "a mail came: [firing] cpu-high",
    "one droplet more: /listservers lists 4 servers",
    "the droplet was drained and is gone",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_original_story_is_told_to_its_end_and_no_request_fails() -> Result<()> {
    let mut command = Command::new(binary("xtask")?);
    command.env("SLUICE_PROGRAMS_BUILT", "1").args(["demo", "--fleet"]);
    let mut story = Process::start("xtask demo --fleet", &mut command)?;
    let told = story.line_within(PATIENCE, "told requests=").await?;
    let (requests, failed) = told.split_once(" failed=").context("it says how many failed")?;
    let status = story.wait().await?;
    let output = story.output();
    ensure!(status.success(), "the story ended with {status}:\n{output}");
    assert_eq!(failed, "0", "{output}");
    assert!(requests.parse::<u64>()? > 500, "hardly anybody came: {requests}");
    let mut rest = output.as_str();
    for chapter in CHAPTERS {
        let (_, after) = rest
            .split_once(chapter)
            .with_context(|| format!("`{chapter}` is not told, or not in its place:\n{output}"))?;
        rest = after;
    }
    Ok(())
}
