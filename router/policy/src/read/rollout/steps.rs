//! `steps` of a rollout.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use sluice_document::keys::{Keys, entries};
use sluice_document::reader::{Named, Place, Reader, Value, choice_hint, quoted};
use sluice_document::shape::{Form, Key, Rule, Shape};
use sluice_document::values::{choice, duration, millis, percent};
use sluice_model::plan::{Gate, Step};
use sluice_model::slots::Share;
use sluice_model::weight::{BasisPoints, SLOTS};

use super::VARIANTS_MAX;

/// Most steps of a plan.
pub(crate) const STEPS_MAX: usize = sluice_model::plan::STEPS_MAX;
/// How long a step may be asked to last; a month is a release by itself.
const PAUSE_RANGE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(30 * 24 * 60 * 60);
/// Within what a step may be asked to end.
const DEADLINE_RANGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30 * 24 * 60 * 60);
const GATES: [(&str, Gate); 2] = [("auto", Gate::Auto), ("manual", Gate::Manual)];

pub(crate) const SHAPE: Shape = Shape::new(
    "step",
    &[
        Key::optional("weight", Form::Percent, "Percent of the canary"),
        Key::optional(
            "weights",
            Form::Map(&Form::Percent, VARIANTS_MAX),
            "Percent of each variant that is named; the others keep theirs, and stable has what is left",
        ),
        Key::default("pause", Form::Duration(PAUSE_RANGE), "\"0s\"", "How long it lasts at least"),
        Key::default(
            "gate",
            Form::Words(&["auto", "manual"]),
            "\"auto\"",
            "Whether it ends by itself, once its pause is over and the analysis has passed, or by an operator",
        ),
        Key::optional(
            "deadline",
            Form::Duration(DEADLINE_RANGE),
            "How long the analysis may keep it; then the rollout ends as by a failed one",
        ),
    ],
)
.with_rule(Rule::ExactlyOne(&["weight", "weights"]));

/// What the rollout says beside its steps; `None` = that part is faulty or missing.
pub(super) struct Known<'k> {
    pub(super) variants: Option<&'k [String]>,
    pub(super) stable: Option<&'k str>,
    pub(super) canary: Option<&'k str>,
    pub(super) has_analysis: bool,
}

/// A step, and where it stands.
pub(super) struct StepDraft {
    pub(super) step: Step,
    place: Place,
}

pub(super) fn read<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>, known: &Known<'_>) -> Option<StepDraft> {
    let mut keys = Keys::of(reader, value, &SHAPE)?;
    let places = ["weight", "weights"].map(|key| keys.find(key).map(|value| reader.place_of(value)));
    let weight = keys.optional(reader, "weight", percent);
    let weights = keys.optional(reader, "weights", |reader, value| Some(weights(reader, value, known)));
    let pause = keys.optional(reader, "pause", |reader, value| duration(reader, value, &PAUSE_RANGE));
    let gate = keys.optional(reader, "gate", |reader, value| choice(reader, value, "gate", &GATES)).unwrap_or_default();
    let deadline_place = keys.find("deadline").map(|value| reader.place_of(value));
    let deadline = keys.optional(reader, "deadline", |reader, value| duration(reader, value, &DEADLINE_RANGE));
    let hint = "write weight = 25, or weights = { canary = 25, other = 5 }";
    match &places {
        [Some(_), Some(place)] => {
            reader.fault(place, "`weight` and `weights` stand in one step", "leave one of them out")
        }
        [None, None] => keys.missing(reader, keys.place(), &["weight", "weights"], "a step has a `weight`", hint),
        [Some(_), None] | [None, Some(_)] => {}
    }
    if let Some(place) = &deadline_place {
        check_deadline(reader, place, deadline.zip(Some(pause.unwrap_or_default())), gate, known.has_analysis);
    }
    let place = keys.place().clone();
    keys.finish(reader);
    let weights = weights.or_else(|| weight.map(|weight| vec![(Share::Canary, weight)]))?;
    let step = Step { weights, pause_ms: millis(pause.unwrap_or_default()), gate, deadline_ms: deadline.map(millis) };
    Some(StepDraft { step, place })
}

fn check_deadline(
    reader: &mut Reader<'_>,
    place: &Place,
    deadline_and_pause: Option<(Duration, Duration)>,
    gate: Gate,
    has_analysis: bool,
) {
    if gate == Gate::Manual {
        reader.fault(place, "nobody can say how long an operator takes", "remove `deadline`, or the manual gate");
    } else if !has_analysis {
        let hint = "remove `deadline`, or write an `analysis`";
        reader.fault(place, "without an `analysis` nothing keeps a step longer than its pause", hint);
    } else if deadline_and_pause.is_some_and(|(deadline, pause)| deadline <= pause) {
        reader.fault(place, "the deadline of a step is not after its pause", "write more than its `pause`");
    }
}

/// Weights of variants by name; stable has what the others leave.
fn weights<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>, known: &Known<'_>) -> Vec<(Share, BasisPoints)> {
    let mut weights = Vec::new();
    entries(reader, value, VARIANTS_MAX, |reader, variant, value| {
        let weight = percent(reader, value);
        if is_weighable(reader, &variant, known) {
            let share = if known.canary == Some(&variant.text) { Share::Canary } else { Share::Other(variant.text) };
            weights.extend(weight.map(|weight| (share, weight)));
        }
    });
    weights
}

fn is_weighable(reader: &mut Reader<'_>, variant: &Named, known: &Known<'_>) -> bool {
    if known.stable == Some(&variant.text) {
        let message = format!("{} is the stable variant: it has what the others leave", quoted(&variant.text));
        reader.fault(&variant.place, message, "weigh the other variants");
        return false;
    }
    let Some(variants) = known.variants.filter(|variants| !variants.contains(&variant.text)) else { return true };
    let others: Vec<&str> = variants.iter().map(String::as_str).filter(|name| known.stable != Some(name)).collect();
    let message = format!("{} is none of the `variants`", quoted(&variant.text));
    reader.fault(&variant.place, message, choice_hint(&variant.text, &others));
    false
}

/// Reports the first step whose variants, with those that keep their weight of a step before, would have more than everything.
pub(super) fn check_sums(reader: &mut Reader<'_>, steps: &[StepDraft]) {
    let mut held: BTreeMap<&Share, u32> = BTreeMap::new();
    for StepDraft { step, place } in steps {
        held.extend(step.weights.iter().map(|(share, weight)| (share, u32::from(weight.get()))));
        if held.values().sum::<u32>() > u32::from(SLOTS) {
            let hint = "lower one; variants that a step does not name keep the weight of the step before";
            reader.fault(place, "the variants of this step have more than 100 percent together", hint);
            return;
        }
    }
}
