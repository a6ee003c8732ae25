//! The course of one rollout since its last change: the intervals that are to be judged, and what came of them. Pure.
//!
//! Intervals lie on a grid that begins with the first window of figures after the change, so every router of the fleet
//! judges the same intervals by the same figures and comes to the same end; one that starts, or begins to lead, reads the
//! last ones anew from the store. Each change of the rollout, a pause too, begins a new course: failures are counted anew.

use std::collections::VecDeque;

use sluice_model::analysis::{Analysis, FAILURES_MAX, Judgement};
use sluice_model::plan::Seen;
use sluice_model::rollout::Rollout;
use sluice_model::stats::WINDOW_MS;

/// Judgements that are kept: as many as a plan may count.
const JUDGEMENTS_KEPT: u32 = FAILURES_MAX;
/// After the end of an interval, until its figures are all in the store: routers write them each second, and a second goes
/// on the way.
const SETTLE_MS: u64 = 2_000;

/// An interval whose figures are to be judged: windows that begin in `from_ms..to_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
    /// It ended before this router looked: without any figures nobody counted, which says nothing of the canary.
    pub(crate) is_past: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Course {
    epoch: u64,
    analysis: Option<Analysis>,
    interval_ms: u64,
    /// Where the next interval begins.
    next_ms: u64,
    /// When this router began to look.
    looked_ms: u64,
    seen: VecDeque<Judgement>,
}

impl Course {
    /// The course of `rollout` from its last change on, as it is seen from `now_ms` on.
    pub(crate) fn new(rollout: &Rollout, analysis: Option<&Analysis>, now_ms: u64) -> Self {
        let interval_ms = analysis.map_or(WINDOW_MS, interval_of);
        let begin_ms = rollout.changed_ms.div_ceil(WINDOW_MS) * WINDOW_MS;
        let kept = u64::from(JUDGEMENTS_KEPT);
        let past = now_ms.saturating_sub(begin_ms) / interval_ms;
        let next_ms = begin_ms + past.saturating_sub(kept) * interval_ms;
        let analysis = analysis.cloned();
        Self { epoch: rollout.epoch, analysis, interval_ms, next_ms, looked_ms: now_ms, seen: VecDeque::new() }
    }

    /// Goes on with `rollout` as it stands now. Another bound for the canary counts from now on, not for what was.
    pub(crate) fn follow(&mut self, rollout: &Rollout, analysis: Option<&Analysis>, now_ms: u64) {
        if self.epoch != rollout.epoch {
            *self = Self::new(rollout, analysis, now_ms);
        } else if self.analysis.as_ref() != analysis {
            *self = Self::new(rollout, analysis, now_ms);
            self.skip(now_ms);
        }
    }

    /// The next interval whose figures are complete, if there is one.
    pub(crate) fn due(&self, now_ms: u64) -> Option<Interval> {
        self.analysis.as_ref()?;
        let to_ms = self.next_ms + self.interval_ms;
        let interval = Interval { from_ms: self.next_ms, to_ms, is_past: to_ms <= self.looked_ms };
        (to_ms + SETTLE_MS <= now_ms).then_some(interval)
    }

    /// The interval that was due is judged; `None` = there was nothing to judge.
    pub(crate) fn judged(&mut self, judgement: Option<Judgement>) {
        self.next_ms += self.interval_ms;
        self.seen.extend(judgement);
        if self.seen.len() > JUDGEMENTS_KEPT as usize {
            self.seen.pop_front();
        }
    }

    /// Figures were not written meanwhile, for the store is away: no interval that began before `now_ms` is judged.
    pub(crate) fn skip(&mut self, now_ms: u64) {
        let intervals = now_ms.saturating_sub(self.next_ms).div_ceil(self.interval_ms);
        self.next_ms += intervals * self.interval_ms;
    }

    /// What was seen, oldest first.
    pub(crate) fn seen(&self) -> Seen {
        Seen { judgements: self.seen.iter().cloned().collect() }
    }
}

/// Whole windows of figures.
fn interval_of(analysis: &Analysis) -> u64 {
    analysis.interval_ms.div_ceil(WINDOW_MS).max(1) * WINDOW_MS
}

#[cfg(test)]
mod tests {
    use sluice_model::analysis::{NoData, OnFailure};
    use sluice_model::rollout::Command;
    use sluice_model::stats::VariantStats;
    use sluice_model::weight::BasisPoints;

