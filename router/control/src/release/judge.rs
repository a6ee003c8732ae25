//! Judging a new digest by its figures against the budget of the policy: pure, so that it can be tried with any figures.

use std::fmt;
use std::time::Duration;

use sluice_model::weight::{BasisPoints, SLOTS};
use sluice_policy::Budget;
use sluice_snapshot::Plugin;
use sluice_snapshot::plugin::{ComparisonReport, Phase, TimeReport};

/// Phases whose time a request waits for.
const TIMED: [Phase; 4] = [Phase::Request, Phase::BodySize, Phase::BodyChunk, Phase::Response];

/// Timed calls that a 99th percentile takes: of fewer it would be the slowest one, and one call is slow on any machine
/// that has something else to do. Of fewer the median counts.
const P99_SAMPLES_MIN: u64 = 100;

/// What a digest did, counted from some moment on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Calls in the request path.
    pub(crate) calls: u64,
    /// Calls that failed, for any cause.
    pub(crate) failures: u64,
    /// Requests on which it was called.
    pub(crate) requests: u64,
    /// Those of them that ended with a 5xx.
    pub(crate) requests_5xx: u64,
    /// Time per call, by phase; counted from the beginning, whatever the moment.
    pub(crate) time: [TimeReport; TIMED.len()],
    /// How often its breaker opened.
    pub(crate) openings: u32,
    /// Requests on which it was compared with another digest.
    pub(crate) compared: u64,
    /// Those of them on which the two did not say the same.
    pub(crate) different: u64,
}

/// What the figures say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// All that can be judged is within the budget.
    Within,
    /// Something is over it.
    Over(Over),
    /// Too few calls to judge.
    TooFew {
        /// What there were.
        calls: u64,
    },
}

/// What is over its budget, by how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// Its breaker opened.
    Quarantine {
        /// Failed calls so far.
        failures: u64,
    },
    /// Too many of its calls failed.
    Failures {
        /// Hundredths of a percent.
        observed: u64,
        /// Hundredths of a percent.
        limit: u64,
        /// All of them.
        calls: u64,
    },
    /// Too many of its requests ended with a 5xx.
    Errors {
        /// Hundredths of a percent.
        observed: u64,
        /// Hundredths of a percent: what the digest before had, and what may come on top.
        limit: u64,
        /// All of them.
        requests: u64,
    },
    /// Its calls take too long.
    Time {
        /// The phase.
        phase: Phase,
        /// 99th percentile, or the median of few calls.
        observed: Duration,
        /// Calls that were timed.
        samples: u64,
        /// The budget.
        limit: Duration,
    },
    /// It says too often what the digest before does not.
    Differences {
        /// Hundredths of a percent.
        observed: u64,
        /// Hundredths of a percent.
        limit: u64,
        /// Requests on which both were asked.
        compared: u64,
    },
}

impl Figures {
    /// What a plugin did so far, and how it compared, if it did.
    pub(crate) fn of(plugin: &Plugin, comparisons: Option<&ComparisonReport>) -> Self {
        let stats = plugin.stats.report();
        let calls = TIMED.iter().filter_map(|phase| stats.calls.get(phase.as_str())).sum();
        let (same, different) = comparisons.map_or((0, 0), |report| (report.same, report.different));
        Self {
            calls,
            failures: stats.failed_calls(),
            requests: stats.requests,
            requests_5xx: stats.requests_5xx,
            time: TIMED.map(|phase| stats.time.get(phase.as_str()).copied().unwrap_or_default()),
            openings: plugin.breaker.openings(),
            compared: same + different,
            different,
        }
    }

    /// What was added since `start`.
    pub(crate) fn since(self, start: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(start.calls),
            failures: self.failures.saturating_sub(start.failures),
            requests: self.requests.saturating_sub(start.requests),
            requests_5xx: self.requests_5xx.saturating_sub(start.requests_5xx),
            time: self.time,
            openings: self.openings.saturating_sub(start.openings),
            compared: self.compared.saturating_sub(start.compared),
            different: self.different.saturating_sub(start.different),
        }
    }
}

/// Judges a digest by what it did `now`, against what the digest `before` it did.
pub(crate) fn judge(before: Figures, now: Figures, budget: &Budget) -> Judgement {
    let calls_min = u64::from(budget.calls_min);
    // Few calls say little of shares; but a breaker opens only after failures in a row.
    if now.openings > 0 {
        return Judgement::Over(Over::Quarantine { failures: now.failures });
    }
    if now.calls < calls_min {
        return Judgement::TooFew { calls: now.calls };
    }
    let over = over_failures(now, budget)
        .or_else(|| over_errors(before, now, budget))
        .or_else(|| over_time(now, budget))
        .or_else(|| over_differences(now, budget));
    over.map_or(Judgement::Within, Judgement::Over)
}

