//! How a canary is judged: each bound by itself, then all of them together.

use super::{Analysis, Checked, CounterCheck, Judgement, LatencyCheck, Outcome, SuccessRate};
use crate::show;
use crate::stats::VariantStats;

/// How far beyond its bound a figure still counts as being on it: what a division loses.
const ROUNDING: f64 = 1e-9;
/// Failed checks that a summary tells; the judgement has them all.
const TOLD_MAX: usize = 3;

impl Analysis {
    /// Judges the canary by the figures of one interval.
    #[must_use]
    pub fn judge(&self, canary: &VariantStats, stable: &VariantStats, at_ms: u64) -> Judgement {
        let interval = Interval { canary, stable, min_samples: self.min_samples };
        let mut checks = Vec::new();
        if let Some(check) = &self.success_rate {
            interval.success_rate(check, &mut checks);
        }
        self.latency.iter().for_each(|check| interval.latency(check, &mut checks));
        self.counters.iter().for_each(|check| interval.counter(check, &mut checks));
        let has = |outcome| checks.iter().any(|check| check.outcome == outcome);
        let outcome = if has(Outcome::Fail) {
            Outcome::Fail
        } else if has(Outcome::NoData) || interval.is_too_few(canary) {
            Outcome::NoData
        } else {
            Outcome::Pass
        };
        let summary = interval.summary(outcome, &checks);
        Judgement { outcome, samples: canary.requests, checks, summary, at_ms }
    }
}

/// The figures of one interval.
struct Interval<'a> {
    canary: &'a VariantStats,
    stable: &'a VariantStats,
    min_samples: u64,
}

/// One figure of both variants, and how it is shown.
struct Figure {
    check: String,
    canary: Option<f64>,
    stable: Option<f64>,
    show: fn(f64) -> String,
}

