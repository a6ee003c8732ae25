//! Tests of the rollout machine, by example. What holds whatever is commanded stands in `properties`.

use super::*;

fn points(weight: u16) -> BasisPoints {
    BasisPoints::new(weight).unwrap()
}

fn abort(id: &str) -> Command {
    Command::Abort { id: AlertId::from_text(id), reason: "upload too large".into() }
}

fn running() -> Rollout {
    Rollout::initial(points(2_500), "salt".into(), "policy", 1)
}

/// The rollout after `command`, which must be allowed.
fn after(rollout: &Rollout, command: &Command) -> Rollout {
    match rollout.apply(command, "test", 2).unwrap() {
        Applied::Changed(next) => next,
        Applied::Unchanged => rollout.clone(),
    }
}

fn in_state(state: RolloutState) -> Rollout {
    let run = running();
    match state {
        RolloutState::Off => Rollout::initial(BasisPoints::ZERO, "salt".into(), "policy", 1),
        RolloutState::Running => run,
        RolloutState::Paused => after(&run, &Command::Pause),
        RolloutState::Aborted => after(&run, &abort("first")),
        RolloutState::Promoted => after(&run, &Command::Promote),
    }
}

#[test]
fn a_new_rollout_runs_iff_it_has_weight() {
    assert_eq!(in_state(RolloutState::Off).state, RolloutState::Off);
    let rollout = running();
    assert_eq!((rollout.state, rollout.epoch, rollout.run), (RolloutState::Running, 1, 1));
}

/// For each state the one after a command; `None` = refused.
type Row = [Option<RolloutState>; 5];

const STATES: [RolloutState; 5] =
    [RolloutState::Off, RolloutState::Running, RolloutState::Paused, RolloutState::Aborted, RolloutState::Promoted];

fn at_first_step(rollout: Rollout) -> Rollout {
    Rollout { position: Some(Position { step: 0, began_ms: 1 }), ..rollout }
}

fn state_after(rollout: &Rollout, command: &Command) -> Option<RolloutState> {
    rollout.apply(command, "test", 2).ok().map(|applied| match applied {
        Applied::Changed(next) => next.state,
        Applied::Unchanged => rollout.state,
    })
}

#[test]
fn every_pair_of_state_and_command_is_as_the_table_says() {
    use RolloutState::{Aborted, Off, Paused, Promoted, Running};
    assert_eq!(STATES, [Off, Running, Paused, Aborted, Promoted]);
    let begin =
        Begin { salt: Some("new".into()), first: Some(vec![(Share::Canary, points(100))]), release: "v2".into() };
    let table: [(Command, Row); 10] = [
        (Command::Start(Begin::default()), [Some(Running), Some(Running), None, None, Some(Running)]),
        (Command::Start(begin.clone()), [Some(Running), Some(Running), None, None, Some(Running)]),
        (Command::Restart(Begin::default()), [None, None, Some(Running), Some(Running), None]),
        (Command::Restart(begin), [None, None, Some(Running), Some(Running), None]),
        (Command::Pause, [None, Some(Paused), Some(Paused), None, None]),
        (Command::Resume, [None, Some(Running), Some(Running), Some(Running), None]),
        (abort("second"), [Some(Aborted); 5]),
        (Command::Promote, [None, Some(Promoted), Some(Promoted), None, Some(Promoted)]),
        (Command::set_weight(points(5_000)), [Some(Running), Some(Running), Some(Paused), None, Some(Running)]),
        (Command::set_weight(points(2_500)), [Some(Running), Some(Running), Some(Paused), None, Some(Running)]),
    ];
    for (command, row) in table {
        for (state, expected) in STATES.into_iter().zip(row) {
            assert_eq!(state_after(&in_state(state), &command), expected, "{command:?} while {state}");
            let at_step = at_first_step(in_state(state));
            assert_eq!(state_after(&at_step, &command), expected, "{command:?} while {state} at a step");
        }
    }
}

#[test]
fn only_a_running_rollout_goes_on_and_only_from_the_step_before() {
    for state in STATES {
        for step in 0..4 {
            let advance = Command::Advance { step, weights: vec![(Share::Canary, points(300))] };
            assert_eq!(state_after(&in_state(state), &advance), None, "it stands at no step");
            let goes_on = (state == RolloutState::Running && step == 1).then_some(RolloutState::Running);
            assert_eq!(state_after(&at_first_step(in_state(state)), &advance), goes_on, "to {step} while {state}");
        }
    }
}