fn over_failures(now: Figures, budget: &Budget) -> Option<Over> {
    let (observed, limit) = (share(now.failures, now.calls), points(budget.failures));
    (observed > limit).then_some(Over::Failures { observed, limit, calls: now.calls })
}

/// Only beside enough requests of the digest before: servers fail too, and nothing else tells their 5xx from its own.
fn over_errors(before: Figures, now: Figures, budget: &Budget) -> Option<Over> {
    if before.requests.min(now.requests) < u64::from(budget.calls_min) {
        return None;
    }
    let limit = share(before.requests_5xx, before.requests) + points(budget.errors);
    let observed = share(now.requests_5xx, now.requests);
    (observed > limit).then_some(Over::Errors { observed, limit, requests: now.requests })
}

fn over_time(now: Figures, budget: &Budget) -> Option<Over> {
    let judged = TIMED.into_iter().zip(now.time).filter(|(_, time)| time.samples >= u64::from(budget.calls_min));
    let told_ns = |time: TimeReport| if time.samples < P99_SAMPLES_MIN { time.p50_ns } else { time.p99_ns };
    let (phase, slowest) = judged.max_by_key(|(_, time)| told_ns(*time))?;
    let (observed, limit) = (Duration::from_nanos(told_ns(slowest)), budget.call_p99);
    (observed > limit).then_some(Over::Time { phase, observed, samples: slowest.samples, limit })
}

fn over_differences(now: Figures, budget: &Budget) -> Option<Over> {
    let limit = points(budget.differences?);
    if now.compared < u64::from(budget.calls_min) {
        return None;
    }
    let observed = share(now.different, now.compared);
    (observed > limit).then_some(Over::Differences { observed, limit, compared: now.compared })
}

fn points(share: BasisPoints) -> u64 {
    u64::from(share.get())
}

/// `part` of `whole` in hundredths of a percent, rounded up, so that the smallest excess is one.
fn share(part: u64, whole: u64) -> u64 {
    let share = (u128::from(part) * u128::from(SLOTS)).div_ceil(u128::from(whole.max(1)));
    u64::try_from(share).unwrap_or(u64::MAX)
}

impl Over {
    /// What was seen: hundredths of a percent, microseconds, or failed calls.
    pub(crate) fn observed(&self) -> u64 {
        match self {
            Self::Quarantine { failures } => *failures,
            Self::Failures { observed, .. } | Self::Errors { observed, .. } | Self::Differences { observed, .. } => {
                *observed
            }
            Self::Time { observed, .. } => micros(*observed),
        }
    }

    /// The limit that it broke, in the same unit.
    pub(crate) fn limit(&self) -> u64 {
        match self {
            Self::Quarantine { .. } => 0,
            Self::Failures { limit, .. } | Self::Errors { limit, .. } | Self::Differences { limit, .. } => *limit,
            Self::Time { limit, .. } => micros(*limit),
        }
    }
}

/// For people, with the figures.
impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quarantine { failures } => write!(f, "its breaker opened after {failures} failed calls"),
            Self::Failures { observed, limit, calls } => {
                write!(f, "{} of its {calls} calls failed, the budget is {}", percent(*observed), percent(*limit))
            }
            Self::Errors { observed, limit, requests } => write!(
                f,
                "{} of its {requests} requests ended with a 5xx, with the digest before and the budget it is {}",
                percent(*observed),
                percent(*limit)
            ),
            Self::Time { phase, observed, samples, limit } => {
                let percentile = if *samples < P99_SAMPLES_MIN { "median" } else { "99th percentile" };
                let phase = phase.as_str();
                write!(f, "the {percentile} of its {phase} calls is {observed:.1?}, the budget is {limit:.1?}")
            }
            Self::Differences { observed, limit, compared } => write!(
                f,
                "its verdicts differ on {} of {compared} requests, the budget is {}",
                percent(*observed),
                percent(*limit)
            ),
        }
    }
}

