//! Tests of the rollout machine: each transition by example, the invariants by property.

use proptest::prelude::*;

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

#[test]
fn every_pair_of_state_and_command_is_as_the_table_says() {
    use RolloutState::{Aborted, Off, Paused, Promoted, Running};
    let states = [Off, Running, Paused, Aborted, Promoted];
    let table: [(Command, [Option<RolloutState>; 5]); 6] = [
        (Command::Start(Begin::default()), [Some(Running), Some(Running), None, None, None]),
        (Command::Pause, [None, Some(Paused), Some(Paused), None, None]),
        (Command::Resume, [None, Some(Running), Some(Running), Some(Running), None]),
        (abort("second"), [Some(Aborted); 5]),
        (Command::Promote, [None, Some(Promoted), Some(Promoted), None, Some(Promoted)]),
        (Command::set_weight(points(5_000)), [Some(Running), Some(Running), Some(Paused), None, Some(Running)]),
    ];
    for (command, row) in table {
        for (state, expected) in states.into_iter().zip(row) {
            let rollout = in_state(state);
            let found = rollout.apply(&command, "test", 2).ok().map(|applied| match applied {
                Applied::Changed(next) => next.state,
                Applied::Unchanged => rollout.state,
            });
            assert_eq!(found, expected, "{command:?} while {state}");
        }
    }
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

fn commands() -> impl Strategy<Value = Vec<Command>> {
    let one = prop_oneof![
        Just(Command::Start(Begin::default())),
        Just(Command::Pause),
        Just(Command::Resume),
        Just(Command::Promote),
        "[a-e]".prop_map(|id| abort(&id)),
        (0u16..=10_000).prop_map(|weight| Command::set_weight(points(weight))),
    ];
    prop::collection::vec(one, 0..40)
}

proptest! {
    #[test]
    fn whatever_happens_the_invariants_hold(initial in 0u16..=10_000, commands in commands()) {
        let mut rollout = Rollout::initial(points(initial), "salt".into(), "policy", 0);
        for command in commands {
            match rollout.apply(&command, "test", 1) {
                Ok(Applied::Changed(next)) => {
                    prop_assert_eq!(next.epoch, rollout.epoch + 1, "each change raises the epoch by one");
                    prop_assert!(next.run <= next.epoch && next.run >= rollout.run);
                    rollout = next;
                }
                Ok(Applied::Unchanged) => {}
                Err(_) => prop_assert!(!matches!(command, Command::Abort { .. }), "an abort is never refused"),
            }
            if let Command::Abort { .. } = &command {
                let replayed = rollout.apply(&command, "replay", 2);
                prop_assert_eq!(replayed, Ok(Applied::Unchanged), "a replay changes nothing");
            }
            prop_assert!(rollout.seen_aborts.len() <= SEEN_ABORTS_MAX);

            let aborted = after(&rollout, &abort("never seen"));
            prop_assert_eq!(aborted.state, RolloutState::Aborted, "a new abort always applies");
            prop_assert_eq!(aborted.effective_weight(), BasisPoints::ZERO);
            let resumed = after(&aborted, &Command::Resume);
            let was_aborted = rollout.state == RolloutState::Aborted;
            let before = if was_aborted { rollout.weight_bps } else { rollout.effective_weight() };
            prop_assert_eq!(resumed.effective_weight(), before, "a resume returns to the weight before");
        }
    }
}
