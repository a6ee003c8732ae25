//! Properties of the rollout machine: whatever is commanded in whatever order, and whoever writes at the same time.

use proptest::prelude::*;

use super::*;
use crate::bucket;
use crate::weight::SLOTS;

/// Users that are followed through changes of weight.
const USERS: u32 = 300;

fn points() -> impl Strategy<Value = BasisPoints> {
    prop_oneof![Just(0), Just(SLOTS), 0..=SLOTS].prop_map(|points| BasisPoints::new(points).unwrap())
}

fn share() -> impl Strategy<Value = Share> {
    prop_oneof![3 => Just(Share::Canary), 2 => "[ab]".prop_map(Share::Other), 1 => Just(Share::Stable)]
}

fn weights() -> impl Strategy<Value = Vec<(Share, BasisPoints)>> {
    prop::collection::vec((share(), points()), 0..4)
}

fn begin() -> impl Strategy<Value = Begin> {
    (prop::option::of("[xyz]"), prop::option::of(weights()), "v?[0-9]?").prop_map(|(salt, first, release)| Begin {
        salt,
        first,
        release,
    })
}

pub(super) fn abort() -> impl Strategy<Value = Command> {
    "[a-e]".prop_map(|id| Command::Abort { id: AlertId::from_text(id), reason: "upload too large".into() })
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        begin().prop_map(Command::Start),
        begin().prop_map(Command::Restart),
        Just(Command::Pause),
        Just(Command::Resume),
        Just(Command::Promote),
        abort(),
        weights().prop_map(Command::SetWeights),
        (0u16..6, weights()).prop_map(|(step, weights)| Command::Advance { step, weights }),
    ]
}

fn rollout() -> impl Strategy<Value = Rollout> {
    (points(), prop::collection::vec(command(), 0..20)).prop_map(|(initial, commands)| {
        let first = Rollout::initial(initial, "salt".into(), "policy", 0);
        commands.iter().fold(first, |rollout, command| after(&rollout, command))
    })
}

/// The rollout after `command`; the same one if it is refused or changes nothing.
fn after(rollout: &Rollout, command: &Command) -> Rollout {
    match rollout.apply(command, "test", rollout.changed_ms + 1) {
        Ok(Applied::Changed(next)) => next,
        Ok(Applied::Unchanged) | Err(_) => rollout.clone(),
    }
}

/// Who serves each of some users.
fn owners(rollout: &Rollout) -> Vec<Share> {
    let slot = |user: u32| bucket::slot(&rollout.salt, format!("u{user}").as_bytes());
    (0..USERS).map(|user| rollout.slots.owner(slot(user)).clone()).collect()
}

/// What holds for every rollout that can be reached.
fn check(rollout: &Rollout) -> Result<(), TestCaseError> {
    let sum: u32 = rollout.slots.runs().iter().map(|run| u32::from(run.slots)).sum();
    prop_assert_eq!(sum, u32::from(SLOTS), "there are always 10,000 slots");
    prop_assert!(rollout.slots.runs().iter().all(|run| run.slots > 0));
    prop_assert_eq!(rollout.slots.weight(&Share::Canary), rollout.weight_bps);
    prop_assert_eq!(rollout.slots.to_string().parse(), Ok(rollout.slots.clone()), "a table reads back");
    prop_assert!(rollout.seen_aborts.len() <= SEEN_ABORTS_MAX);
    prop_assert!(rollout.run <= rollout.epoch);
    match rollout.state {
        RolloutState::Off | RolloutState::Aborted => prop_assert_eq!(rollout.effective_weight(), BasisPoints::ZERO),
        RolloutState::Promoted => prop_assert_eq!(rollout.effective_weight(), BasisPoints::FULL),
        RolloutState::Running | RolloutState::Paused => {
            prop_assert_eq!(rollout.effective_weight(), rollout.weight_bps);
        }
    }
    let text = serde_json::to_string(rollout).unwrap();
    prop_assert_eq!(&serde_json::from_str::<Rollout>(&text).unwrap(), rollout, "a document reads back");
    Ok(())
}