fn percent(points: u64) -> String {
    let (whole, rest) = (points / 100, points % 100);
    match rest {
        0 => format!("{whole} %"),
        rest if rest % 10 == 0 => format!("{whole}.{} %", rest / 10),
        rest => format!("{whole}.{rest:02} %"),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 20 calls at the least, 5 % failures, 5 % more errors, 10 ms; and 1 % differences.
    fn budget() -> Budget {
        Budget { differences: Some(BasisPoints::whole_percent(1)), ..Budget::default() }
    }

    fn well(calls: u64) -> Figures {
        Figures { calls, requests: calls, ..Figures::default() }
    }

    fn timed(p99_ns: u64, samples: u64) -> Figures {
        let mut figures = well(1_000);
        figures.time[0] = TimeReport { p50_ns: p99_ns / 2, p99_ns, samples };
        figures
    }

    fn over(now: Figures) -> bool {
        matches!(judge(well(1_000), now, &budget()), Judgement::Over(_))
    }

    #[test]
    fn each_figure_is_judged_at_its_budget_and_one_past_it() {
        assert!(!over(Figures { failures: 50, ..well(1_000) }));
        assert!(over(Figures { failures: 51, ..well(1_000) }));
        assert!(!over(Figures { requests_5xx: 50, ..well(1_000) }));
        assert!(over(Figures { requests_5xx: 51, ..well(1_000) }));
        assert!(!over(Figures { compared: 1_000, different: 10, ..well(1_000) }));
        assert!(over(Figures { compared: 1_000, different: 11, ..well(1_000) }));
        assert!(!over(timed(10_000_000, 100)) && over(timed(10_000_001, 100)));
    }

    #[test]
    fn too_few_say_nothing_unless_the_breaker_opened() {
        let all_fail = |calls| Figures { failures: calls, ..well(calls) };
        assert_eq!(judge(well(0), all_fail(19), &budget()), Judgement::TooFew { calls: 19 });
        assert!(over(all_fail(20)));
        assert!(over(Figures { openings: 1, ..all_fail(5) }));
        assert!(!over(timed(u64::MAX, 19)));
        assert!(!over(Figures { requests: 19, requests_5xx: 19, ..well(1_000) }));
        assert!(!over(Figures { compared: 19, different: 19, ..well(1_000) }));
    }

    #[test]
    fn of_few_timed_calls_the_median_counts() {
        assert!(!over(timed(20_000_000, 20)) && !over(timed(20_000_000, P99_SAMPLES_MIN - 1)));
        assert!(over(timed(20_000_002, 20)) && over(timed(20_000_000, P99_SAMPLES_MIN)));
    }

    #[test]
    fn errors_count_against_those_of_the_digest_before() {
        let before = Figures { requests_5xx: 500, ..well(1_000) };
        let same = Figures { requests_5xx: 500, ..well(1_000) };
        assert_eq!(judge(before, same, &budget()), Judgement::Within);
        assert!(matches!(judge(well(1_000), same, &budget()), Judgement::Over(Over::Errors { .. })));
    }

    #[test]
    fn errors_are_not_judged_beside_a_digest_that_had_hardly_a_request() {
        let outage = Figures { requests_5xx: 1_000, ..well(1_000) };
        assert_eq!(judge(Figures::default(), outage, &budget()), Judgement::Within);
        assert_eq!(judge(well(19), outage, &budget()), Judgement::Within);
        assert!(matches!(judge(well(20), outage, &budget()), Judgement::Over(Over::Errors { .. })));
    }

    #[test]
    fn differences_are_only_shown_unless_there_is_a_budget_for_them() {
        let figures = Figures { compared: 100, different: 100, ..well(1_000) };
        assert_eq!(judge(well(1_000), figures, &Budget::default()), Judgement::Within);
    }

    #[test]
    fn what_is_over_is_told_with_its_figures() {
        let Judgement::Over(over) = judge(well(0), Figures { failures: 5, ..well(40) }, &budget()) else {
            panic!("over");
        };
        assert_eq!((over.observed(), over.limit()), (1_250, 500));
        assert_eq!(over.to_string(), "12.5 % of its 40 calls failed, the budget is 5 %");
        let Judgement::Over(over) = judge(well(0), timed(25_500_000, 100), &budget()) else { panic!("over") };
        assert_eq!((over.observed(), over.limit()), (25_500, 10_000));
        assert_eq!(over.to_string(), "the 99th percentile of its request calls is 25.5ms, the budget is 10.0ms");
    }

    fn any_figures() -> impl Strategy<Value = Figures> {
        let numbers = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>());
        (numbers, any::<u64>(), any::<u64>(), 0_u32..3).prop_map(|(numbers, p99_ns, samples, openings)| {
            let (calls, failures, requests, requests_5xx, compared, different) = numbers;
            let time = [TimeReport { p50_ns: 0, p99_ns, samples }; TIMED.len()];
            Figures { calls, failures, requests, requests_5xx, time, openings, compared, different }
        })
    }

    proptest! {
        #[test]
        fn nothing_is_over_without_figures_and_any_figures_can_be_told(before in any_figures(), now in any_figures()) {
            let judged = judge(before, now, &budget());
            if let Judgement::Over(over) = judged {
                let is_finer = matches!(over, Over::Quarantine { .. } | Over::Time { .. });
                prop_assert!(is_finer || over.observed() > over.limit(), "{over:?}");
                prop_assert!(!over.to_string().is_empty());
            }
            prop_assert!(!matches!(judge(before, now.since(now), &budget()), Judgement::Over(_)));
        }

        #[test]
        fn fewer_failures_are_never_worse(now in any_figures(), fewer in 0_u64..1_000) {
            let better = Figures { failures: now.failures.saturating_sub(fewer), ..now };
            if judge(now, now, &budget()) == Judgement::Within {
                prop_assert_eq!(judge(now, better, &budget()), Judgement::Within);
            }
        }
    }
}
