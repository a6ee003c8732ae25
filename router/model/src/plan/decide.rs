//! When a rollout goes on, and when it ends. A paused rollout is judged like a running one, but its steps stand still; no
//! step is left before its pause is over, nor while the newest judgement is not good.

use super::{Decision, Gate, Plan, Position, Seen, Step};
use crate::alert::AlertId;
use crate::analysis::{Analysis, Judgement, NoData, OnFailure, Outcome};
use crate::rollout::{Applied, Command, Rollout, RolloutState};
use crate::show;
use crate::slots::Share;
use crate::weight::BasisPoints;

/// Who decides, while it is tried whether the machine would take the decision.
const TRIAL: &str = "plan";

impl Plan {
    /// What to do with `rollout` at `now_ms`. What it decides the rollout takes, unless someone else changes it first.
    #[must_use]
    pub fn decide(&self, rollout: &Rollout, seen: &Seen, now_ms: u64) -> Decision {
        match rollout.state {
            RolloutState::Off => return wait("it has not been started"),
            RolloutState::Promoted => return wait("it is promoted"),
            RolloutState::Aborted => return wait(format!("it is aborted until it is resumed: {}", rollout.reason)),
            RolloutState::Running | RolloutState::Paused => {}
        }
        let review = self.review(rollout, seen);
        if let Some(decision) = self.end_by_failures(rollout, &review) {
            return decision;
        }
        if rollout.state == RolloutState::Paused {
            return wait(join("it is paused", review.note()));
        }
        let Some(position) = rollout.position else {
            return wait(join("it follows no plan: an operator moves its weight", review.note()));
        };
        let Some(step) = self.steps.get(usize::from(position.step)) else {
            let text = format!(
                "it stands at step {} of a plan that has {} now: set a weight, promote it, or resume it from the start",
                position.step.saturating_add(1),
                self.steps.len(),
            );
            return wait(join(&text, review.note()));
        };
        let place = Place { plan: self, rollout, position, step };
        match place.obstacle(&review, now_ms) {
            None => place.go_on(&review, now_ms),
            Some(obstacle) => place.end_by_deadline(&review, &obstacle, now_ms).unwrap_or_else(|| wait(obstacle)),
        }
    }

    fn review<'s>(&self, rollout: &Rollout, seen: &'s Seen) -> Review<'s> {
        let Some(analysis) = &self.analysis else { return Review::Unjudged };
        let from_ms = rollout.changed_ms.saturating_add(analysis.interval_ms);
        let mut counted = seen.judgements.iter().rev().filter(|judgement| judgement.at_ms >= from_ms).peekable();
        let Some(&newest) = counted.peek() else { return Review::Early };
        // Without data nothing is said: it neither ends a row of failures nor adds to it.
        let failed = counted.filter(|judgement| verdict(analysis, judgement) != Outcome::NoData);
        let failures = failed.take_while(|judgement| verdict(analysis, judgement) == Outcome::Fail).count();
        let failures = u32::try_from(failures).unwrap_or(u32::MAX);
        let failures_max = analysis.failures_max.max(1);
        Review::Judged { newest, verdict: verdict(analysis, newest), failures, failures_max }
    }

    fn end_by_failures(&self, rollout: &Rollout, review: &Review<'_>) -> Option<Decision> {
        let Review::Judged { newest, failures, failures_max, verdict: Outcome::Fail } = *review else { return None };
        if failures < failures_max {
            return None;
        }
        let times = if failures_max == 1 { String::new() } else { format!(" {failures} times in a row") };
        Some(self.end(rollout, format!("the canary failed the analysis{times}: {}", newest.summary)))
    }

    /// The end of a rollout that does not do well.
    fn end(&self, rollout: &Rollout, reason: String) -> Decision {
        let on_failure = self.analysis.as_ref().map_or(OnFailure::Abort, |analysis| analysis.on_failure);
        match (on_failure, rollout.state) {
            (OnFailure::Pause, RolloutState::Paused) => wait(format!("it is paused; {reason}")),
            (OnFailure::Pause, _) => Decision::Do(Command::Pause, reason),
            (OnFailure::Abort, _) => {
                // Two leaders that decide at once mean the same abort.
                let id = AlertId::derive(&["analysis", &rollout.salt, &rollout.epoch.to_string()]);
                Decision::Do(Command::Abort { id, reason: reason.clone() }, reason)
            }
        }
    }
}

/// What the analysis says of a rollout since its last change.
enum Review<'s> {
    /// Nothing is judged.
    Unjudged,
    /// The first interval is not over.
    Early,
    /// There is a judgement.
    Judged {
        newest: &'s Judgement,
        /// Of the newest one, with the policy for no data applied.
        verdict: Outcome,
        /// Failures in a row.
        failures: u32,
        failures_max: u32,
    },
}

