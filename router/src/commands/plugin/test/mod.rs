//! `sluice plugin test FILE --cases tests.toml`: requests shown to a plugin, and what must come of them.

mod golden;
mod text;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use serde::Serialize;
use sluice_control::chain;
use sluice_control::rehearsal::{CaseOutcome, Difference, Rehearsal, differences};
use sluice_wasm::Engine;

use super::cases;
use crate::commands::print;
use crate::terminal::Paint;

use golden::Golden;

/// Arguments of `sluice plugin test`.
#[derive(Debug, clap::Args)]
pub(crate) struct TestArgs {
    /// A plugin file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Requests, and what must come of them (docs/plugin-tests.md).
    #[arg(long, value_name = "FILE")]
    cases: PathBuf,
    /// Compare the whole outcome of each case with DIR/NAME.json.
    #[arg(long, value_name = "DIR")]
    golden: Option<PathBuf>,
    /// Write what comes into the golden files instead of comparing.
    #[arg(long, requires = "golden")]
    update: bool,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// One case, after it ran.
#[derive(Debug, Serialize)]
struct Ran {
    name: String,
    ok: bool,
    differences: Vec<Difference>,
    outcome: CaseOutcome,
}

/// Shows, compares, prints. The exit code says whether everything came as expected.
pub(crate) fn test(args: &TestArgs) -> anyhow::Result<ExitCode> {
    let tests = cases::read(&args.cases)?;
    let bytes = sluice_control::read_plugin_file(&args.file).map_err(|error| anyhow!(chain(&error)));
    let bytes = bytes.with_context(|| format!("read {}", args.file.display()))?;
    let engine = Engine::new().context("start the plugin engine")?;
    let artifact = engine.compile(&bytes).map_err(|error| cases::refused(&args.file, &error.into()))?;
    let mut rehearsal = Rehearsal::new(&artifact, &tests).map_err(|error| cases::refused(&args.file, &error))?;
    let mut golden = args.golden.as_deref().map(|folder| Golden::new(folder, args.update)).transpose()?;
    let mut ran = Vec::new();
    for case in &tests.cases {
        let outcome = rehearsal.run(case);
        let mut differences = differences(&outcome, &case.expect);
        if let Some(golden) = &mut golden {
            differences.extend(golden.hold(&case.name, &outcome)?);
        }
        ran.push(Ran { name: case.name.clone(), ok: differences.is_empty(), differences, outcome });
    }
    let stray = golden.map(Golden::stray).transpose()?.unwrap_or_default();
    if args.json {
        print(&format!("{:#}", serde_json::to_value(&ran)?));
    } else {
        print(&text::text(&ran, &stray, Paint::stdout()));
    }
    Ok(if ran.iter().all(|ran| ran.ok) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