/// What a rollout serves by after each command that it takes, from a quarter that runs at the first step of a plan.
#[test]
fn commands_change_what_they_say_and_nothing_else() {
    let planned =
        |state| Rollout { position: Some(Position { step: 0, began_ms: 1 }), release: "v1".into(), ..in_state(state) };
    let running = planned(RolloutState::Running);
    let told = |rollout: &Rollout| {
        let step = rollout.position.map(|position| position.step);
        (rollout.weight_bps.get(), step, rollout.salt.clone(), rollout.release.clone())
    };
    let kept = (2_500, Some(0), "salt".to_owned(), "v1".to_owned());
    for command in [Command::Pause, abort("a")] {
        assert_eq!(told(&after(&running, &command)), kept, "{command:?}");
    }
    assert_eq!(told(&after(&planned(RolloutState::Paused), &Command::Resume)), kept);
    assert_eq!(told(&after(&running, &Command::Promote)), (10_000, None, "salt".to_owned(), "v1".to_owned()));
    let set = after(&running, &Command::set_weight(points(100)));
    assert_eq!(told(&set), (100, None, "salt".to_owned(), "v1".to_owned()), "a weight set by hand ends the plan");
    let advanced = after(&running, &Command::Advance { step: 1, weights: vec![(Share::Canary, points(300))] });
    assert_eq!(told(&advanced), (300, Some(1), "salt".to_owned(), "v1".to_owned()));
    assert_eq!(advanced.position.unwrap().began_ms, 2);

    let first = || Some(vec![(Share::Canary, points(100))]);
    let begin = |release: &str| Begin { salt: Some("new".into()), first: first(), release: release.into() };
    let anew = after(&planned(RolloutState::Aborted), &Command::Restart(begin("")));
    assert_eq!(told(&anew), (100, Some(0), "new".to_owned(), "v1".to_owned()), "a restart is of the same release");
    let next = after(&planned(RolloutState::Promoted), &Command::Start(begin("v2")));
    assert_eq!(told(&next), (100, Some(0), "new".to_owned(), "v2".to_owned()));
    let unnamed = after(&planned(RolloutState::Promoted), &Command::Start(begin("")));
    assert_eq!(unnamed.release, "", "a start is of another one");
}

#[test]
fn the_time_of_an_operator_is_not_the_steps() {
    let running = Rollout { position: Some(Position { step: 3, began_ms: 1_000 }), changed_ms: 1_000, ..running() };
    let at = |rollout: &Rollout, command: &Command, now_ms| match rollout.apply(command, "test", now_ms) {
        Ok(Applied::Changed(next)) => next,
        other => panic!("{other:?}"),
    };
    let paused = at(&running, &Command::Pause, 1_500);
    let resumed = at(&paused, &Command::Resume, 9_500);
    assert_eq!(resumed.position, Some(Position { step: 3, began_ms: 9_000 }), "500 ms of the step are over");
    let aborted = at(&paused, &abort("a"), 2_000);
    let resumed = at(&aborted, &Command::Resume, 9_500);
    assert_eq!(resumed.position, Some(Position { step: 3, began_ms: 9_500 }), "the step is tried anew");
}

#[test]
fn numbers_at_their_end_do_not_overflow() {
    let last = Position { step: u16::MAX, began_ms: u64::MAX };
    let rollout = Rollout { epoch: u64::MAX, position: Some(last), ..in_state(RolloutState::Paused) };
    assert_eq!(after(&rollout, &Command::Resume).position, Some(last));
    assert_eq!(after(&rollout, &abort("a")).state, RolloutState::Aborted);
    let running = Rollout { position: Some(last), ..running() };
    assert!(running.apply(&Command::Advance { step: 0, weights: Vec::new() }, "test", 2).is_err());
}