impl Review<'_> {
    /// What there is to say of it; `None` = it is good.
    fn note(&self) -> Option<String> {
        match self {
            Self::Unjudged | Self::Judged { verdict: Outcome::Pass, .. } => None,
            Self::Early => Some("the first interval of the analysis is not over".to_owned()),
            Self::Judged { newest, verdict: Outcome::NoData, .. } => Some(newest.summary.clone()),
            Self::Judged { newest, verdict: Outcome::Fail, failures, failures_max } => {
                Some(format!("the analysis failed, {failures} of {failures_max} times: {}", newest.summary))
            }
        }
    }
}

/// A running rollout at a step that its plan has.
struct Place<'a> {
    plan: &'a Plan,
    rollout: &'a Rollout,
    position: Position,
    step: &'a Step,
}

impl Place<'_> {
    /// What keeps it at its step.
    fn obstacle(&self, review: &Review<'_>, now_ms: u64) -> Option<String> {
        let name = self.name();
        let left_ms = self.step.pause_ms.saturating_sub(self.lasted_ms(now_ms));
        if left_ms > 0 {
            return Some(join(&format!("{name} lasts {} more", show::span(left_ms)), review.note()));
        }
        if self.step.gate == Gate::Manual {
            return Some(join(&format!("{name} waits for an operator"), review.note()));
        }
        review.note().map(|note| format!("{name} is held: {note}"))
    }

    /// The next step, or the end of the plan.
    fn go_on(&self, review: &Review<'_>, now_ms: u64) -> Decision {
        let name = self.name();
        let lasted = show::span(self.lasted_ms(now_ms));
        let because = match review {
            Review::Judged { newest, .. } => format!("{name} is over after {lasted}, {}", newest.summary),
            Review::Unjudged | Review::Early => format!("{name} is over after {lasted}"),
        };
        let next = self.position.step.checked_add(1);
        let command = match next.and_then(|next| Some((next, self.plan.steps.get(usize::from(next))?))) {
            Some((step, next)) => Command::Advance { step, weights: next.weights.clone() },
            None if self.is_at_full_weight() => Command::Promote,
            None => return wait(format!("{because}, and the last step has no end")),
        };
        match self.rollout.apply(&command, TRIAL, now_ms) {
            Ok(Applied::Changed(_)) => Decision::Do(command, because),
            Ok(Applied::Unchanged) => wait(because),
            Err(refused) => wait(format!("{because}, but {refused}")),
        }
    }

    /// The first judgement is waited for: a router that takes the lead late knows none.
    fn end_by_deadline(&self, review: &Review<'_>, obstacle: &str, now_ms: u64) -> Option<Decision> {
        let deadline_ms = self.step.deadline_ms.filter(|_| self.step.gate == Gate::Auto)?;
        let is_over = self.lasted_ms(now_ms) >= deadline_ms.max(self.step.pause_ms);
        if !is_over || matches!(review, Review::Early) {
            return None;
        }
        let reason = format!("{} is not over within its {}: {obstacle}", self.name(), show::span(deadline_ms));
        Some(self.plan.end(self.rollout, reason))
    }

    fn lasted_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.position.began_ms)
    }

    /// The canary has everything, and the plan means it to: neither an edited plan nor a step that took weight back
    /// promotes by surprise.
    fn is_at_full_weight(&self) -> bool {
        let so_far = self.plan.steps.iter().take(usize::from(self.position.step) + 1);
        let meant = so_far.flat_map(|step| &step.weights).rfind(|(share, _)| *share == Share::Canary);
        self.rollout.weight_bps == BasisPoints::FULL && meant.is_some_and(|(_, weight)| *weight == BasisPoints::FULL)
    }

    fn name(&self) -> String {
        format!("step {} of {}", usize::from(self.position.step) + 1, self.plan.steps.len())
    }
}

/// What a judgement comes to under the policy for no data.
const fn verdict(analysis: &Analysis, judgement: &Judgement) -> Outcome {
    match (judgement.outcome, analysis.no_data) {
        (Outcome::NoData, NoData::Pass) => Outcome::Pass,
        (Outcome::NoData, NoData::Fail) => Outcome::Fail,
        (outcome, _) => outcome,
    }
}

fn wait(text: impl Into<String>) -> Decision {
    Decision::Wait(text.into())
}

fn join(text: &str, note: Option<String>) -> String {
    note.map_or_else(|| text.to_owned(), |note| format!("{text}; {note}"))
}
