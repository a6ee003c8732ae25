//! What an operator orders, as a command for the state machine: the part that needs to know the policy and where the rollout
//! stands. Pure.

use std::collections::BTreeMap;

use sluice_model::plan::{Plan, Position};
use sluice_model::rollout::{Begin, Command, Rollout as Stored, RolloutState};
use sluice_model::slots::Share;
use sluice_model::weight::BasisPoints;
use sluice_policy::Rollout as Declared;

use crate::handle::CommandError;

/// What an operator may want of a rollout, beside an abort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RolloutOrder {
    /// A new release begins, at the first step of the plan.
    Start {
        /// What is rolled out; may be empty.
        release: String,
    },
    /// Steps stand still.
    Pause,
    /// It goes on where it was, or from the first step.
    Resume {
        /// From the first step.
        from_start: bool,
    },
    /// Everything goes to the canary.
    Promote,
    /// The next step begins now.
    Advance,
    /// New weight of the canary.
    Weight(BasisPoints),
    /// New weights, by variant.
    Weights(BTreeMap<String, BasisPoints>),
}

/// The command that carries the order out.
///
/// # Errors
/// [`CommandError`] if it makes no sense for this policy, or where the rollout stands.
pub(crate) fn command(
    order: &RolloutOrder,
    declared: &Declared,
    stored: Option<&Stored>,
    salt: String,
) -> Result<Command, CommandError> {
    let first = || declared.plan.steps.first().map(|step| step.weights.clone());
    Ok(match order {
        RolloutOrder::Start { .. } if stored.is_some_and(|stored| is_outside(stored, &declared.plan)) => {
            let text = "it runs already, at a weight that no step set: pause it and resume it from the start";
            return Err(CommandError::Refused(text.to_owned()));
        }
        RolloutOrder::Start { release } => {
            Command::Start(Begin { salt: Some(salt), first: first(), release: release.clone() })
        }
        RolloutOrder::Pause => Command::Pause,
        RolloutOrder::Resume { from_start: false } => Command::Resume,
        // The same release: users keep their slots.
        RolloutOrder::Resume { from_start: true } => Command::Restart(Begin {
            salt: None,
            first: first(),
            release: stored.map(|stored| stored.release.clone()).unwrap_or_default(),
        }),
        RolloutOrder::Promote => Command::Promote,
        RolloutOrder::Advance => advance(&declared.plan, stored.and_then(|stored| stored.position))?,
        RolloutOrder::Weight(weight) => Command::set_weight(*weight),
        RolloutOrder::Weights(weights) => Command::SetWeights(shares(declared, weights)?),
    })
}

/// It runs without following the plan that there is: a start that changed nothing would be taken for one that did.
fn is_outside(stored: &Stored, plan: &Plan) -> bool {
    stored.state == RolloutState::Running && stored.position.is_none() && !plan.steps.is_empty()
}

fn advance(plan: &Plan, position: Option<Position>) -> Result<Command, CommandError> {
    let refused = |text: &str| Err(CommandError::Refused(text.to_owned()));
    if plan.steps.is_empty() {
        return refused("its policy has no steps: set a weight, or promote it");
    }
    let Some(position) = position else {
        return refused(
            "it stands at no step: start it; or, if its weight was set by hand, pause it and resume it from the start",
        );
    };
    let next = usize::from(position.step) + 1;
    match (plan.steps.get(next), plan.steps.last()) {
        (Some(step), _) => Ok(Command::Advance { step: position.step + 1, weights: step.weights.clone() }),
        (None, Some(last)) if last.weights.contains(&(Share::Canary, BasisPoints::FULL)) => Ok(Command::Promote),
        (None, _) => {
            refused("it stands at its last step, which gives the canary less than 100 %: promote it, or set a weight")
        }
    }
}

