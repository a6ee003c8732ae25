//! What load will be when a droplet that is ordered now begins to serve. For going out only.
//!
//! A trend is believed once it lasted: of the slopes of the last [`PIECES`] pieces of time, each as long as the look ahead,
//! the least counts. A jump is over before it is a trend, and noise has no slope that lasts, so neither orders droplets that
//! are sent away again.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Pieces of time that must agree.
const PIECES: u64 = 3;
/// Samples of one part of a piece become one.
const PARTS: u64 = 16;
/// Fewest samples of a piece that make a slope.
const SAMPLES_MIN: usize = 3;

/// Load of the last while.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trend {
    /// When it began, ms since the Unix epoch.
    since_ms: Option<u64>,
    /// The first time, the sum of the times behind it, the sum of the loads, and the number of samples.
    samples: VecDeque<(u64, u64, f64, u32)>,
}

impl Trend {
    /// Notes the load, and forgets what is too old to matter.
    pub(crate) fn note(&mut self, at_ms: u64, load: f64, ahead_ms: u64) {
        self.since_ms.get_or_insert(at_ms);
        match self.samples.back_mut() {
            Some((first_ms, behind_ms, sum, count)) if at_ms < first_ms.saturating_add(ahead_ms / PARTS) => {
                *behind_ms += at_ms.saturating_sub(*first_ms);
                *sum += load;
                *count += 1;
            }
            _ => self.samples.push_back((at_ms, 0, load, 1)),
        }
        let oldest_ms = at_ms.saturating_sub(PIECES * ahead_ms);
        while self.samples.front().is_some_and(|(first_ms, ..)| *first_ms < oldest_ms) {
            self.samples.pop_front();
        }
    }

    /// How much load will have grown in `ahead_ms`; zero if it does not grow, or not for long enough.
    pub(crate) fn growth(&self, at_ms: u64, ahead_ms: u64) -> f64 {
        let watched = self.since_ms.is_some_and(|since_ms| since_ms + PIECES * ahead_ms <= at_ms);
        if ahead_ms == 0 || !watched {
            return 0.0;
        }
        let slope = |piece| {
            let end_ms = at_ms - piece * ahead_ms;
            self.slope(end_ms - ahead_ms, end_ms)
        };
        let least = (0..PIECES).map(slope).reduce(f64::min).unwrap_or_default();
        (least * millis(ahead_ms)).max(0.0)
    }

    /// Load per ms from one time to another, by least squares; zero without enough samples.
    fn slope(&self, from_ms: u64, to_ms: u64) -> f64 {
        let samples = || {
            let within = move |(at_ms, ..): &&(u64, u64, f64, u32)| (from_ms..=to_ms).contains(at_ms);
            self.samples.iter().filter(within).map(move |(at_ms, behind_ms, sum, count)| {
                let count = f64::from(*count);
                (millis(at_ms - from_ms) + millis(*behind_ms) / count, sum / count)
            })
        };
        let count = samples().count();
        if count < SAMPLES_MIN {
            return 0.0;
        }
        let all = millis(count as u64);
        let (time, load) = samples().fold((0.0, 0.0), |(times, loads), (time, load)| (times + time, loads + load));
        let (mean_time, mean_load) = (time / all, load / all);
        let (over, under) = samples().fold((0.0, 0.0), |(over, under), (time, load)| {
            let off = time - mean_time;
            (over + off * (load - mean_load), under + off * off)
        });
        if under > 0.0 { over / under } else { 0.0 }
    }
}

/// As a number to reckon with: times of a day or so lose nothing.
#[expect(clippy::cast_precision_loss, reason = "spans of time are far below 2^53 ms")]
const fn millis(span_ms: u64) -> f64 {
    span_ms as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Growth foreseen for the next four minutes after a sample a minute.
    fn foreseen(loads: impl IntoIterator<Item = f64>) -> f64 {
        let mut trend = Trend::default();
        let mut last_ms = 0;
        for (minute, load) in (0..).zip(loads) {
            last_ms = minute * 60_000;
            trend.note(last_ms, load, 240_000);
        }
        trend.growth(last_ms, 240_000)
    }

    #[test]
    fn a_ramp_that_lasted_is_foreseen() {
        assert!((foreseen((0..20).map(f64::from)) - 4.0).abs() < 1e-6);
    }

    #[test]
    fn neither_a_jump_nor_a_short_ramp_nor_a_fall_is_a_trend() {
        assert!(foreseen((0..20).map(|minute| if minute < 18 { 1.0 } else { 6.0 })) < 1e-9);
        assert!(foreseen((0..11).map(f64::from)) < 1e-9, "not watched for long enough");
        assert!(foreseen((0..20).map(|minute| 50.0 - f64::from(minute))) < 1e-9);
    }

    #[test]
    fn memory_is_bounded() {
        let mut trend = Trend::default();
        for second in 0..20_000 {
            trend.note(second * 1_000, 1.0, 240_000);
        }
        assert!(trend.samples.len() as u64 <= PIECES * (PARTS + 1), "{}", trend.samples.len());
    }
}
