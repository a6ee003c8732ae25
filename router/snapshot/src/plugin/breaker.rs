//! Keeps requests from a plugin that fails again and again: quarantined, it is not called, until a probe succeeds.
//!
//! One for all workers. While nothing fails it is one relaxed load per call: the word that stands for its state is
//! written on failures, and once by the success after them.
//!
//! The phase that failed last is remembered. A plugin that fails in one phase and works in another would else never
//! have failures in a row, and a probe in the phase that works would bring it back for nothing.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use serde::Serialize;
use sluice_policy::PluginBreaker;

use super::stats::Phase;

/// No failure is remembered.
const CLOSED: u64 = 0;
/// Set while it is quarantined; then the low bits are the end of the quarantine, Unix time in ms, else failures in a row.
const OPEN: u64 = 1 << 63;
/// Set while a probe is on its way.
const PROBING: u64 = 1 << 62;
const PHASE_SHIFT: u32 = 56;
const PHASE_MASK: u64 = 0b111 << PHASE_SHIFT;
const LOW_MASK: u64 = (1 << PHASE_SHIFT) - 1;

/// See the module.
#[derive(Debug)]
pub struct Breaker {
    /// `None` = it never opens.
    settings: Option<PluginBreaker>,
    word: AtomicU64,
    /// Quarantines since it last worked: each doubles the next.
    level: AtomicU32,
    openings: AtomicU32,
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum BreakerState {
    /// The plugin is called.
    Closed,
    /// It is not called.
    Quarantined {
        /// When a probe may try, Unix time.
        until_ms: u64,
        /// How often it was quarantined since it was loaded.
        openings: u32,
    },
    /// One request tries it.
    Probing,
}

/// A quarantine that has just begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Failed calls in a row that began it.
    pub failures: u32,
    /// How long it lasts.
    pub wait_ms: u64,
    /// It goes on after a probe that failed: that is no news.
    pub is_continued: bool,
}

/// Leave for one call. Dropped without a word about how the call went, it changes nothing.
#[derive(Debug)]
#[must_use]
pub struct Pass<'a> {
    breaker: &'a Breaker,
    /// The word that let it through.
    seen: u64,
}

impl Breaker {
    /// A closed one; `None` = it never opens.
    #[must_use]
    pub const fn new(settings: Option<PluginBreaker>) -> Self {
        let (level, openings) = (AtomicU32::new(0), AtomicU32::new(0));
        Self { settings, word: AtomicU64::new(CLOSED), level, openings }
    }

    /// Leave for one call, or `None` in quarantine. After it, one call at a time is let through as a probe. The clock is
    /// asked only where there is a quarantine.
    #[inline]
    pub fn admit(&self, now_ms: impl FnOnce() -> u64) -> Option<Pass<'_>> {
        let seen = self.word.load(Ordering::Relaxed);
        if seen & OPEN == 0 {
            return Some(Pass { breaker: self, seen });
        }
        self.probe(seen, now_ms())
    }

    /// True while nothing is called, not even as a probe.
    #[must_use]
    pub fn is_refusing(&self, now_ms: impl FnOnce() -> u64) -> bool {
        let seen = self.word.load(Ordering::Relaxed);
        seen & OPEN != 0 && (seen & PROBING != 0 || !self.is_due(seen & LOW_MASK, now_ms()))
    }

    #[cold]
    fn probe(&self, seen: u64, now_ms: u64) -> Option<Pass<'_>> {
        if seen & PROBING != 0 || !self.is_due(seen & LOW_MASK, now_ms) {
            return None;
        }
        let probing = OPEN | PROBING | (seen & PHASE_MASK);
        let taken = self.word.compare_exchange(seen, probing, Ordering::AcqRel, Ordering::Relaxed);
        taken.is_ok().then_some(Pass { breaker: self, seen: probing })
    }

    /// A clock that was set back prolongs no quarantine beyond the longest one.
    fn is_due(&self, until_ms: u64, now_ms: u64) -> bool {
        now_ms >= until_ms || until_ms - now_ms > self.longest_ms()
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self, now_ms: u64) -> BreakerState {
        let word = self.word.load(Ordering::Relaxed);
        if word & OPEN == 0 {
            BreakerState::Closed
        } else if word & PROBING != 0 {
            BreakerState::Probing
        } else {
            let (until_ms, openings) = (word & LOW_MASK, self.openings());
            BreakerState::Quarantined { until_ms: until_ms.min(now_ms.saturating_add(self.longest_ms())), openings }
        }
    }

    /// How often it was quarantined since it was loaded.
    #[must_use]
    pub fn openings(&self) -> u32 {
        self.openings.load(Ordering::Relaxed)
    }

    fn longest_ms(&self) -> u64 {
        self.settings.map_or(0, |settings| millis(settings.open_max.max(settings.open_min)))
    }

    /// Begins a quarantine in place of `seen`; `None` if another worker was faster.
    fn open(&self, settings: PluginBreaker, seen: u64, phase: Phase, now_ms: u64, failures: u32) -> Option<Opened> {
        let level = self.level.load(Ordering::Relaxed).min(u64::BITS - 1);
        let wait_ms = millis(settings.open_min).saturating_mul(1 << level).min(self.longest_ms());
        let until_ms = now_ms.saturating_add(wait_ms).min(LOW_MASK);
        let word = OPEN | bits(phase) | until_ms;
        self.word.compare_exchange(seen, word, Ordering::AcqRel, Ordering::Relaxed).ok()?;
        self.level.fetch_add(1, Ordering::Relaxed);
        self.openings.fetch_add(1, Ordering::Relaxed);
        Some(Opened { failures, wait_ms, is_continued: seen & OPEN != 0 })
    }
}

