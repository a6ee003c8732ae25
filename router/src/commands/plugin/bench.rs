//! `sluice plugin bench FILE`: what a plugin costs on this machine.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use sluice_control::chain;
use sluice_control::rehearsal::{self, Bench, PhaseBench};
use sluice_policy::{PluginTests, Source};

use super::cases;
use crate::commands::print;
use crate::human::{bytes, count, nanos};
use crate::table::{Cell, Side, table};
use crate::terminal::Paint;

/// What is measured without `--cases`: one request that a plugin without conditions sees.
const DEFAULT_CASES: &str = "\
[[case]]
name = \"one request\"
request = { url = \"http://example.org/\", headers = { cookie = \"uid=42\" } }
response = { status = 200 }
";
/// Seconds that one phase may be measured.
const SECONDS: std::ops::RangeInclusive<f64> = 0.01..=600.0;

/// Arguments of `sluice plugin bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    /// A plugin file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Requests to measure, as for `sluice plugin test` [default: one GET of /].
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
    /// How long each phase is measured.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    seconds: f64,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// Measures and prints.
pub(crate) fn bench(args: &BenchArgs) -> anyhow::Result<ExitCode> {
    let tests = match &args.cases {
        Some(file) => cases::read(file)?,
        None => default_cases()?,
    };
    let file = sluice_control::read_plugin_file(&args.file).map_err(|error| anyhow!(chain(&error)));
    let file = file.with_context(|| format!("read {}", args.file.display()))?;
    let measured = rehearsal::bench(&file, &tests, Duration::from_secs_f64(args.seconds));
    let measured = measured.map_err(|error| cases::refused(&args.file, &error))?;
    if args.json {
        print(&format!("{:#}", serde_json::to_value(&measured)?));
    } else {
        print(&text(&measured, Paint::stdout()));
    }
    Ok(ExitCode::SUCCESS)
}

fn default_cases() -> anyhow::Result<PluginTests> {
    let source = Source { file: "default".to_owned(), text: DEFAULT_CASES.to_owned() };
    sluice_policy::parse_plugin_tests(&source).context("read the default case")
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "write a number of seconds".to_owned())?;
    let within = SECONDS.contains(&seconds);
    within.then_some(seconds).ok_or_else(|| format!("from {} to {}", SECONDS.start(), SECONDS.end()))
}

fn text(bench: &Bench, paint: Paint) -> String {
    let Bench { compile_cold_ns, compile_warm_ns, start_ns, memory_bytes, cases, left_out, native, phases } = bench;
    let warm = compile_warm_ns.map_or_else(|| "not kept".to_owned(), nanos);
    let label = |label: &str, text: &str| format!("{}{text}", paint.dim(&format!("{label:<12}")));
    let mut lines = vec![
        label("compile", &format!("{}; {warm} when it was compiled before", nanos(*compile_cold_ns))),
        label("start", &format!("{} an instance", nanos(*start_ns))),
        label("memory", &format!("{} an instance", bytes(*memory_bytes as u64))),
        label("cases", &cases.to_string()),
    ];
    if !left_out.is_empty() {
        lines.push(label("left out", &paint.yellow(&format!("{}: a call fails", left_out.join(", ")))));
    }
    lines.push(String::new());
    let row = |phase: &PhaseBench| -> [Cell; 4] {
        let PhaseBench { phase, p50_ns, p99_ns, calls_per_second, calls: _ } = phase;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate above zero, told in whole calls"
        )]
        let rate = *calls_per_second as u64;
        [phase.as_str().into(), nanos(*p50_ns).into(), nanos(*p99_ns).into(), count(rate).into()]
    };
    let rows: Vec<[Cell; 4]> = phases.iter().chain([native]).map(row).collect();
    let columns = [("PHASE", Side::Left), ("P50", Side::Right), ("P99", Side::Right), ("CALLS/S", Side::Right)];
    lines.push(table(columns, &rows, paint));
    if phases.is_empty() {
        lines.push(paint.yellow("no case reaches the plugin: write one that does, and pass it with --cases"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_case_is_one() {
        assert_eq!(default_cases().unwrap().cases.len(), 1);
    }

    #[test]
    fn a_measurement_has_its_bounds() {
        assert_eq!(seconds("0.5"), Ok(0.5));
        for text in ["0", "601", "-1", "NaN", "soon"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_table_shows_each_phase_and_the_clock() {
        let phase = |phase: &str, p50_ns| PhaseBench {
            phase: phase.to_owned(),
            calls: 10,
            p50_ns,
            p99_ns: 2 * p50_ns,
            calls_per_second: 1_234_567.8,
        };
        let bench = Bench {
            compile_cold_ns: 85_000_000,
            compile_warm_ns: Some(90_000),
            start_ns: 250_000,
            memory_bytes: 1 << 20,
            cases: 2,
            left_out: vec!["traps".to_owned()],
            native: phase("empty native call", 20),
            phases: vec![phase("request", 450)],
        };
        let expected = "\
compile     85.0 ms; 90.0 us when it was compiled before
start       250.0 us an instance
memory      1.0 MiB an instance
cases       2
left out    traps: a call fails

PHASE                 P50     P99    CALLS/S
request            450 ns  900 ns  1,234,567
empty native call   20 ns   40 ns  1,234,567";
        assert_eq!(text(&bench, Paint::none()), expected);
    }
}
