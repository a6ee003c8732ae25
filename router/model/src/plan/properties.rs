//! Properties of plans: whatever the plan, the judgements and the operator do, a plan is gone through in order, step by step.

use proptest::prelude::*;

use super::tests::{analysis, judgement, percent, started, step};
use super::*;
use crate::alert::AlertId;
use crate::analysis::{Analysis, NoData, OnFailure, Outcome};
use crate::rollout::{Applied, Begin, Rollout, RolloutState};

/// Longer than any pause below, so that a run of ticks gets somewhere.
const TICK_MS: u64 = 45_000;

/// What happens between two looks at the plan.
#[derive(Clone, Debug)]
enum Happening {
    Nothing,
    Judged(Outcome),
    Operator(Command),
}

fn plans() -> impl Strategy<Value = Plan> {
    let gate = prop_oneof![4 => Just(Gate::Auto), 1 => Just(Gate::Manual)];
    let steps = (0u8..=100, 0u64..200_000, gate, prop::option::of(0u64..400_000))
        .prop_map(|(weight, pause_ms, gate, deadline_ms)| Step { pause_ms, gate, deadline_ms, ..step(weight) });
    let no_data = prop_oneof![Just(NoData::Hold), Just(NoData::Pass), Just(NoData::Fail)];
    let on_failure = prop_oneof![Just(OnFailure::Abort), Just(OnFailure::Pause)];
    let judged = (no_data, on_failure, 1u32..4).prop_map(|(no_data, on_failure, failures_max)| Analysis {
        no_data,
        on_failure,
        failures_max,
        ..analysis()
    });
    (prop::collection::vec(steps, 0..6), prop::option::of(judged))
        .prop_map(|(steps, analysis)| Plan { steps, analysis })
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let operator = prop_oneof![
        Just(Command::Pause),
        Just(Command::Resume),
        Just(Command::Restart(Begin { first: Some(vec![(Share::Canary, percent(1))]), ..Begin::default() })),
        Just(Command::Start(Begin { first: Some(vec![(Share::Canary, percent(1))]), ..Begin::default() })),
        "[a-z]{3}".prop_map(|id| Command::Abort { id: AlertId::from_text(id), reason: "tripped".into() }),
        (1u16..7).prop_map(|step| Command::Advance { step, weights: vec![(Share::Canary, percent(40))] }),
    ];
    let judged = prop_oneof![5 => Just(Outcome::Pass), 1 => Just(Outcome::Fail), 1 => Just(Outcome::NoData)];
    let one = prop_oneof![
        4 => Just(Happening::Nothing),
        8 => judged.prop_map(Happening::Judged),
        1 => operator.prop_map(Happening::Operator),
    ];
    prop::collection::vec(one, 0..80)
}

/// What a decision may be, given where the rollout stands and what was seen.
fn check(plan: &Plan, rollout: &Rollout, seen: &Seen, now_ms: u64, decision: &Decision) -> Result<(), TestCaseError> {
    let Decision::Do(command, reason) = decision else {
        let Decision::Wait(text) = decision else { unreachable!() };
        prop_assert!(!text.is_empty(), "whoever waits says for what");
        return Ok(());
    };
    prop_assert!(!reason.is_empty());
    prop_assert!(matches!(rollout.apply(command, "plan", now_ms), Ok(Applied::Changed(_))), "{command:?} is refused");
    prop_assert!(matches!(rollout.state, RolloutState::Running | RolloutState::Paused));
    match command {
        Command::Advance { .. } | Command::Promote => {
            prop_assert_eq!(rollout.state, RolloutState::Running, "nothing goes on while paused");
            let position = rollout.position.unwrap();
            let step = &plan.steps[usize::from(position.step)];
            prop_assert_eq!(step.gate, Gate::Auto);
            prop_assert!(now_ms - position.began_ms >= step.pause_ms, "its pause is over");
            if let Some(analysis) = &plan.analysis {
                let newest = seen.judgements.last().map(|judgement| judgement.outcome);
                let is_good = newest == Some(Outcome::Pass)
                    || (newest == Some(Outcome::NoData) && analysis.no_data == NoData::Pass);
                prop_assert!(is_good, "nothing goes on after {newest:?}");
            }
            match command {
                Command::Advance { step, .. } => prop_assert_eq!(*step, position.step + 1, "no step is left out"),
                _ => prop_assert!(usize::from(position.step) + 1 == plan.steps.len(), "only after the last step"),
            }
        }
        Command::Pause => prop_assert_eq!(rollout.state, RolloutState::Running),
        Command::Abort { .. } => {}
        other => prop_assert!(false, "no plan decides {other:?}"),
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_plan_is_gone_through_in_order(plan in plans(), happenings in happenings()) {
        let mut rollout = started(&plan);
        let mut now_ms = rollout.changed_ms;
        let mut seen = Seen::default();
        for happening in happenings {
            now_ms += TICK_MS;
            match happening {
                Happening::Nothing => {}
                Happening::Judged(outcome) => seen.judgements.push(judgement(outcome, now_ms)),
                Happening::Operator(command) => {
                    if let Ok(Applied::Changed(next)) = rollout.apply(&command, "operator", now_ms) {
                        rollout = next;
                    }
                }
            }
            let decision = plan.decide(&rollout, &seen, now_ms);
            check(&plan, &rollout, &seen, now_ms, &decision)?;
            if let Decision::Do(command, _) = decision
                && let Ok(Applied::Changed(next)) = rollout.apply(&command, "plan", now_ms)
            {
                rollout = next;
            }
        }
    }

    #[test]
    fn a_good_canary_gets_to_the_end_by_itself(weights in prop::collection::vec(0u8..100, 0..8)) {
        let steps = weights.into_iter().chain([100]).map(step).collect();
        let plan = Plan { steps, analysis: Some(analysis()) };
        let mut rollout = started(&plan);
        let mut now_ms = rollout.changed_ms;
        for _ in 0..plan.steps.len() {
            now_ms += 10 * 60_000;
            let seen = Seen { judgements: vec![judgement(Outcome::Pass, now_ms)] };
            let Decision::Do(command, _) = plan.decide(&rollout, &seen, now_ms) else { panic!("it waits") };
            let Ok(Applied::Changed(next)) = rollout.apply(&command, "plan", now_ms) else { panic!("refused") };
            rollout = next;
        }
        prop_assert_eq!(rollout.state, RolloutState::Promoted);
    }
}
