//! What the targets wish for: how many droplets carry the load that was measured, with each at its target.

use sluice_infra_spec::{ScaleSpec, TargetSpec};

use crate::decision::{Wish, Wisher};
use crate::observation::{Droplet, DropletState, Observation};

/// A p95 above its target at most doubles the droplets at once: latency says that there are too few, hardly how many.
const P95_GROWTH_MAX: f64 = 2.0;

/// What the load needs, in droplets at their target; not rounded.
#[derive(Debug, Default)]
pub(crate) struct Need {
    /// For going out; `None` = no metric is known.
    pub(crate) out: Option<f64>,
    /// For going in; `None` = not every metric is known, so nothing may leave.
    pub(crate) inward: Option<f64>,
    /// What the trend is read from: load that does not depend on how many droplets there are.
    pub(crate) load: Option<f64>,
    /// Each metric's wish.
    pub(crate) wishes: Vec<Wish>,
    /// Metrics without data.
    pub(crate) unknown: Vec<Wisher>,
}

/// One metric's need.
struct Part {
    by: Wisher,
    measured: f64,
    target: f64,
    out: f64,
    inward: f64,
}

/// What these targets need now.
pub(crate) fn of(spec: &ScaleSpec, target: &TargetSpec, observation: &Observation) -> Need {
    let serving = Serving::of(spec, observation);
    let rps = |each: f64| {
        let rps = observation.traffic.rps.filter(|rps| rps.is_finite() && *rps >= 0.0)?;
        let need = rps / each;
        Some(Part { by: Wisher::Rps, measured: rps, target: each, out: need, inward: need })
    };
    let p95 = |limit: std::time::Duration| {
        let limit_ms = limit.as_secs_f64() * 1_000.0;
        let p95_ms = observation.traffic.p95_ms.filter(|p95| p95.is_finite() && *p95 >= 0.0)?;
        let all = f64::from(serving.all).max(1.0);
        // One droplet less at most: a low latency does not say how much too many there are.
        let need = (all * p95_ms / limit_ms).clamp(all - 1.0, all * P95_GROWTH_MAX);
        Some(Part { by: Wisher::P95, measured: p95_ms, target: limit_ms, out: need, inward: need })
    };
    let parts = [
        (Wisher::Rps, target.rps_per_droplet.map(rps)),
        (Wisher::Cpu, target.cpu.map(|cpu| serving.mean(Wisher::Cpu, cpu, |droplet| droplet.cpu))),
        (Wisher::Memory, target.memory.map(|memory| serving.mean(Wisher::Memory, memory, |droplet| droplet.memory))),
        (Wisher::P95, target.p95.map(p95)),
    ];
    let mut need = Need::default();
    for (by, part) in parts {
        match part {
            None => {}
            Some(None) => need.unknown.push(by),
            Some(Some(part)) => need.take(&part, serving.warming == 0),
        }
    }
    if !need.unknown.is_empty() {
        need.inward = None;
    }
    need
}

impl Need {
    fn take(&mut self, part: &Part, settled: bool) {
        let larger = |so_far: Option<f64>, new: f64| Some(so_far.map_or(new, |so_far| so_far.max(new)));
        self.out = larger(self.out, part.out);
        self.inward = larger(self.inward, part.inward);
        // While droplets warm up, the means are of the others only and would show a trend that is none.
        if part.by == Wisher::Rps || (part.by == Wisher::Cpu && self.load.is_none() && settled) {
            self.load = Some(part.out);
        }
        let droplets = whole(part.out);
        self.wishes.push(Wish { by: part.by, measured: part.measured, target: part.target, droplets });
    }
}

/// Droplets that carry so much; what is within a billionth of a whole number is that number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded, and a cast from float saturates")]
pub(crate) fn whole(need: f64) -> u32 {
    (need - 1e-9).ceil().clamp(0.0, f64::from(u32::MAX)) as u32
}

/// The droplets that carry load.
struct Serving<'o> {
    settled: Vec<&'o Droplet>,
    warming: u32,
    all: u32,
}

impl<'o> Serving<'o> {
    fn of(spec: &ScaleSpec, observation: &'o Observation) -> Self {
        let warm_up_ms = super::span_ms(spec.warm_up);
        let serving = observation.droplets.iter().filter(|droplet| droplet.state == DropletState::Serving);
        let is_settled = |droplet: &&Droplet| droplet.since_ms.saturating_add(warm_up_ms) <= observation.at_ms;
        let (settled, warming): (Vec<_>, Vec<_>) = serving.partition(is_settled);
        let count = |droplets: &[&Droplet]| u32::try_from(droplets.len()).unwrap_or(u32::MAX);
        let (warming, all) = (count(&warming), count(&settled).saturating_add(count(&warming)));
        Self { settled, warming, all }
    }

    /// Of a metric of each droplet. For going out, those that warm up carry nothing, and those without a figure what the
    /// others do; for going in, both are at their target at least.
    fn mean(&self, by: Wisher, target: f64, of: impl Fn(&Droplet) -> Option<f64>) -> Option<Part> {
        let known = |droplet: &&Droplet| of(droplet).filter(|value| value.is_finite() && *value >= 0.0);
        let (sum, count) =
            self.settled.iter().filter_map(known).fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
        if count == 0 {
            return None;
        }
        let mean = sum / f64::from(count);
        let missing = f64::from(self.all - self.warming - count);
        let out = (sum + missing * mean) / target;
        let inward = sum / target + missing * (mean / target).max(1.0) + f64::from(self.warming);
        Some(Part { by, measured: mean, target, out, inward: inward.max(out) })
    }
}