/// The variants of the policy, as shares of slots.
fn shares(
    declared: &Declared,
    weights: &BTreeMap<String, BasisPoints>,
) -> Result<Vec<(Share, BasisPoints)>, CommandError> {
    let invalid = CommandError::Invalid;
    let known = || declared.variants.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    if weights.is_empty() {
        return Err(invalid(format!("name at least one variant of `{}`: {}", declared.name, known())));
    }
    let share = |(name, weight): (&String, &BasisPoints)| {
        if *name == declared.stable {
            return Err(invalid(format!("`{name}` takes what the others leave: give the others less")));
        }
        if *name == declared.canary {
            return Ok((Share::Canary, *weight));
        }
        if declared.upstream_of(name).is_none() {
            return Err(invalid(format!("`{}` has no variant `{name}`: {}", declared.name, known())));
        }
        Ok((Share::Other(name.clone()), *weight))
    };
    weights.iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use sluice_model::plan::{Gate, Step};

    use super::*;

    fn percent(percent: u8) -> BasisPoints {
        BasisPoints::whole_percent(percent)
    }

    fn step(weight: u8) -> Step {
        Step { weights: vec![(Share::Canary, percent(weight))], pause_ms: 0, gate: Gate::Manual, deadline_ms: None }
    }

    fn declared(steps: Vec<Step>) -> Declared {
        let text = "[upstreams.a]\nservers = [\"127.0.0.1:1\"]\n[rollouts.demo]\nkey = [\"client-address\"]\nstable = \"old\"\n\
                    canary = \"new\"\nvariants = { old = \"a\", new = \"a\", beta = \"a\" }\n";
        let source = sluice_policy::Source { file: "a.toml".to_owned(), text: text.to_owned() };
        let mut declared = sluice_policy::parse(&[source]).unwrap().rollouts.remove(0);
        declared.plan = Plan { steps, analysis: None };
        declared
    }

    fn order(order: &RolloutOrder, declared: &Declared, step: Option<u16>) -> Result<Command, String> {
        let mut stored = Stored::initial(percent(5), "salt".to_owned(), "test", 0);
        stored.position = step.map(|step| Position { step, began_ms: 0 });
        stored.release = "v2".to_owned();
        command(order, declared, Some(&stored), "new".to_owned()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_release_begins_at_the_first_step_with_a_new_salt_and_is_tried_anew_with_its_own() {
        let first = Some(vec![(Share::Canary, percent(5))]);
        let start = RolloutOrder::Start { release: "v3".to_owned() };
        let refused = order(&start, &declared(vec![step(5)]), None).unwrap_err();
        assert!(refused.contains("resume it from the start"), "{refused}");
        let started = order(&start, &declared(vec![step(5)]), Some(0));
        let begin = Begin { salt: Some("new".to_owned()), first: first.clone(), release: "v3".to_owned() };
        assert_eq!(started, Ok(Command::Start(begin)));
        let again = order(&RolloutOrder::Resume { from_start: true }, &declared(vec![step(5)]), None);
        assert_eq!(again, Ok(Command::Restart(Begin { salt: None, first, release: "v2".to_owned() })));
    }

    #[test]
    fn an_advance_takes_the_next_step_and_past_the_last_one_promotes() {
        let plan = declared(vec![step(5), step(100)]);
        let advanced = order(&RolloutOrder::Advance, &plan, Some(0));
        assert_eq!(advanced, Ok(Command::Advance { step: 1, weights: vec![(Share::Canary, percent(100))] }));
        assert_eq!(order(&RolloutOrder::Advance, &plan, Some(1)), Ok(Command::Promote));
        for (plan, at, says) in [
            (declared(vec![step(5)]), Some(0), "promote it"),
            (plan, None, "start it"),
            (declared(Vec::new()), None, "no steps"),
        ] {
            assert!(order(&RolloutOrder::Advance, &plan, at).unwrap_err().contains(says), "{says}");
        }
    }

    #[test]
    fn weights_name_variants_of_the_policy() {
        let of = |weights: &[(&str, u8)]| {
            let weights = weights.iter().map(|(name, weight)| ((*name).to_owned(), percent(*weight))).collect();
            order(&RolloutOrder::Weights(weights), &declared(Vec::new()), None)
        };
        let expected = vec![(Share::Other("beta".to_owned()), percent(5)), (Share::Canary, percent(10))];
        assert_eq!(of(&[("new", 10), ("beta", 5)]), Ok(Command::SetWeights(expected)));
        assert!(of(&[("old", 10)]).unwrap_err().contains("takes what the others leave"));
        assert!(of(&[("gamma", 10)]).unwrap_err().contains("beta, new, old"));
        assert!(of(&[]).unwrap_err().contains("at least one"));
    }
}