    use super::*;

    const BEGAN_MS: u64 = 100_001;

    fn analysis(interval_ms: u64) -> Analysis {
        Analysis {
            interval_ms,
            min_samples: 1,
            no_data: NoData::Hold,
            failures_max: 3,
            on_failure: OnFailure::Abort,
            success_rate: None,
            latency: Vec::new(),
            counters: Vec::new(),
        }
    }

    fn rollout() -> Rollout {
        Rollout::initial(BasisPoints::whole_percent(5), "salt".to_owned(), "test", BEGAN_MS)
    }

    fn judged(course: &mut Course, at_ms: u64) {
        course.judged(Some(analysis(1).judge(&VariantStats::default(), &VariantStats::default(), at_ms)));
    }

    #[test]
    fn intervals_are_whole_windows_from_the_change_on() {
        let analysis = analysis(15_000);
        let mut course = Course::new(&rollout(), Some(&analysis), BEGAN_MS);
        assert_eq!(course.due(131_999), None, "its figures are not all there");
        assert_eq!(course.due(132_000), Some(Interval { from_ms: 110_000, to_ms: 130_000, is_past: false }));
        judged(&mut course, 130_000);
        assert_eq!(course.due(132_000), None);
        assert_eq!(course.due(152_000).map(|interval| interval.from_ms), Some(130_000));
        assert_eq!(
            Course::new(&rollout(), None, BEGAN_MS).due(u64::MAX),
            None,
            "nothing is judged without an analysis"
        );
    }

    #[test]
    fn who_comes_later_judges_the_same_intervals() {
        let analysis = analysis(10_000);
        let (mut first, mut second) = (
            Course::new(&rollout(), Some(&analysis), BEGAN_MS),
            Course::new(&rollout(), Some(&analysis), BEGAN_MS + 5_000_000),
        );
        let now_ms = BEGAN_MS + 5_002_000;
        for course in [&mut first, &mut second] {
            while let Some(Interval { to_ms, .. }) = course.due(now_ms) {
                judged(course, to_ms);
            }
        }
        assert_eq!(first.seen().judgements, second.seen().judgements);
        assert_eq!(first.seen().judgements.len(), JUDGEMENTS_KEPT as usize);
        let past = Course::new(&rollout(), Some(&analysis), BEGAN_MS + 5_000_000).due(now_ms);
        assert!(past.is_some_and(|interval| interval.is_past));
    }

    #[test]
    fn a_change_of_the_rollout_begins_anew() {
        let analysis = analysis(10_000);
        let mut course = Course::new(&rollout(), Some(&analysis), BEGAN_MS);
        judged(&mut course, 120_000);
        course.follow(&rollout(), Some(&analysis), 125_000);
        assert_eq!(course.seen().judgements.len(), 1, "nothing has changed");
        let sluice_model::rollout::Applied::Changed(paused) =
            rollout().apply(&Command::Pause, "test", 125_000).unwrap()
        else {
            panic!("it was running");
        };
        course.follow(&paused, Some(&analysis), 125_000);
        assert_eq!(course.seen(), Seen::default());
        assert_eq!(course.due(142_000).map(|interval| interval.from_ms), Some(130_000));
    }

    #[test]
    fn other_bounds_count_from_now_on() {
        let (before, after) = (analysis(10_000), Analysis { min_samples: 2, ..analysis(10_000) });
        let mut course = Course::new(&rollout(), Some(&before), BEGAN_MS);
        course.follow(&rollout(), Some(&after), 171_000);
        assert_eq!(course.due(500_000).map(|interval| interval.from_ms), Some(180_000));
    }

    #[test]
    fn what_the_store_was_not_told_is_not_judged() {
        let analysis = analysis(10_000);
        let mut course = Course::new(&rollout(), Some(&analysis), BEGAN_MS);
        judged(&mut course, 120_000);
        course.skip(165_000);
        assert_eq!(course.due(182_000).map(|interval| interval.from_ms), Some(170_000));
        course.skip(165_000);
        assert_eq!(course.due(182_000).map(|interval| interval.from_ms), Some(170_000));
        assert_eq!(course.seen().judgements.len(), 1, "what was seen before stays");
    }
}
