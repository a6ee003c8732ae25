//! What a plugin costs: compiling, starting, and each call of each phase, measured on this machine.
//!
//! A number is the median of several rounds after a warm-up, so that one interruption does not tell. Single calls are timed
//! by two readings of the clock, whose own cost the empty native call shows: it is in every other number too.

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde::Serialize;
use sluice_policy::PluginTests;
use sluice_snapshot::plugin::Phase;
use sluice_wasm::{CallError, Engine};
use tracing::subscriber::{NoSubscriber, with_default};

use super::call::Call;
use super::{Rehearsal, RehearsalError, instance};

/// Rounds of each measurement; odd, so that the median is one of them.
const ROUNDS: u32 = 11;
/// Part of each measurement's time that comes first and does not count.
const WARM_UP_SHARE: u32 = 10;
/// Parts of each measurement's time: each round calls without a clock first, then with one.
const PARTS: u32 = 2 * ROUNDS;
/// Calls between two looks at the clock, at most.
const BATCH_CALLS_MAX: usize = 64;
/// Batches that the warm-up would have been, at least.
const WARM_UP_BATCHES: usize = 10;
/// Calls of one round that are timed one by one.
const SAMPLES_MAX: usize = 10_000;
/// Times that something slow is repeated at most, and as long as it takes less than this in all.
const REPEATS_MAX: usize = 21;
const REPEATS_TIME: Duration = Duration::from_secs(1);

/// What a plugin costs. Times in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bench {
    /// Compiling the file, on one thread.
    pub compile_cold_ns: u64,
    /// Loading it compiled by an earlier process; `None` = it could not be kept.
    pub compile_warm_ns: Option<u64>,
    /// One instance, `init` included.
    pub start_ns: u64,
    /// Linear memory of an instance after all calls.
    pub memory_bytes: usize,
    /// Cases that were measured.
    pub cases: usize,
    /// Names of cases that were left out, since a call of theirs fails.
    pub left_out: Vec<String>,
    /// An empty native call under the same clock.
    pub native: PhaseBench,
    /// The phases that come in any case.
    pub phases: Vec<PhaseBench>,
}

/// What one phase costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PhaseBench {
    /// Its name.
    pub phase: String,
    /// Calls that were made.
    pub calls: u64,
    /// Median of a call.
    pub p50_ns: u64,
    /// 99th percentile of a call.
    pub p99_ns: u64,
    /// Calls one after the other, without a clock between them.
    pub calls_per_second: f64,
}

/// Measures `file` over the cases of `tests`, each phase for about `time`. Blocking, and busy all the while.
///
/// # Errors
/// [`RehearsalError`]: there is nothing to measure.
pub fn bench(file: &[u8], tests: &PluginTests, time: Duration) -> Result<Bench, RehearsalError> {
    // Lines that the plugin logs are not part of its cost, and would flood the terminal.
    with_default(NoSubscriber::default(), || measure(file, tests, time))
}

fn measure(file: &[u8], tests: &PluginTests, time: Duration) -> Result<Bench, RehearsalError> {
    let engine = Engine::new()?;
    let compile_cold_ns = repeated(|| Ok(engine.compile(file)?))?;
    let compile_warm_ns = warm(file)?;
    let artifact = engine.compile(file)?;
    let mut rehearsal = Rehearsal::new(&artifact, tests)?;
    let start_ns = repeated(|| Ok(instance(&artifact, &rehearsal.spec)?))?;
    let (mut calls, mut left_out) = (Vec::new(), Vec::new());
    for case in &tests.cases {
        match rehearsal.calls(case) {
            Some(made) => calls.extend(made),
            None => left_out.push(case.name.clone()),
        }
    }
    let mut instance = rehearsal
        .informed_instance()
        .map_err(|outcome| RehearsalError::State { reason: outcome.failure.unwrap_or_default() })?;
    let mut phases = Vec::new();
    for phase in Phase::ALL {
        let calls: Vec<&Call> = calls.iter().filter(|call| call.phase() == phase).collect();
        if !calls.is_empty() {
            phases.push(rounds(phase.as_str(), time, calls.len(), |index| calls[index].make(&mut instance).map(drop))?);
        }
    }
    let native = rounds(NATIVE, time, 1, |index| {
        black_box(index);
        Ok(())
    })?;
    let memory_bytes = instance.memory_bytes();
    let cases = tests.cases.len() - left_out.len();
    Ok(Bench { compile_cold_ns, compile_warm_ns, start_ns, memory_bytes, cases, left_out, native, phases })
}

/// Name of what is measured to tell the cost of the clock.
const NATIVE: &str = "empty native call";