impl Pass<'_> {
    /// The call went well.
    #[inline]
    pub fn succeeded(self, phase: Phase) {
        if self.seen != CLOSED {
            self.settle(phase);
        }
    }

    #[cold]
    fn settle(mut self, phase: Phase) {
        let Some(settings) = self.breaker.settings else { return };
        let word = if self.seen & PHASE_MASK == bits(phase) {
            CLOSED
        } else if self.seen & PROBING != 0 {
            // It works here; where it failed it has to show yet, and one more failure is enough.
            u64::from(settings.failures.saturating_sub(1)) | (self.seen & PHASE_MASK)
        } else {
            return;
        };
        let seen = std::mem::replace(&mut self.seen, CLOSED);
        // Whoever was faster knows more.
        let is_settled = self.breaker.word.compare_exchange(seen, word, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if is_settled && word == CLOSED {
            self.breaker.level.store(0, Ordering::Relaxed);
        }
    }

    /// The call failed. `Some`: that began a quarantine.
    #[cold]
    pub fn failed(mut self, phase: Phase, now_ms: u64) -> Option<Opened> {
        let settings = self.breaker.settings?;
        if self.seen & PROBING != 0 {
            let probing = std::mem::replace(&mut self.seen, CLOSED);
            return self.breaker.open(settings, probing, phase, now_ms, 1);
        }
        let mut seen = self.breaker.word.load(Ordering::Relaxed);
        // Each turn, another worker has written: at most one failure or success of each.
        while seen & OPEN == 0 {
            let failures = (seen & LOW_MASK) + 1;
            if failures >= u64::from(settings.failures) {
                let failures = u32::try_from(failures).unwrap_or(u32::MAX);
                return self.breaker.open(settings, seen, phase, now_ms, failures);
            }
            let next = failures | bits(phase);
            match self.breaker.word.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return None,
                Err(newer) => seen = newer,
            }
        }
        None
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.seen & PROBING != 0 {
            // Nothing was learnt: the next request is the probe.
            let due = OPEN | (self.seen & PHASE_MASK);
            let _newer = self.breaker.word.compare_exchange(self.seen, due, Ordering::AcqRel, Ordering::Relaxed);
        }
    }
}

