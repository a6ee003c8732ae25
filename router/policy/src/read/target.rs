//! Where a route leads: `to` an upstream, several with weights, or a built-in; or a redirect.

use std::ops::RangeInclusive;

use sluice_document::keys::Keys;
use sluice_document::reader::{Named, Place, Reader, Value, choice_hint, quoted};
use sluice_document::shape::{Form, Key, Shape};
use sluice_document::values::{expected, filled_list, integer, name_text, unique};
use toml::de::DeValue;

use super::Scope;
use crate::route::{Builtin, Target, WeightedUpstream};

/// Most upstreams of one route; the bound of the Gateway API.
pub(crate) const TARGETS_MAX: usize = 16;
/// Relative weights; the bound of the Gateway API.
const WEIGHT_RANGE: RangeInclusive<u64> = 0..=1_000_000;
/// Weight of an upstream that has none, as in the Gateway API.
const WEIGHT_DEFAULT: u32 = 1;

/// What a target looks like.
pub(crate) const HINT: &str =
    "write to = \"UPSTREAM\", to = [{ upstream = \"UPSTREAM\", weight = 1 }] or to = { builtin = \"servers\" }";

/// One entry of `to`.
pub(crate) const WEIGHTED: Shape = Shape::new(
    "to upstreams",
    &[
        Key::required("upstream", Form::Name, "Upstream"),
        Key::default("weight", Form::Integer(WEIGHT_RANGE), "1", "Share, relative; 0 = no requests"),
    ],
);
pub(crate) const BUILTIN: Shape = Shape::new(
    "to a part of the router",
    &[Key::required("builtin", Form::Words(&["servers"]), "The list of all servers that hold a lease")],
);

/// A target whose upstreams are not yet resolved.
pub(crate) enum TargetDraft {
    Redirect,
    Upstreams(Vec<(Named, u32)>),
    Builtin(Builtin),
}

impl TargetDraft {
    pub(crate) fn resolve(self, reader: &mut Reader<'_>, scope: &Scope) -> Option<Target> {
        let upstreams = match self {
            Self::Redirect => return Some(Target::Redirect),
            Self::Builtin(builtin) => return Some(Target::Builtin(builtin)),
            Self::Upstreams(upstreams) => upstreams,
        };
        let resolved: Vec<_> = upstreams
            .into_iter()
            .map(|(name, weight)| {
                let upstream = scope.upstreams.resolve(reader, "upstream", &name)?;
                Some(WeightedUpstream { upstream, weight })
            })
            .collect();
        resolved.into_iter().collect::<Option<Vec<_>>>().map(Target::Upstreams)
    }
}

/// The target of the route whose table is `keys`: its `to`, or its redirect, which stands at `redirect`.
pub(crate) fn read(reader: &mut Reader<'_>, keys: &mut Keys<'_>, redirect: Option<&Place>) -> Option<TargetDraft> {
    let value = keys.find("to");
    match (value, redirect) {
        (Some(_), Some(redirect)) => {
            reader.fault(redirect, "a route has either `to` or `redirect`", "keep one of the two");
        }
        (None, Some(_)) => return Some(TargetDraft::Redirect),
        (None, None) => keys.missing(reader, keys.place(), &["to", "redirect"], "`to` is missing", HINT),
        (Some(_), None) => {}
    }
    to(reader, value?)
}

fn to<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<TargetDraft> {
    let place = reader.place_of(value);
    let upstreams = match value.get_ref() {
        DeValue::Table(table) if table.contains_key("builtin") => return builtin(reader, value),
        DeValue::String(_) | DeValue::Table(_) => vec![weighted(reader, value)?],
        DeValue::Array(_) => filled_list(reader, value, TARGETS_MAX, weighted)?,
        other => return expected(reader, &place, "an upstream", other),
    };
    let names: Vec<Named> = upstreams.iter().map(|(name, _)| name.clone()).collect();
    unique(reader, &names);
    if !upstreams.is_empty() && upstreams.iter().all(|(_, weight)| *weight == 0) {
        reader.fault(&place, "no upstream has a weight above 0", "give one of them a weight");
    }
    Some(TargetDraft::Upstreams(upstreams))
}

fn weighted<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<(Named, u32)> {
    if let DeValue::String(_) = value.get_ref() {
        return name_text(reader, value).map(|name| (name, WEIGHT_DEFAULT));
    }
    let mut keys = Keys::of(reader, value, &WEIGHTED)?;
    let upstream = keys.required(reader, "upstream", HINT, name_text);
    let weight = keys.optional(reader, "weight", |reader, value| integer(reader, value, &WEIGHT_RANGE));
    keys.finish(reader);
    Some((upstream?, weight.unwrap_or(WEIGHT_DEFAULT)))
}

fn builtin<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<TargetDraft> {
    let mut keys = Keys::of(reader, value, &BUILTIN)?;
    let name = keys.required(reader, "builtin", HINT, name_text);
    keys.finish(reader);
    let name = name?;
    if name.text == Builtin::Servers.as_str() {
        return Some(TargetDraft::Builtin(Builtin::Servers));
    }
    let hint = choice_hint(&name.text, &[Builtin::Servers.as_str()]);
    reader.fault(&name.place, format!("no built-in target is named {}", quoted(&name.text)), hint);
    None
}
