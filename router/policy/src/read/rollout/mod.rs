//! `[rollouts.NAME]`: the sticky key, the variants and their upstreams, the weight to begin with, and the plan.

use sluice_document::keys::{Keys, entries};
use sluice_document::reader::{Named, Reader, Value, choice_hint, quoted};
use sluice_document::shape::{FIELD, Form, Key, Shape};
use sluice_document::values::{list, name_text, percent};
use sluice_model::field::Field;
use sluice_model::plan::Plan;
use sluice_model::weight::BasisPoints;

use self::analysis::AnalysisDraft;
use self::steps::StepDraft;
use super::Scope;
use super::fields;
use crate::plugin::Plugin;
use crate::policy::Rollout;

pub(crate) mod analysis;
pub(crate) mod steps;

/// Most variants of one rollout.
pub(crate) const VARIANTS_MAX: usize = 16;

pub(crate) const SHAPE: Shape = Shape::new(
    "[rollouts.NAME]",
    &[
        Key::required(
            "key",
            Form::OneOrMore(&FIELD, fields::KEY_FIELDS_MAX),
            "Fields that name a user; the first that is present counts",
        ),
        Key::required("variants", Form::Map(&Form::Name, VARIANTS_MAX), "The upstream of each variant"),
        Key::required("stable", Form::Name, "Variant that serves the rest"),
        Key::required("canary", Form::Name, "Variant that the weight belongs to"),
        Key::default(
            "initial",
            Form::Percent,
            "0",
            "Percent at first; the store owns it once it exists, so that editing the file never changes it and never lifts an abort",
        ),
        Key::optional(
            "override",
            Form::OneOrMore(&fields::TOKEN_FIELD, fields::KEY_FIELDS_MAX),
            "Fields in which a signed override may stand; none without it",
        ),
        Key::default(
            "steps",
            Form::List(&Form::Table(&steps::SHAPE), 0, steps::STEPS_MAX),
            "[]",
            "Its plan, step by step; without one an operator moves the weight",
        ),
        Key::optional(
            "analysis",
            Form::Table(&analysis::SHAPE),
            "What the canary is held to while it serves, by what all routers counted",
        ),
    ],
);

/// A rollout whose upstreams and counters are not yet resolved.
pub(crate) struct RolloutDraft {
    pub(crate) name: String,
    key: Vec<Field>,
    stable: String,
    canary: String,
    variants: Vec<(String, Named)>,
    initial: BasisPoints,
    overrides: Vec<Field>,
    steps: Vec<StepDraft>,
    analysis: Option<AnalysisDraft>,
}

impl RolloutDraft {
    pub(crate) fn resolve(self, reader: &mut Reader<'_>, scope: &Scope, plugins: &[Plugin]) -> Option<Rollout> {
        let Self { name, key, stable, canary, variants, initial, overrides, steps, analysis } = self;
        let variants: Vec<_> = variants
            .into_iter()
            .map(|(variant, upstream)| Some((variant, scope.upstreams.resolve(reader, "upstream", &upstream)?)))
            .collect();
        let analysis = analysis.map(|analysis| analysis.resolve(reader, scope, plugins));
        let variants = variants.into_iter().collect::<Option<Vec<_>>>()?;
        let plan = Plan { steps: steps.into_iter().map(|draft| draft.step).collect(), analysis };
        Some(Rollout { name, key, stable, canary, variants, initial, overrides, plan })
    }
}

pub(crate) fn read<'d>(reader: &mut Reader<'_>, name: Named, value: &'d Value<'d>) -> Option<RolloutDraft> {
    let mut keys = Keys::of(reader, value, &SHAPE)?;
    let key = keys.required(
        reader,
        "key",
        "write what tells users apart, e.g. key = [\"cookie:uid\", \"client-address\"]",
        |reader, value| fields::key(reader, value, "sticky key"),
    );
    let variants = keys.required(
        reader,
        "variants",
        "write the upstream of each variant, e.g. variants = { stable = \"a\", canary = \"b\" }",
        |reader, value| Some(variants(reader, value)),
    );
    let stable = keys.required(reader, "stable", "write the variant that serves the rest", name_text);
    let canary = keys.required(reader, "canary", "write the variant that the weight belongs to", name_text);
    let initial = keys.optional(reader, "initial", percent).unwrap_or(BasisPoints::ZERO);
    let overrides = keys.optional(reader, "override", fields::token).unwrap_or_default();
    let has_analysis = keys.find("analysis").is_some();
    let analysis = keys.optional(reader, "analysis", analysis::read);
    let known = steps::Known {
        variants: variants.as_ref().map(|variants| variants.declared.as_slice()),
        stable: stable.as_ref().map(|stable| stable.text.as_str()),
        canary: canary.as_ref().map(|canary| canary.text.as_str()),
        has_analysis,
    };
    let steps = keys.optional(reader, "steps", |reader, value| {
        list(reader, value, steps::STEPS_MAX, |reader, value| steps::read(reader, value, &known))
    });
    let steps = steps.unwrap_or_default();
    steps::check_sums(reader, &steps);
    keys.finish(reader);
    let (key, Variants { declared, upstreams }) = (key?, variants?);
    for variant in [&stable, &canary].into_iter().flatten() {
        if !declared.contains(&variant.text) {
            let known: Vec<&str> = declared.iter().map(String::as_str).collect();
            let message = format!("{} is none of the `variants`", quoted(&variant.text));
            reader.fault(&variant.place, message, choice_hint(&variant.text, &known));
        }
    }
    let (stable, canary) = (stable?, canary?);
    if stable.text == canary.text {
        reader.fault(&canary.place, "`stable` and `canary` are the same variant", "name two of the `variants`");
    }
    let (name, stable, canary) = (name.text, stable.text, canary.text);
    Some(RolloutDraft { name, key, stable, canary, variants: upstreams, initial, overrides, steps, analysis })
}

/// The variants of a rollout; those with a faulty upstream are declared all the same.
struct Variants {
    declared: Vec<String>,
    upstreams: Vec<(String, Named)>,
}

fn variants<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Variants {
    let mut variants = Variants { declared: Vec::new(), upstreams: Vec::new() };
    entries(reader, value, VARIANTS_MAX, |reader, variant, value| {
        variants.declared.push(variant.text.clone());
        variants.upstreams.extend(name_text(reader, value).map(|upstream| (variant.text, upstream)));
    });
    variants
}
