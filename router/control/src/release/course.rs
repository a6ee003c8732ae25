//! The course of a new digest: first on trial beside the one that serves, then under watch after it took over.
//!
//! Pure: it is asked with figures and the time, and says what is due. What the policy says of trial, watch and budget is
//! read at each question, so that an edit counts at once.

use sluice_policy::{Budget, Release, TrialMode, TrialSpec};

use super::judge::{Figures, Judgement, Over, judge};

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing yet.
    Nothing,
    /// The trial was passed.
    Promotion,
    /// The watch is over.
    End,
    /// The digest is over its budget.
    Rollback(Over),
}

/// What a digest on trial waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// The end of its time.
    Time,
    /// Enough calls to judge it by.
    Calls {
        /// Those so far.
        calls: u64,
    },
    /// An operator.
    Operator,
}

/// A new digest beside the one that serves.
#[derive(Clone, Debug)]
pub(crate) struct Trying {
    /// The new one.
    pub(crate) digest: String,
    pub(crate) began_ms: u64,
    /// What the serving one had done when it began.
    pub(crate) main_start: Figures,
}

/// A new digest that took over.
#[derive(Clone, Debug)]
pub(crate) struct Watching {
    /// The new one.
    pub(crate) digest: String,
    /// What comes back if it is over budget.
    pub(crate) digest_before: String,
    pub(crate) began_ms: u64,
    /// What the one before had done when it was replaced.
    pub(crate) before: Figures,
    /// What the new one had done by then, on trial.
    pub(crate) start: Figures,
}

/// Trial and watch of one plugin; most of the time neither.
#[derive(Clone, Debug, Default)]
pub(crate) struct Course {
    pub(crate) trying: Option<Trying>,
    pub(crate) watching: Option<Watching>,
}

impl Course {
    /// True if nothing is to be judged.
    pub(crate) const fn is_over(&self) -> bool {
        self.trying.is_none() && self.watching.is_none()
    }
}

impl Trying {
    /// When its time is over, ms since the Unix epoch.
    pub(crate) fn ends_ms(&self, spec: &TrialSpec) -> u64 {
        self.began_ms.saturating_add(millis(spec.duration))
    }

    /// What is due, by what the new digest and the `main` one did so far.
    pub(crate) fn due(&self, spec: &TrialSpec, budget: &Budget, main: Figures, own: Figures, now_ms: u64) -> Due {
        match self.judge(spec, budget, main, own) {
            Judgement::Over(over) => Due::Rollback(over),
            Judgement::Within if spec.is_automatic && now_ms >= self.ends_ms(spec) => Due::Promotion,
            Judgement::Within | Judgement::TooFew { .. } => Due::Nothing,
        }
    }

    /// What it waits for.
    pub(crate) fn waits(&self, spec: &TrialSpec, budget: &Budget, own: Figures, now_ms: u64) -> Waits {
        if now_ms < self.ends_ms(spec) {
            Waits::Time
        } else if own.calls < u64::from(budget.calls_min) {
            Waits::Calls { calls: own.calls }
        } else {
            Waits::Operator
        }
    }

    fn judge(&self, spec: &TrialSpec, budget: &Budget, main: Figures, own: Figures) -> Judgement {
        // A shadow answers nobody: how its requests end is the doing of the one that serves.
        let own = match spec.mode {
            TrialMode::Canary => own,
            TrialMode::Shadow => Figures { requests_5xx: 0, ..own },
        };
        judge(main.since(self.main_start), own, budget)
    }
}

impl Watching {
    /// When it is over, ms since the Unix epoch; `None` = the policy wants none any more.
    pub(crate) fn ends_ms(&self, release: &Release) -> Option<u64> {
        release.watch.map(|watch| self.began_ms.saturating_add(millis(watch)))
    }

