//! A controller on a virtual clock, against recorded or made-up load. The controller is the one of the live loop; only the
//! droplets, their load and the clock are made up.

mod baseline;
mod generate;
mod svg;
mod trace;
mod world;

use serde::Serialize;

pub use self::baseline::{Hpa, Original, Pool, Scaler};
pub use self::generate::{flash_crowd, noise, step, weekdays};
pub use self::svg::plot;
pub use self::trace::{Trace, TraceError};
use self::world::World;
use crate::controller::span_ms;

/// A droplet serves badly above this share of its capacity: the objective of the facts that baselines were measured by.
const UTILISATION_MAX: f64 = 0.8;
/// Milliseconds of an hour.
const HOUR_MS: f64 = 3_600_000.0;
/// Where the default capacity comes from: the busiest moment fills so many droplets. It reproduces the known figures of
/// the baselines on the WorldCup98 trace, see `docs/infra-scale.md`.
const PEAK_DROPLETS: f64 = 50.0;
/// Utilisation that baselines aim at, as a share.
pub(crate) const BASELINE_TARGET: f64 = 0.6;

/// What a droplet is like.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Model {
    /// Requests per second that fill it.
    pub capacity_rps: f64,
    /// From the order until it serves.
    pub boot: std::time::Duration,
    /// US dollars for an hour of it, from the order on.
    pub usd_per_hour: f64,
    /// Droplets that serve when the trace begins.
    pub start: u32,
}

impl Model {
    /// The model that goes with a trace when nothing else is said: 3 minutes to boot, the price of `s-1vcpu-1gb`.
    #[must_use]
    pub fn of(trace: &Trace) -> Self {
        Self::with_capacity(trace, (trace.peak() / PEAK_DROPLETS).max(f64::MIN_POSITIVE))
    }

    /// The same, with droplets that carry so much.
    #[must_use]
    pub fn with_capacity(trace: &Trace, capacity_rps: f64) -> Self {
        let first = trace.rps.first().copied().unwrap_or_default();
        let start = crate::controller::whole(first / (capacity_rps * BASELINE_TARGET)).max(1);
        Self { capacity_rps, boot: std::time::Duration::from_secs(180), usd_per_hour: 0.008_93, start }
    }
}

/// How a run went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Whose run.
    pub name: String,
    /// Share of the time above 80 % of the capacity, percent.
    pub slo_bad_percent: f64,
    /// Hours of droplets, from the order to the end of each.
    pub droplet_hours: f64,
    /// Droplets started and stopped.
    pub churn: u64,
    /// What the hours cost, US dollars.
    pub cost_usd: f64,
    /// Most droplets at a time.
    pub peak: u32,
    /// Each step, for plots.
    #[serde(skip)]
    pub points: Vec<Point>,
}

/// One step of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Load, requests per second.
    pub rps: f64,
    /// What the droplets that serve carry before they serve badly, requests per second.
    pub capacity_rps: f64,
    /// Droplets that the scaler wants.
    pub desired: u32,
    /// True above 80 % of the capacity.
    pub is_bad: bool,
}

/// Runs a scaler through a trace.
pub fn run(name: &str, trace: &Trace, model: &Model, scaler: &mut dyn Scaler) -> Report {
    let mut world = World::new(model);
    let mut points = Vec::with_capacity(trace.rps.len());
    let (mut bad, mut peak, mut droplet_ms) = (0_u32, 0, 0.0);
    let step_ms = span_ms(trace.step);
    let mut at_ms = 0;
    for (index, rps) in trace.rps.iter().enumerate() {
        let known = trace.lost.as_ref().is_none_or(|lost| !lost.contains(&index));
        let capacity_rps = world.advance(at_ms, *rps, known) * UTILISATION_MAX;
        let is_bad = *rps > capacity_rps;
        bad += u32::from(is_bad);
        droplet_ms += f64::from(world.droplets()) * trace.step.as_secs_f64() * 1_000.0;
        let decision = scaler.step(&world.observation);
        points.push(Point { rps: *rps, capacity_rps, desired: decision.desired, is_bad });
        world.carry_out(&decision.actions);
        peak = peak.max(world.droplets());
        at_ms += step_ms;
    }
    let steps = u32::try_from(trace.rps.len()).unwrap_or(u32::MAX).max(1);
    let droplet_hours = droplet_ms / HOUR_MS;
    Report {
        name: name.to_owned(),
        slo_bad_percent: f64::from(bad) * 100.0 / f64::from(steps),
        droplet_hours,
        churn: world.churn,
        cost_usd: droplet_hours * model.usd_per_hour,
        peak,
        points,
    }
}

/// The runs of what others do, in the order of the facts.
#[must_use]
pub fn baselines(trace: &Trace, model: &Model) -> Vec<Report> {
    vec![
        run("original, +1 per alert", trace, model, &mut Original::default()),
        run("DigitalOcean pool, 10 min", trace, model, &mut Pool::default()),
        run("Kubernetes HPA, 15 min", trace, model, &mut Hpa::default()),
    ]
}

#[cfg(test)]
mod tests;
