//! Tests of plans: each reason to wait, to go on and to end, by example.

use super::*;
use crate::analysis::{Analysis, Judgement, NoData, OnFailure, Outcome};
use crate::rollout::{Applied, Begin, Rollout, RolloutState};

const MINUTE_MS: u64 = 60_000;
const INTERVAL_MS: u64 = 30_000;
const BEGAN_MS: u64 = 1_000_000;

pub(super) fn percent(percent: u8) -> BasisPoints {
    BasisPoints::whole_percent(percent)
}

pub(super) fn step(weight: u8) -> Step {
    Step {
        weights: vec![(Share::Canary, percent(weight))],
        pause_ms: 10 * MINUTE_MS,
        gate: Gate::Auto,
        deadline_ms: None,
    }
}

pub(super) fn analysis() -> Analysis {
    Analysis {
        interval_ms: INTERVAL_MS,
        min_samples: 100,
        no_data: NoData::Hold,
        failures_max: 3,
        on_failure: OnFailure::Abort,
        success_rate: None,
        latency: Vec::new(),
        counters: Vec::new(),
    }
}

pub(super) fn judgement(outcome: Outcome, at_ms: u64) -> Judgement {
    Judgement { outcome, samples: 7, checks: Vec::new(), summary: format!("figures were {outcome:?}"), at_ms }
}

fn seen(judgements: &[(Outcome, u64)]) -> Seen {
    Seen { judgements: judgements.iter().map(|&(outcome, at_ms)| judgement(outcome, at_ms)).collect() }
}

fn after(rollout: &Rollout, command: &Command, now_ms: u64) -> Rollout {
    match rollout.apply(command, "test", now_ms).unwrap() {
        Applied::Changed(next) => next,
        Applied::Unchanged => panic!("{command:?} changes nothing"),
    }
}

pub(super) fn started(plan: &Plan) -> Rollout {
    let off = Rollout::initial(BasisPoints::ZERO, "salt".into(), "policy", 0);
    let first = plan.steps.first().map(|step| step.weights.clone());
    after(&off, &Command::Start(Begin { salt: None, first, release: "v2".into() }), BEGAN_MS)
}

fn plan(steps: &[Step], analysis: Option<Analysis>) -> Plan {
    Plan { steps: steps.to_vec(), analysis }
}

fn waits(decision: &Decision) -> &str {
    match decision {
        Decision::Wait(text) => text,
        Decision::Do(command, reason) => panic!("{command:?} because {reason}"),
    }
}

#[test]
fn a_step_lasts_its_pause_and_not_a_millisecond_less() {
    let plan = plan(&[step(1), step(100)], None);
    let rollout = started(&plan);
    let over_ms = BEGAN_MS + 10 * MINUTE_MS;
    assert_eq!(waits(&plan.decide(&rollout, &Seen::default(), BEGAN_MS)), "step 1 of 2 lasts 10m more");
    assert_eq!(waits(&plan.decide(&rollout, &Seen::default(), over_ms - 1)), "step 1 of 2 lasts 1s more");
    let advance = Command::Advance { step: 1, weights: vec![(Share::Canary, percent(100))] };
    let decided = plan.decide(&rollout, &Seen::default(), over_ms);
    assert_eq!(decided, Decision::Do(advance.clone(), "step 1 of 2 is over after 10m".into()));
    let last = after(&rollout, &advance, over_ms);
    let decided = plan.decide(&last, &Seen::default(), over_ms + 10 * MINUTE_MS);
    assert_eq!(decided, Decision::Do(Command::Promote, "step 2 of 2 is over after 10m".into()));
}

#[test]
fn a_clock_that_goes_back_ends_no_step() {
    let plan = plan(&[step(1), step(2)], None);
    assert_eq!(waits(&plan.decide(&started(&plan), &Seen::default(), 0)), "step 1 of 2 lasts 10m more");
}

#[test]
fn a_last_step_below_100_percent_has_no_end() {
    let plan = plan(&[step(50)], None);
    let text = plan.decide(&started(&plan), &Seen::default(), BEGAN_MS + 10 * MINUTE_MS);
    assert_eq!(waits(&text), "step 1 of 1 is over after 10m, and the last step has no end");
}

#[test]
fn what_does_not_serve_is_left_alone() {
    let plan = plan(&[step(1), step(100)], Some(analysis()));
    let failing = seen(&[(Outcome::Fail, u64::MAX); 9]);
    let off = Rollout::initial(BasisPoints::ZERO, "salt".into(), "policy", 0);
    assert_eq!(waits(&plan.decide(&off, &failing, u64::MAX)), "it has not been started");
    let abort = Command::Abort { id: crate::alert::AlertId::from_text("a"), reason: "too large".into() };
    let aborted = after(&started(&plan), &abort, BEGAN_MS);
    assert_eq!(waits(&plan.decide(&aborted, &failing, u64::MAX)), "it is aborted until it is resumed: too large");
    let promoted = after(&started(&plan), &Command::Promote, BEGAN_MS);
    assert_eq!(waits(&plan.decide(&promoted, &failing, u64::MAX)), "it is promoted");
}

