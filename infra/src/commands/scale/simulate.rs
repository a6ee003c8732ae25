//! `scale simulate`: a policy on recorded load, on a virtual clock, beside what others do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde::Serialize;
use sluice_document::Source;
use sluice_infra_scale::Controller;
use sluice_infra_scale::simulate::{Model, Report, Trace, baselines, flash_crowd, plot, run as rehearse};
use sluice_infra_spec::{ScaleSpec, parse, parse_policies};

use crate::context::Context;
use crate::print;
use crate::table::render;

/// Largest trace that is read, in bytes: years of minutes.
const TRACE_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// How much larger the load of a made-up crowd is.
const CROWD_FACTOR: f64 = 6.0;

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice-infra scale simulate --trace requests.csv --policy infra.toml --pool web
  sluice-infra scale simulate --trace requests.csv --policy policy.toml --svg run.svg
  sluice-infra scale simulate --flash-crowd 1 --policy policy.toml --capacity 76.5 --json

The trace is CSV with a heading, then a line a minute: `TIME,REQUESTS`. The policy is an infra.toml, or a file with
nothing but [pools.NAME.scale]. CPU is the load by the capacity; memory and p95 are not simulated.")]
pub(crate) struct Args {
    /// Requests per minute, as CSV
    #[arg(long, value_name = "FILE", required_unless_present = "flash_crowd")]
    trace: Option<PathBuf>,

    /// Instead of a trace: a day with a crowd of six times the load, made from this seed
    #[arg(long, value_name = "SEED", conflicts_with = "trace")]
    flash_crowd: Option<u64>,

    /// An infra.toml, or a file with [pools.NAME.scale]
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,

    /// The pool whose policy it is, if there are several
    #[arg(long, value_name = "POOL")]
    pool: Option<String>,

    /// Requests per second that fill a droplet; without it the busiest minute fills 50
    #[arg(long, value_name = "RPS")]
    capacity: Option<f64>,

    /// Seconds from the order of a droplet until it serves
    #[arg(long, value_name = "SECONDS", default_value_t = 180, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    boot: u64,

    /// US dollars for an hour of a droplet
    #[arg(long, value_name = "USD")]
    price: Option<f64>,

    /// Write a plot of the run
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// What comes out.
#[derive(Serialize)]
struct Outcome<'o> {
    model: &'o Model,
    ours: &'o Report,
    baselines: &'o [Report],
}

/// Reads, runs, prints.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let (pool, policy) = policy(&args.policy, args.pool.as_deref())?;
    let trace = trace(args)?;
    let model = model(args, &trace)?;
    let ours = rehearse(&format!("pool {pool}"), &trace, &model, &mut Controller::new(&policy));
    let baselines = baselines(&trace, &model);
    if let Some(file) = &args.svg {
        let other = baselines.last().unwrap_or(&ours);
        let picture = plot(&format!("Pool {pool}, on a virtual clock"), &ours, other);
        fs::write(file, picture).with_context(|| format!("write {}", file.display()))?;
    }
    if context.json() {
        print::document(&Outcome { model: &model, ours: &ours, baselines: &baselines })?;
    } else {
        print::text(&table(&ours, &baselines))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn trace(args: &Args) -> anyhow::Result<Trace> {
    match (&args.trace, args.flash_crowd) {
        (Some(file), _) => Trace::parse(&text(file)?).with_context(|| format!("read {}", file.display())),
        (None, seed) => Ok(flash_crowd(seed.unwrap_or_default(), CROWD_FACTOR)),
    }
}

fn model(args: &Args, trace: &Trace) -> anyhow::Result<Model> {
    let sound = |value: f64| value.is_finite() && value > 0.0;
    let usual = Model::of(trace);
    let capacity_rps = args.capacity.unwrap_or(usual.capacity_rps);
    let usd_per_hour = args.price.unwrap_or(usual.usd_per_hour);
    if !sound(capacity_rps) || !sound(usd_per_hour) {
        anyhow::bail!("--capacity and --price are above zero");
    }
    let boot = std::time::Duration::from_secs(args.boot);
    Ok(Model { boot, usd_per_hour, ..Model::with_capacity(trace, capacity_rps) })
}

/// The policy of this pool, or of the only one that has any.
fn policy(file: &Path, pool: Option<&str>) -> anyhow::Result<(String, ScaleSpec)> {
    let source = Source { file: file.display().to_string(), text: text(file)? };
    let policies = match parse_policies(&source) {
        Ok(policies) => policies,
        Err(faults) => match parse(&source) {
            Ok(spec) => spec.pools.into_iter().filter_map(|pool| Some((pool.name, pool.scale?))).collect(),
            // Which of the two it was meant to be shows in its tables.
            Err(of_fleet) if source.text.contains("[fleet]") => return Err(of_fleet.into()),
            Err(_) => return Err(faults.into()),
        },
    };
    let names = policies.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    let mut fitting = policies.into_iter().filter(|(name, _)| pool.is_none_or(|pool| pool == name));
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => anyhow::bail!("{}: no such pool has a scale policy; there are: {names}", source.file),
        (Some(_), Some(_)) => anyhow::bail!("{}: say which with --pool; there are: {names}", source.file),
    }
}

fn text(file: &Path) -> anyhow::Result<String> {
    let name = file.display();
    let bytes = fs::metadata(file).with_context(|| format!("read {name}"))?.len();
    if bytes > TRACE_BYTES_MAX {
        anyhow::bail!("{name} is larger than {TRACE_BYTES_MAX} bytes");
    }
    fs::read_to_string(file).with_context(|| format!("read {name}"))
}

fn table(ours: &Report, baselines: &[Report]) -> String {
    let rows = [ours].into_iter().chain(baselines).map(|report| {
        vec![
            report.name.clone(),
            format!("{:.3} %", report.slo_bad_percent),
            format!("{:.0}", report.droplet_hours),
            report.churn.to_string(),
            report.peak.to_string(),
            format!("${:.2}", report.cost_usd),
        ]
    });
    render(&["who", "slo bad", "droplet hours", "starts+stops", "peak", "cost"], rows, &[1, 2, 3, 4, 5])
}