    /// What is due, by what the new digest did so far.
    pub(crate) fn due(&self, release: &Release, own: Figures, now_ms: u64) -> Due {
        let Some(ends_ms) = self.ends_ms(release) else { return Due::End };
        match judge(self.before, own.since(self.start), &release.budget) {
            Judgement::Over(over) => Due::Rollback(over),
            Judgement::Within | Judgement::TooFew { .. } if now_ms >= ends_ms => Due::End,
            Judgement::Within | Judgement::TooFew { .. } => Due::Nothing,
        }
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sluice_model::weight::BasisPoints;

    use super::*;

    const BEGAN_MS: u64 = 1_000;
    const MINUTE_MS: u64 = 60_000;

    fn figures(calls: u64, requests_5xx: u64) -> Figures {
        Figures { calls, requests: calls, requests_5xx, ..Figures::default() }
    }

    fn trial(mode: TrialMode, is_automatic: bool) -> TrialSpec {
        TrialSpec { mode, share: BasisPoints::whole_percent(10), duration: Duration::from_mins(1), is_automatic }
    }

    fn trying() -> Trying {
        Trying { digest: "new".to_owned(), began_ms: BEGAN_MS, main_start: figures(1_000, 0) }
    }

    fn tried(spec: &TrialSpec, own: Figures, after_ms: u64) -> Due {
        trying().due(spec, &Budget::default(), figures(2_000, 0), own, BEGAN_MS + after_ms)
    }

    #[test]
    fn a_trial_within_budget_is_passed_at_its_end_and_not_before() {
        let spec = trial(TrialMode::Canary, true);
        assert_eq!(tried(&spec, figures(100, 0), MINUTE_MS - 1), Due::Nothing);
        assert_eq!(tried(&spec, figures(100, 0), MINUTE_MS), Due::Promotion);
        assert_eq!(tried(&trial(TrialMode::Canary, false), figures(100, 0), MINUTE_MS), Due::Nothing);
    }

    #[test]
    fn a_trial_without_enough_calls_waits_for_them() {
        let (spec, budget) = (trial(TrialMode::Canary, true), Budget::default());
        let few = figures(u64::from(budget.calls_min) - 1, 0);
        assert_eq!(tried(&spec, few, MINUTE_MS), Due::Nothing);
        assert_eq!(trying().waits(&spec, &budget, few, BEGAN_MS), Waits::Time);
        let late_ms = BEGAN_MS + MINUTE_MS;
        assert_eq!(trying().waits(&spec, &budget, few, late_ms), Waits::Calls { calls: 19 });
        assert_eq!(trying().waits(&spec, &budget, figures(100, 0), late_ms), Waits::Operator);
    }

    #[test]
    fn errors_of_a_canary_count_and_those_beside_a_shadow_do_not() {
        assert!(matches!(tried(&trial(TrialMode::Canary, true), figures(100, 50), 1), Due::Rollback(_)));
        assert_eq!(tried(&trial(TrialMode::Shadow, true), figures(100, 50), 1), Due::Nothing);
    }

    #[test]
    fn a_canary_is_measured_against_the_other_one_in_the_same_time() {
        let spec = trial(TrialMode::Canary, true);
        let main = figures(2_000, 500);
        let due = trying().due(&spec, &Budget::default(), main, figures(100, 50), BEGAN_MS + 1);
        assert_eq!(due, Due::Nothing, "half of the requests failed on either, since it began");
    }

    #[test]
    fn a_watch_ends_with_its_time_or_with_the_budget() {
        let watching = Watching {
            digest: "new".to_owned(),
            digest_before: "old".to_owned(),
            began_ms: BEGAN_MS,
            before: figures(1_000, 0),
            start: figures(100, 100),
        };
        let release = Release { watch: Some(Duration::from_mins(1)), ..Release::default() };
        let due = |own, after_ms| watching.due(&release, own, BEGAN_MS + after_ms);
        assert_eq!(due(figures(200, 100), MINUTE_MS - 1), Due::Nothing, "what it did on trial counts no more");
        assert_eq!(due(figures(200, 100), MINUTE_MS), Due::End);
        assert!(matches!(due(figures(200, 200), 1), Due::Rollback(_)));
        assert_eq!(due(figures(100, 100), MINUTE_MS), Due::End, "a plugin that is not called is not rolled back");
        let unwatched = Release { watch: None, ..release };
        assert_eq!(watching.due(&unwatched, figures(200, 200), BEGAN_MS + 1), Due::End);
    }
}