/// Loading the file in an engine that finds it compiled.
fn warm(file: &[u8]) -> Result<Option<u64>, RehearsalError> {
    let parent = tempfile::tempdir().map_err(RehearsalError::Folder)?;
    // Made by the cache itself, which uses no folder that others may enter.
    let folder = parent.path().join("artifacts");
    let _kept = Engine::with_cache(&folder)?.compile(file)?;
    let mut was_kept = true;
    let engine = Engine::with_cache(&folder)?;
    let time = repeated(|| {
        let artifact = engine.compile(file)?;
        was_kept &= artifact.was_kept();
        Ok(artifact)
    })?;
    Ok(Some(time).filter(|_| was_kept))
}

/// Median of the times that `work` takes.
fn repeated<T>(mut work: impl FnMut() -> Result<T, RehearsalError>) -> Result<u64, RehearsalError> {
    let began = Instant::now();
    let mut times = Vec::new();
    while times.is_empty() || (times.len() < REPEATS_MAX && began.elapsed() < REPEATS_TIME) {
        let at = Instant::now();
        let done = work()?;
        times.push(nanos(at.elapsed()));
        drop(done);
    }
    Ok(median(&mut times))
}

/// Calls `call` with 0 to `period` - 1, again and again, for about `time`.
fn rounds(
    phase: &'static str,
    time: Duration,
    period: usize,
    mut call: impl FnMut(usize) -> Result<(), CallError>,
) -> Result<PhaseBench, RehearsalError> {
    let mut made = 0_u64;
    let mut next = 0;
    let mut one = || {
        let called = call(next);
        next = (next + 1) % period;
        made += 1;
        called.map_err(|source| RehearsalError::Call { phase, source })
    };
    let began = Instant::now();
    let mut warm_up = 0;
    while warm_up < period || began.elapsed() < time / WARM_UP_SHARE {
        one()?;
        warm_up += 1;
    }
    // A slow call is looked at more often than a fast one, so that no round takes much longer than it should.
    let batch = (warm_up / WARM_UP_BATCHES).clamp(1, BATCH_CALLS_MAX);
    let round = time / PARTS;
    let (mut p50, mut p99, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    let mut samples = Vec::with_capacity(SAMPLES_MAX);
    for _ in 0..ROUNDS {
        rates.push(rate(round, batch, &mut one)?);
        sample(round, &mut samples, &mut one)?;
        p50.push(percentile(&samples, 50));
        p99.push(percentile(&samples, 99));
    }
    rates.sort_by(f64::total_cmp);
    let (p50_ns, p99_ns) = (median(&mut p50), median(&mut p99));
    Ok(PhaseBench { phase: phase.to_owned(), calls: made, p50_ns, p99_ns, calls_per_second: rates[rates.len() / 2] })
}

/// Calls in a second, without a clock between those of a batch.
fn rate(
    round: Duration,
    batch: usize,
    one: &mut impl FnMut() -> Result<(), RehearsalError>,
) -> Result<f64, RehearsalError> {
    let began = Instant::now();
    let mut calls = 0_u32;
    loop {
        for _ in 0..batch {
            one()?;
            calls = calls.saturating_add(1);
        }
        let took = began.elapsed();
        if took >= round {
            return Ok(f64::from(calls) / took.as_secs_f64());
        }
    }
}

/// Times calls one by one, sorted.
fn sample(
    round: Duration,
    samples: &mut Vec<u64>,
    one: &mut impl FnMut() -> Result<(), RehearsalError>,
) -> Result<(), RehearsalError> {
    samples.clear();
    let began = Instant::now();
    while samples.is_empty() || (samples.len() < SAMPLES_MAX && began.elapsed() < round) {
        let at = Instant::now();
        one()?;
        samples.push(nanos(at.elapsed()));
    }
    samples.sort_unstable();
    Ok(())
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn median(values: &mut [u64]) -> u64 {
    values.sort_unstable();
    percentile(values, 50)
}

/// The value that so many percent of `sorted` do not exceed.
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(rank).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let values: Vec<u64> = (1..=100).collect();
        assert_eq!((percentile(&values, 50), percentile(&values, 99)), (50, 99));
        assert_eq!((percentile(&[7], 50), percentile(&[7], 99), percentile(&[], 50)), (7, 7, 0));
        assert_eq!(median(&mut [9, 1, 5]), 5);
    }

    #[test]
    fn every_input_takes_its_turn() {
        let mut seen = [0_u64; 3];
        let measured = rounds("request", Duration::from_millis(5), 3, |index| {
            seen[index] += 1;
            Ok(())
        });
        let measured = measured.unwrap();
        assert_eq!(seen.iter().sum::<u64>(), measured.calls);
        assert!(seen.iter().max().unwrap() - seen.iter().min().unwrap() <= 1, "{seen:?}");
        assert!(measured.calls_per_second > 0.0 && measured.p50_ns <= measured.p99_ns);
    }

    #[test]
    fn a_call_that_fails_is_not_measured() {
        let failed = rounds("request", Duration::from_millis(5), 1, |_| Err(CallError::Poisoned));
        assert!(matches!(failed, Err(RehearsalError::Call { phase: "request", .. })));
    }
}