#[test]
fn a_manual_gate_waits_for_an_operator_and_is_judged() {
    let gated = Step { gate: Gate::Manual, deadline_ms: Some(1), ..step(50) };
    let plan = plan(&[gated, step(100)], Some(analysis()));
    let rollout = started(&plan);
    let at_ms = BEGAN_MS + 60 * MINUTE_MS;
    let decided = plan.decide(&rollout, &seen(&[(Outcome::Pass, at_ms)]), at_ms);
    assert_eq!(waits(&decided), "step 1 of 2 waits for an operator");
    assert!(matches!(
        plan.decide(&rollout, &seen(&[(Outcome::Fail, at_ms); 3]), at_ms),
        Decision::Do(Command::Abort { .. }, _)
    ));
}

#[test]
fn a_step_is_left_only_on_a_good_newest_judgement() {
    let plan = plan(&[step(1), step(100)], Some(analysis()));
    let rollout = started(&plan);
    let at_ms = BEGAN_MS + 10 * MINUTE_MS;
    let decide = |judgements: &[(Outcome, u64)]| plan.decide(&rollout, &seen(judgements), at_ms);
    assert_eq!(waits(&decide(&[])), "step 1 of 2 is held: the first interval of the analysis is not over");
    let pass = (Outcome::Pass, at_ms);
    assert!(matches!(decide(&[(Outcome::Fail, at_ms), pass]), Decision::Do(Command::Advance { step: 1, .. }, _)));
    let failed = decide(&[pass, (Outcome::Fail, at_ms)]);
    assert_eq!(waits(&failed), "step 1 of 2 is held: the analysis failed, 1 of 3 times: figures were Fail");
    assert_eq!(waits(&decide(&[pass, (Outcome::NoData, at_ms)])), "step 1 of 2 is held: figures were NoData");
}

#[test]
fn figures_from_before_the_last_change_do_not_count() {
    let plan = plan(&[step(1)], Some(Analysis { failures_max: 1, ..analysis() }));
    let rollout = started(&plan);
    let at_ms = BEGAN_MS + INTERVAL_MS;
    let stale = plan.decide(&rollout, &seen(&[(Outcome::Fail, at_ms - 1)]), at_ms);
    assert_eq!(waits(&stale), "step 1 of 1 lasts 9m 30s more; the first interval of the analysis is not over");
    let decided = plan.decide(&rollout, &seen(&[(Outcome::Fail, at_ms)]), at_ms);
    assert!(matches!(decided, Decision::Do(Command::Abort { .. }, _)), "{decided:?}");
}

#[test]
fn failures_in_a_row_abort_or_pause() {
    let at_ms = BEGAN_MS + INTERVAL_MS;
    let fail = (Outcome::Fail, at_ms);
    let aborting = plan(&[step(1)], Some(analysis()));
    let rollout = started(&aborting);
    let decide = |judgements: &[(Outcome, u64)]| aborting.decide(&rollout, &seen(judgements), at_ms);
    waits(&decide(&[fail, fail]));
    waits(&decide(&[fail, fail, (Outcome::Pass, at_ms), fail]));
    let Decision::Do(Command::Abort { id, reason }, because) = decide(&[fail, fail, fail]) else { panic!() };
    assert_eq!(reason, "the canary failed the analysis 3 times in a row: figures were Fail");
    assert_eq!(because, reason);
    let again = aborting.decide(&rollout, &seen(&[fail, fail, fail, fail]), at_ms + 1);
    assert!(matches!(again, Decision::Do(Command::Abort { id: other, .. }, _) if other == id), "one abort per epoch");
    let no_data = (Outcome::NoData, at_ms);
    assert!(matches!(decide(&[fail, fail, no_data, fail]), Decision::Do(..)), "no data ends no row");

    let pausing = plan(&[step(1)], Some(Analysis { on_failure: OnFailure::Pause, ..analysis() }));
    let decided = pausing.decide(&rollout, &seen(&[fail; 3]), at_ms);
    assert!(matches!(decided, Decision::Do(Command::Pause, _)), "{decided:?}");
}

#[test]
fn no_data_is_what_the_policy_says() {
    let at_ms = BEGAN_MS + 10 * MINUTE_MS;
    let none = seen(&[(Outcome::NoData, at_ms); 3]);
    let decide = |no_data| {
        let plan = plan(&[step(1), step(2)], Some(Analysis { no_data, ..analysis() }));
        plan.decide(&started(&plan), &none, at_ms)
    };
    assert_eq!(waits(&decide(NoData::Hold)), "step 1 of 2 is held: figures were NoData");
    assert!(matches!(decide(NoData::Pass), Decision::Do(Command::Advance { step: 1, .. }, _)));
    assert!(matches!(decide(NoData::Fail), Decision::Do(Command::Abort { .. }, _)));
}

