//! `[rollouts.NAME]`: the sticky key, the variants and their upstreams, the weight to begin with.

use sluice_model::field::Field;
use sluice_model::plan::Plan;
use sluice_model::weight::BasisPoints;

use super::Scope;
use super::fields;
use super::keys::{Keys, entries};
use super::reader::{Named, Reader, Value, choice_hint, quoted};
use super::shape::{FIELD, Form, Key, Shape};
use super::values::{name_text, percent};
use crate::policy::Rollout;

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
    ],
);

/// A rollout whose upstreams are not yet resolved.
pub(crate) struct RolloutDraft {
    pub(crate) name: String,
    key: Vec<Field>,
    stable: String,
    canary: String,
    variants: Vec<(String, Named)>,
    initial: BasisPoints,
}

impl RolloutDraft {
    pub(crate) fn resolve(self, reader: &mut Reader<'_>, scope: &Scope) -> Option<Rollout> {
        let Self { name, key, stable, canary, variants, initial } = self;
        let variants: Vec<_> = variants
            .into_iter()
            .map(|(variant, upstream)| Some((variant, scope.upstreams.resolve(reader, "upstream", &upstream)?)))
            .collect();
        let variants = variants.into_iter().collect::<Option<Vec<_>>>()?;
        Some(Rollout { name, key, stable, canary, variants, initial, overrides: Vec::new(), plan: Plan::default() })
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
    Some(RolloutDraft { name: name.text, key, stable: stable.text, canary: canary.text, variants: upstreams, initial })
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