#[test]
fn shrinking_variants_make_room_for_growing_ones() {
    let beta = Share::Other("beta".into());
    let both =
        after(&running(), &Command::SetWeights(vec![(Share::Canary, points(4_000)), (beta.clone(), points(6_000))]));
    assert_eq!(both.slots.to_string(), "@canary*4000 beta*6000");
    let turned =
        after(&both, &Command::SetWeights(vec![(beta.clone(), points(9_000)), (Share::Canary, points(1_000))]));
    assert_eq!((turned.slots.weight(&beta).get(), turned.weight_bps.get()), (9_000, 1_000));
    let hint = |weights: &[(Share, BasisPoints)]| {
        both.apply(&Command::SetWeights(weights.to_vec()), "test", 2).unwrap_err().hint
    };
    assert_eq!(hint(&[(beta, points(6_001))]), "the variants together would have more than 100 percent");
    assert_eq!(hint(&[(Share::Stable, points(1))]), "stable has what the others leave");
}

#[test]
fn a_document_of_the_version_before_is_one_canary() {
    let before = r#"{"state":"running","weight_bps":2500,"salt":"salt","epoch":1,"run":1,"reason":"created","by":"policy",
        "changed_ms":1,"seen_aborts":[]}"#;
    assert_eq!(serde_json::from_str::<Rollout>(before).unwrap(), running());
    let mut later: serde_json::Value = serde_json::to_value(running()).unwrap();
    later["shards"] = 7.into();
    assert_eq!(serde_json::from_value::<Rollout>(later.clone()).unwrap(), running(), "what is unknown is ignored");
    later["weight_bps"] = 100.into();
    let by_hand = serde_json::from_value::<Rollout>(later.clone()).unwrap();
    assert_eq!(by_hand.slots, SlotTable::canary(points(100)), "the weight counts where slots say otherwise");
    later["slots"] = "@canary*1".into();
    assert!(serde_json::from_value::<Rollout>(later).is_err());
}

#[test]
fn the_higher_epoch_counts_and_an_abort_among_equals() {
    let (running, aborted) = (running(), after(&running(), &abort("a")));
    let other = after(&running, &Command::set_weight(points(1)));
    assert!(aborted.counts_over(&running) && !running.counts_over(&aborted));
    assert!(aborted.counts_over(&other) && !other.counts_over(&aborted), "both are of epoch 2");
    assert!(other.counts_over(&other) && aborted.counts_over(&aborted));
    let resumed = after(&aborted, &Command::Resume);
    assert!(resumed.counts_over(&aborted));
}

#[test]
fn a_refusal_says_what_to_do() {
    let refused = in_state(RolloutState::Aborted).apply(&Command::set_weight(points(1)), "test", 2).unwrap_err();
    assert_eq!(refused.to_string(), "the rollout is aborted and refuses `set weight`: resume it first");
}

#[test]
fn a_resume_begins_a_new_run_and_an_abort_does_not() {
    let aborted = after(&running(), &abort("a"));
    assert_eq!((aborted.epoch, aborted.run), (2, 1));
    let resumed = after(&aborted, &Command::Resume);
    assert_eq!((resumed.epoch, resumed.run), (3, 3));
}

#[test]
fn the_oldest_abort_is_forgotten_after_sixteen() {
    let mut rollout = running();
    for n in 0..SEEN_ABORTS_MAX {
        rollout = after(&rollout, &abort(&n.to_string()));
    }
    assert_eq!(rollout.apply(&abort("0"), "test", 2), Ok(Applied::Unchanged), "sixteen are remembered");
    rollout = after(&rollout, &abort("one more"));
    assert_eq!(rollout.seen_aborts.len(), SEEN_ABORTS_MAX);
    assert!(matches!(rollout.apply(&abort("0"), "test", 2), Ok(Applied::Changed(_))), "the seventeenth is not");
}

#[test]
fn texts_of_people_stay_one_bounded_line() {
    let reason = format!("{}\n{}", "\u{e4}".repeat(100), "x".repeat(300));
    let command = Command::Abort { id: AlertId::from_text("a"), reason };
    let rollout = after(&running(), &command);
    assert!(rollout.reason.len() <= LINE_BYTES_MAX && !rollout.reason.contains('\n'), "{}", rollout.reason);
}

#[test]
fn states_read_back() {
    for text in ["off", "running", "paused", "aborted", "promoted"] {
        assert_eq!(RolloutState::from_text(text).unwrap().to_string(), text);
        assert_eq!(serde_json::to_string(&RolloutState::from_text(text).unwrap()).unwrap(), format!("\"{text}\""));
    }
    assert_eq!(RolloutState::from_text("Running"), None);
}