#[test]
fn a_paused_rollout_stands_still_and_is_judged() {
    let plan = plan(&[step(1), step(2)], Some(analysis()));
    let paused = after(&started(&plan), &Command::Pause, BEGAN_MS);
    let at_ms = BEGAN_MS + 60 * MINUTE_MS;
    assert_eq!(waits(&plan.decide(&paused, &seen(&[(Outcome::Pass, at_ms)]), at_ms)), "it is paused");
    let decided = plan.decide(&paused, &seen(&[(Outcome::Fail, at_ms); 3]), at_ms);
    assert!(matches!(decided, Decision::Do(Command::Abort { .. }, _)), "{decided:?}");

    let pausing = Plan { analysis: Some(Analysis { on_failure: OnFailure::Pause, ..analysis() }), ..plan };
    let text = pausing.decide(&paused, &seen(&[(Outcome::Fail, at_ms); 3]), at_ms);
    assert!(waits(&text).starts_with("it is paused; the canary failed"), "{text:?}");
    let resumed = after(&paused, &Command::Resume, at_ms);
    let decided = pausing.decide(&resumed, &seen(&[(Outcome::Fail, at_ms); 3]), at_ms);
    assert_eq!(
        waits(&decided),
        "step 1 of 2 lasts 10m more; the first interval of the analysis is not over",
        "a resume begins to judge anew, and the step has the time it had left"
    );
}

#[test]
fn a_deadline_ends_a_step_that_does_not_get_on() {
    let hour = Step { deadline_ms: Some(60 * MINUTE_MS), ..step(1) };
    let plan = plan(&[hour, step(2)], Some(analysis()));
    let rollout = started(&plan);
    let at_ms = BEGAN_MS + 60 * MINUTE_MS;
    let held = seen(&[(Outcome::NoData, at_ms - 1)]);
    waits(&plan.decide(&rollout, &held, at_ms - 1));
    let Decision::Do(Command::Abort { reason, .. }, _) = plan.decide(&rollout, &held, at_ms) else { panic!() };
    assert_eq!(reason, "step 1 of 2 is not over within its 1h: step 1 of 2 is held: figures were NoData");
    let good = plan.decide(&rollout, &seen(&[(Outcome::Pass, at_ms)]), at_ms);
    assert!(matches!(good, Decision::Do(Command::Advance { .. }, _)), "a good step goes on, however late");
    waits(&plan.decide(&rollout, &Seen::default(), at_ms));
}

#[test]
fn without_a_plan_an_operator_moves_the_weight_and_the_analysis_guards_it() {
    let guarded = plan(&[], Some(analysis()));
    let rollout = started(&guarded);
    assert_eq!(rollout.position, None);
    let at_ms = BEGAN_MS + INTERVAL_MS;
    let decided = guarded.decide(&rollout, &seen(&[(Outcome::Pass, at_ms)]), at_ms);
    assert_eq!(waits(&decided), "it follows no plan: an operator moves its weight");
    assert!(matches!(guarded.decide(&rollout, &seen(&[(Outcome::Fail, at_ms); 3]), at_ms), Decision::Do(..)));
}

#[test]
fn a_plan_that_was_edited_takes_nobody_by_surprise() {
    let long = plan(&[step(1), step(50), step(100)], Some(analysis()));
    let rollout = started(&long);
    let at_ms = BEGAN_MS + 10 * MINUTE_MS;
    let pass = seen(&[(Outcome::Pass, at_ms)]);
    let second = after(&rollout, &Command::Advance { step: 1, weights: long.steps[1].weights.clone() }, at_ms);
    let later_ms = at_ms + 10 * MINUTE_MS;
    let decide = |plan: &Plan, outcome| plan.decide(&second, &seen(&[(outcome, later_ms); 3]), later_ms);

    let shorter = plan(&[step(1)], Some(analysis()));
    let text = "it stands at step 2 of a plan that has 1 now: set a weight, promote it, or resume it from the start";
    assert_eq!(waits(&decide(&shorter, Outcome::Pass)), text);
    assert!(matches!(decide(&shorter, Outcome::Fail), Decision::Do(Command::Abort { .. }, _)), "it is still judged");
    assert!(matches!(decide(&plan(&[], None), Outcome::Pass), Decision::Wait(_)));

    let raised = plan(&[step(1), step(100)], Some(analysis()));
    let text = decide(&raised, Outcome::Pass);
    assert!(waits(&text).ends_with("the last step has no end"), "it has 50 %, whatever the step says now: {text:?}");

    let longer = plan(&[step(1), step(50), step(60), step(100)], Some(analysis()));
    assert!(matches!(decide(&longer, Outcome::Pass), Decision::Do(Command::Advance { step: 2, .. }, _)));
    assert!(matches!(long.decide(&rollout, &pass, at_ms), Decision::Do(Command::Advance { step: 1, .. }, _)));
}

#[test]
fn weights_that_do_not_fit_are_told_and_not_decided() {
    let beta = Share::Other("beta".into());
    let both = Step { weights: vec![(Share::Canary, percent(10)), (beta, percent(60))], ..step(10) };
    let plan = plan(&[both, step(50)], None);
    let decided = plan.decide(&started(&plan), &Seen::default(), BEGAN_MS + 10 * MINUTE_MS);
    assert!(waits(&decided).ends_with("the variants together would have more than 100 percent"), "{decided:?}");
    assert_eq!(started(&plan).state, RolloutState::Running);
}