impl Interval<'_> {
    fn success_rate(&self, check: &SuccessRate, into: &mut Vec<Checked>) {
        let SuccessRate { min_percent, below_stable_max } = *check;
        let figure = Figure {
            check: "success rate".to_owned(),
            canary: self.canary.success_percent(),
            stable: self.stable.success_percent(),
            show: show::percent,
        };
        into.extend(min_percent.map(|min| {
            let bound = format!("at least {}", show::percent(min));
            self.absolute(&figure, bound, |canary| canary >= min - ROUNDING)
        }));
        into.extend(below_stable_max.map(|max| {
            let bound = format!("at most {} points below stable", show::number(max, 2));
            self.relative(&figure, bound, |canary, stable| stable - canary <= max + ROUNDING)
        }));
    }

    #[expect(clippy::cast_precision_loss, reason = "latencies end at 10 s; the value above stays above")]
    fn latency(&self, check: &LatencyCheck, into: &mut Vec<Checked>) {
        let LatencyCheck { quantile, max_micros, over_stable_max } = *check;
        let of = |stats: &VariantStats| stats.latency_micros(quantile).map(|micros| micros as f64);
        let figure = Figure {
            check: format!("p{} latency", show::number(quantile * 100.0, 2)),
            canary: of(self.canary),
            stable: of(self.stable),
            show: latency_text,
        };
        into.extend(max_micros.map(|max| {
            let bound = format!("at most {}", show::micros(max));
            self.absolute(&figure, bound, |canary| canary <= max as f64)
        }));
        into.extend(over_stable_max.map(|max| self.ratio(&figure, max)));
    }

    fn counter(&self, check: &CounterCheck, into: &mut Vec<Checked>) {
        let CounterCheck { counter, per_request_max, over_stable_max } = check;
        let figure = Figure {
            check: format!("{counter} per request"),
            canary: self.canary.per_request(counter),
            stable: self.stable.per_request(counter),
            show: per_request_text,
        };
        into.extend(per_request_max.map(|max| {
            let bound = format!("at most {}", per_request_text(max));
            self.absolute(&figure, bound, |canary| canary <= max + ROUNDING)
        }));
        into.extend(over_stable_max.map(|max| self.ratio(&figure, max)));
    }

    /// Where stable has nothing of it, the canary must have nothing either.
    fn ratio(&self, figure: &Figure, max: f64) -> Checked {
        let bound = format!("at most {} times stable's", show::number(max, 2));
        self.relative(figure, bound, |canary, stable| canary <= stable * max + ROUNDING)
    }

    fn absolute(&self, figure: &Figure, bound: String, is_good: impl Fn(f64) -> bool) -> Checked {
        let canary = figure.canary.filter(|_| !self.is_too_few(self.canary));
        let outcome = canary.map_or(Outcome::NoData, |canary| outcome_of(is_good(canary)));
        let canary = self.shown(self.canary, canary, figure.show);
        Checked { check: figure.check.clone(), outcome, canary, stable: None, bound }
    }

    fn relative(&self, figure: &Figure, bound: String, is_good: impl Fn(f64, f64) -> bool) -> Checked {
        let canary = figure.canary.filter(|_| !self.is_too_few(self.canary));
        let stable = figure.stable.filter(|_| !self.is_too_few(self.stable));
        let outcome = match (canary, stable) {
            (Some(canary), Some(stable)) => outcome_of(is_good(canary, stable)),
            _ => Outcome::NoData,
        };
        let (canary, stable) =
            (self.shown(self.canary, canary, figure.show), self.shown(self.stable, stable, figure.show));
        Checked { check: figure.check.clone(), outcome, canary, stable: Some(stable), bound }
    }

    const fn is_too_few(&self, stats: &VariantStats) -> bool {
        stats.requests < self.min_samples
    }

    /// A figure, or why there is none.
    fn shown(&self, stats: &VariantStats, figure: Option<f64>, show: fn(f64) -> String) -> String {
        match figure {
            Some(figure) => show(figure),
            None if self.is_too_few(stats) => format!("{} of {} requests", stats.requests, self.min_samples),
            None => "nothing counted".to_owned(),
        }
    }

    fn summary(&self, outcome: Outcome, checks: &[Checked]) -> String {
        let failed: Vec<&Checked> = checks.iter().filter(|check| check.outcome == Outcome::Fail).collect();
        match outcome {
            Outcome::Pass => {
                let all =
                    if checks.len() == 1 { "its check".to_owned() } else { format!("all {} checks", checks.len()) };
                format!("passed {all} on {} requests", self.canary.requests)
            }
            Outcome::NoData if self.is_too_few(self.canary) => {
                format!("too few requests: {} of {}", self.canary.requests, self.min_samples)
            }
            Outcome::NoData if self.is_too_few(self.stable) => {
                format!("too few requests of stable to compare with: {} of {}", self.stable.requests, self.min_samples)
            }
            Outcome::NoData => "nothing was counted that could be judged".to_owned(),
            Outcome::Fail => {
                let mut told: Vec<String> = failed.iter().take(TOLD_MAX).map(|check| told(check)).collect();
                let untold = failed.len() - told.len();
                if untold > 0 {
                    told.push(format!("{untold} more"));
                }
                told.join("; ")
            }
        }
    }
}

/// `p99 latency is 750 ms, at most 500 ms`.
fn told(check: &Checked) -> String {
    let Checked { check, canary, stable, bound, .. } = check;
    let stable = stable.as_ref().map_or_else(String::new, |stable| format!(" (stable {stable})"));
    format!("{check} is {canary}, must be {bound}{stable}")
}

const fn outcome_of(is_good: bool) -> Outcome {
    if is_good { Outcome::Pass } else { Outcome::Fail }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "made from a u64; the cast saturates")]
fn latency_text(micros: f64) -> String {
    match micros as u64 {
        u64::MAX => "more than 10 s".to_owned(),
        micros => show::micros(micros),
    }
}

fn per_request_text(count: f64) -> String {
    show::number(count, 4)
}
