//! Made-up load, the same for the same seed: a value a minute.

use std::f64::consts::TAU;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::trace::Trace;

/// Minutes of a day.
const DAY: u32 = 1_440;
/// Mean load, requests per second: about that of the WorldCup98 trace.
const BASE_RPS: f64 = 400.0;
/// How far day and night are from the mean, as a share.
const DAY_SWING: f64 = 0.5;
/// Load is least at 02:00.
const LOWEST_MINUTE: u32 = 120;
/// Noise: each minute is off by up to this share.
const NOISE: f64 = 0.05;
/// When the flash crowd comes, and how long it takes to be all there: minutes.
const CROWD: (u32, u32) = (700, 2);
/// How long the crowd stays, minutes.
const CROWD_STAYS: u32 = 60;
/// How long until two thirds of those that are left have gone, minutes.
const CROWD_GOES: f64 = 20.0;

/// A day with a crowd that multiplies the load by `factor` within two minutes, stays an hour and fades.
#[must_use]
pub fn flash_crowd(seed: u64, factor: f64) -> Trace {
    let (comes, takes) = CROWD;
    made(seed, DAY, NOISE, |minute| {
        let since = minute.saturating_sub(comes);
        let crowd = match minute {
            _ if minute < comes => 0.0,
            _ if since < takes => f64::from(since + 1) / f64::from(takes),
            _ if since < takes + CROWD_STAYS => 1.0,
            _ => (-f64::from(since - takes - CROWD_STAYS) / CROWD_GOES).exp(),
        };
        daily(minute) * (1.0 + (factor - 1.0) * crowd)
    })
}

/// Two weeks of days and nights, with quieter week-ends.
#[must_use]
pub fn weekdays(seed: u64) -> Trace {
    made(seed, 14 * DAY, NOISE, |minute| daily(minute) * if (minute / DAY) % 7 >= 5 { 0.5 } else { 1.0 })
}

/// Twelve hours that are as `BASE_RPS` says, then three times as much.
#[must_use]
pub fn step(seed: u64) -> Trace {
    made(seed, DAY, NOISE, |minute| if minute < DAY / 2 { BASE_RPS } else { 3.0 * BASE_RPS })
}

/// A day of constant load with much noise: nothing should move.
#[must_use]
pub fn noise(seed: u64) -> Trace {
    made(seed, DAY, 2.0 * NOISE, |_| BASE_RPS)
}

fn daily(minute: u32) -> f64 {
    let turn = f64::from((minute + DAY - LOWEST_MINUTE) % DAY) / f64::from(DAY) * TAU;
    BASE_RPS * (1.0 - DAY_SWING * turn.cos())
}

fn made(seed: u64, minutes: u32, noise: f64, load: impl Fn(u32) -> f64) -> Trace {
    let mut random = StdRng::seed_from_u64(seed);
    let rps = (0..minutes).map(|minute| load(minute) * (1.0 + random.random_range(-noise..noise))).collect();
    Trace { step: Duration::from_secs(60), rps, lost: None }
}