/// A phase that failed, as bits of the word; never 0.
const fn bits(phase: Phase) -> u64 {
    (phase as u64 + 1) << PHASE_SHIFT
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SETTINGS: PluginBreaker =
        PluginBreaker { failures: 3, open_min: Duration::from_secs(1), open_max: Duration::from_secs(3) };

    fn fail(breaker: &Breaker, phase: Phase, now_ms: u64) -> Option<Opened> {
        breaker.admit(|| now_ms).unwrap().failed(phase, now_ms)
    }

    fn open(breaker: &Breaker) {
        assert_eq!(fail(breaker, Phase::Request, 0), None);
        assert_eq!(fail(breaker, Phase::Request, 0), None);
        let opened = fail(breaker, Phase::Request, 0);
        assert_eq!(opened, Some(Opened { failures: 3, wait_ms: 1_000, is_continued: false }));
    }

    #[test]
    fn failures_in_a_row_quarantine_and_a_success_forgets_them() {
        let breaker = Breaker::new(Some(SETTINGS));
        for _ in 0..10 {
            fail(&breaker, Phase::Request, 0);
            fail(&breaker, Phase::Request, 0);
            breaker.admit(|| 0).unwrap().succeeded(Phase::Request);
        }
        assert_eq!((breaker.state(0), breaker.openings()), (BreakerState::Closed, 0));
        open(&breaker);
        assert_eq!(breaker.state(0), BreakerState::Quarantined { until_ms: 1_000, openings: 1 });
        assert!(breaker.admit(|| 999).is_none());
    }

    #[test]
    fn one_probe_at_a_time_decides() {
        let breaker = Breaker::new(Some(SETTINGS));
        open(&breaker);
        let probe = breaker.admit(|| 1_000).unwrap();
        assert!(breaker.admit(|| 1_000).is_none(), "one probe at a time");
        assert_eq!(breaker.state(1_000), BreakerState::Probing);
        drop(probe);
        let probe = breaker.admit(|| 1_000).unwrap();
        let again = probe.failed(Phase::Request, 1_000);
        assert_eq!(again, Some(Opened { failures: 1, wait_ms: 2_000, is_continued: true }));
        assert!(breaker.admit(|| 2_999).is_none());
        for (at_ms, wait_ms) in [(3_000, 3_000), (6_000, 3_000)] {
            let opened = breaker.admit(|| at_ms).unwrap().failed(Phase::Request, at_ms);
            assert_eq!(opened.map(|opened| opened.wait_ms), Some(wait_ms), "no longer than the longest");
        }
        breaker.admit(|| 9_000).unwrap().succeeded(Phase::Request);
        assert_eq!((breaker.state(9_000), breaker.openings()), (BreakerState::Closed, 4));
        open(&breaker);
    }

    #[test]
    fn the_phase_that_fails_counts() {
        let breaker = Breaker::new(Some(SETTINGS));
        for _ in 0..2 {
            breaker.admit(|| 0).unwrap().succeeded(Phase::Request);
            assert_eq!(fail(&breaker, Phase::Response, 0), None);
        }
        breaker.admit(|| 0).unwrap().succeeded(Phase::Request);
        assert!(fail(&breaker, Phase::Response, 0).is_some(), "three responses in a row");
        breaker.admit(|| 1_000).unwrap().succeeded(Phase::Request);
        assert_eq!(breaker.state(1_000), BreakerState::Closed);
        let opened = fail(&breaker, Phase::Response, 1_000).unwrap();
        assert_eq!(opened.wait_ms, 2_000, "the probe has shown nothing of what failed");
        breaker.admit(|| 3_000).unwrap().succeeded(Phase::Response);
        assert_eq!(fail(&breaker, Phase::Response, 3_000), None);
    }

    #[test]
    fn a_clock_that_is_set_back_prolongs_nothing() {
        let breaker = Breaker::new(Some(SETTINGS));
        for _ in 0..3 {
            fail(&breaker, Phase::Request, 1_000_000);
        }
        assert_eq!(breaker.state(0), BreakerState::Quarantined { until_ms: 3_000, openings: 1 });
        assert!(breaker.admit(|| 0).is_some());
    }

    #[test]
    fn off_means_never() {
        let breaker = Breaker::new(None);
        for _ in 0..1_000 {
            assert_eq!(fail(&breaker, Phase::Request, 0), None);
        }
        assert_eq!(breaker.state(0), BreakerState::Closed);
    }
}