proptest! {
    #[test]
    fn whatever_is_commanded_the_machine_holds(initial in points(), commands in prop::collection::vec(command(), 0..40)) {
        let mut rollout = Rollout::initial(initial, "salt".into(), "policy", 0);
        for command in commands {
            let seen_before = matches!(&command, Command::Abort { id, .. } if rollout.seen_aborts.contains(id));
            match rollout.apply(&command, "test", rollout.changed_ms + 1) {
                Ok(Applied::Changed(next)) => {
                    prop_assert_eq!(next.epoch, rollout.epoch + 1, "each change raises the epoch by one");
                    prop_assert!(next.run == rollout.run || next.run == next.epoch);
                    prop_assert!(!seen_before, "an abort counts once");
                    if rollout.state == RolloutState::Aborted && next.state != RolloutState::Aborted {
                        let lifts = matches!(command, Command::Resume | Command::Restart(_));
                        prop_assert!(lifts, "{command:?} lifts an abort");
                        prop_assert_eq!(next.run, next.epoch, "what serves again is a new run");
                    }
                    if let (Some(position), Command::Advance { step, .. }) = (rollout.position, &command) {
                        prop_assert_eq!(*step, position.step + 1, "no step is left out");
                    }
                    rollout = next;
                }
                Ok(Applied::Unchanged) => {}
                Err(refused) => {
                    prop_assert!(!matches!(command, Command::Abort { .. }), "an abort is never refused");
                    prop_assert!(!refused.hint.is_empty());
                }
            }
            check(&rollout)?;
        }
    }

    #[test]
    fn an_abort_counts_whatever_was_before_and_a_resume_returns(rollout in rollout()) {
        let id = AlertId::from_text("never seen");
        let aborted = after(&rollout, &Command::Abort { id, reason: "test".into() });
        prop_assert_eq!(aborted.state, RolloutState::Aborted);
        prop_assert_eq!(&aborted.slots, &rollout.slots, "who owns what is kept");
        let resumed = after(&aborted, &Command::Resume);
        prop_assert_eq!((resumed.state, resumed.effective_weight()), (RolloutState::Running, rollout.weight_bps));
    }

    #[test]
    fn raising_a_weight_moves_users_from_stable_only(rollout in rollout(), share in share(), to in points()) {
        prop_assume!(share != Share::Stable && rollout.slots.weight(&share) <= to);
        let raised = after(&rollout, &Command::SetWeights(vec![(share.clone(), to)]));
        for (before, now) in owners(&rollout).into_iter().zip(owners(&raised)) {
            prop_assert!(before == now || (before == Share::Stable && now == share), "{before} -> {now}");
        }
    }

    #[test]
    fn lowering_a_weight_moves_users_to_stable_only(rollout in rollout(), share in share(), to in points()) {
        prop_assume!(share != Share::Stable && rollout.slots.weight(&share) >= to);
        let lowered = after(&rollout, &Command::SetWeights(vec![(share.clone(), to)]));
        for (before, now) in owners(&rollout).into_iter().zip(owners(&lowered)) {
            prop_assert!(before == now || (before == share && now == Share::Stable), "{before} -> {now}");
        }
    }

    #[test]
    fn one_canary_always_has_the_lowest_slots(initial in points(), weights in prop::collection::vec(points(), 0..20)) {
        let mut rollout = Rollout::initial(initial, "salt".into(), "policy", 0);
        for weight in weights {
            rollout = after(&rollout, &Command::set_weight(weight));
            prop_assert_eq!(&rollout.slots, &SlotTable::canary(weight));
        }
    }

    /// Writers on both sides of a split store: whoever hears of the results in whatever order ends with the same one, and
    /// aborts that are replayed into it change nothing that is known already.
    #[test]
    fn concurrent_writers_come_to_one_end(
        base in rollout(),
        sides in prop::collection::vec(prop::collection::vec(command(), 0..6), 1..4),
        order in any::<prop::sample::Index>(),
    ) {
        let ends: Vec<Rollout> =
            sides.iter().map(|side| side.iter().fold(base.clone(), |rollout, command| after(&rollout, command))).collect();
        let merge = |ends: &mut dyn Iterator<Item = &Rollout>| {
            ends.fold(base.clone(), |held, heard| if heard.counts_over(&held) { heard.clone() } else { held })
        };
        let first = order.index(ends.len());
        let forwards = merge(&mut ends.iter());
        let turned = merge(&mut ends[first..].iter().chain(&ends[..first]).rev());
        prop_assert_eq!(forwards.epoch, turned.epoch);
        prop_assert_eq!(forwards.state == RolloutState::Aborted, turned.state == RolloutState::Aborted);
        let highest = ends.iter().map(|end| end.epoch).max().unwrap_or_default().max(base.epoch);
        prop_assert_eq!(forwards.epoch, highest, "the highest epoch counts");
        let aborted = ends.iter().chain([&base]).any(|end| end.epoch == highest && end.state == RolloutState::Aborted);
        prop_assert_eq!(forwards.state == RolloutState::Aborted, aborted, "an abort counts among equals");

        let spooled = sides.iter().flatten().filter(|command| matches!(command, Command::Abort { .. }));
        let spooled: Vec<&Command> = spooled.collect();
        let replayed = spooled.iter().fold(forwards, |rollout, command| after(&rollout, command));
        let again = spooled.iter().fold(replayed.clone(), |rollout, command| after(&rollout, command));
        prop_assert_eq!(replayed, again, "a replay is idempotent");
    }
}
