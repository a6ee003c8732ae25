//! Reads the Prometheus text format 0.0.4 as strictly as a scraper, so that a test notices what one would refuse.

use std::collections::HashSet;
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// One line that carries a value.
#[derive(Debug)]
pub struct Sample {
    /// With `_bucket`, `_sum` or `_count` where it belongs to a histogram.
    pub name: String,
    /// What stands between the braces.
    pub labels: String,
    /// The value.
    pub value: f64,
}

/// The family that the lines belong to which are being read.
#[derive(Default)]
struct Family {
    name: String,
    kind: String,
}

/// Reads a scrape: each family once, announced before its samples, no sample twice, every value a number.
///
/// # Errors
/// At the first line that is not so.
pub fn parse(text: &str) -> Result<Vec<Sample>> {
    ensure!(text.ends_with('\n'), "the last line does not end");
    let mut families = HashSet::new();
    let mut family = Family::default();
    let mut seen = HashSet::new();
    let mut samples = Vec::new();
    for line in text.lines() {
        if line.starts_with("# HELP ") {
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').with_context(|| format!("a type without a kind: {line}"))?;
            ensure!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            ensure!(families.insert(name), "a family stands twice: {line}");
            family = Family { name: name.to_owned(), kind: kind.to_owned() };
            continue;
        }
        let sample = sample(line).with_context(|| format!("read `{line}`"))?;
        ensure!(family.owns(&sample.name), "`{line}` stands below {}", family.name);
        ensure!(family.kind == "gauge" || sample.value >= 0.0, "a count below zero: {line}");
        ensure!(seen.insert((sample.name.clone(), sample.labels.clone())), "a sample stands twice: {line}");
        samples.push(sample);
    }
    check_buckets(&samples)?;
    Ok(samples)
}

impl Family {
    fn owns(&self, sample: &str) -> bool {
        if self.kind != "histogram" {
            return sample == self.name;
        }
        sample.strip_prefix(&self.name).is_some_and(|rest| ["_bucket", "_sum", "_count"].contains(&rest))
    }
}

fn sample(line: &str) -> Result<Sample> {
    let (series, value) = line.rsplit_once(' ').context("no value")?;
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').context("labels do not end")?),
        None => (series, ""),
    };
    let word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    ensure!(word(name), "a bad name");
    for label in labels.split(',').filter(|label| !label.is_empty()) {
        let (key, value) = label.split_once('=').context("a label without a value")?;
        ensure!(word(key) && value.len() >= 2 && value.starts_with('"') && value.ends_with('"'), "a bad label");
    }
    Ok(Sample { name: name.to_owned(), labels: labels.to_owned(), value: value.parse()? })
}

/// Buckets count up to the one without a bound, which is the count of all.
fn check_buckets(samples: &[Sample]) -> Result<()> {
    let mut below = 0.0;
    for sample in samples {
        if sample.name.ends_with("_bucket") {
            ensure!(sample.value >= below, "buckets count down: {sample:?}");
            below = sample.value;
        } else if sample.name.ends_with("_count") {
            ensure!(sample.value.total_cmp(&below).is_eq(), "the buckets end at {below}: {sample:?}");
            below = 0.0;
        } else if !sample.name.ends_with("_sum") {
            below = 0.0;
        }
    }
    Ok(())
}

/// Asks `promtool check metrics`.
///
/// # Errors
/// If it is not installed, or with what it finds.
pub async fn promtool(text: &str) -> Result<()> {
    let program = std::env::var("SLUICE_PROMTOOL").unwrap_or_else(|_| "promtool".to_owned());
    let mut command = Command::new(program);
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("start promtool: `cargo xtask test` finds or installs it")?;
    let mut input = child.stdin.take().context("promtool takes input")?;
    input.write_all(text.as_bytes()).await?;
    drop(input);
    let output = child.wait_with_output().await?;
    if !output.status.success() {
        bail!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
