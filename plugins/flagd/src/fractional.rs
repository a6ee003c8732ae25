//! `fractional`: splits callers by a hash, sticky and monotone.
//!
//! Both living versions hash with MurmurHash3 x86_32 and seed 0 and take `bucket = hash * W >> 32`. Version 2 hashes UTF-8;
//! version 3 hashes canonical CBOR, so that `1` and `"1"` are different callers. Buckets keep the order of the document: a
//! bucket that stands first only grows with its weight, while reordering buckets would move callers.

use serde_json::Value;

use crate::cbor;
use crate::datum::Datum;
use crate::evaluate::{Answer, Run, Trace};
use crate::limits::WEIGHT_SUM_MAX;
use crate::operators::all;
use crate::rule::{Buckets, Call};
use crate::scope::Scope;

/// Which bytes of the bucketing value are hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FractionalVersion {
    /// UTF-8 of a string, or of the flag's key and the targeting key.
    #[default]
    V2,
    /// Canonical CBOR of any value, or of the array of the flag's key and the targeting key.
    V3,
}

pub(crate) fn apply<'a, T: Trace>(run: &mut Run<'a, T>, call: &'a Call, scope: &Scope<'a>) -> Answer<'a> {
    match &call.buckets {
        Some(buckets) => {
            let first = if buckets.shorthand { Datum::Undefined } else { run.argument(call, 0, scope)? };
            if first.as_list().is_some() {
                // What was to be hashed turns out to be a bucket.
                return worked_out(run, call, scope);
            }
            let Some(hash) = hash_of(run, buckets.shorthand, &first) else { return Ok(Datum::Null) };
            let hit = hash_to_bucket(hash, buckets.total);
            run.trace.hit(call.place, hit, buckets.total);
            let found = buckets.bounds.iter().find(|(_, bound)| hit < *bound);
            Ok(found.map_or(Datum::Null, |(variant, _)| Datum::from(variant)))
        }
        None => worked_out(run, call, scope),
    }
}

/// The general form: variants and weights may be rules.
fn worked_out<'a, T: Trace>(run: &mut Run<'a, T>, call: &'a Call, scope: &Scope<'a>) -> Answer<'a> {
    let arguments = all(run, call, scope)?;
    let Some(first) = arguments.first() else { return Ok(Datum::Null) };
    let shorthand = first.as_list().is_some();
    let Some(hash) = hash_of(run, shorthand, first) else { return Ok(Datum::Null) };
    let mut total = 0;
    let mut bounds = Vec::with_capacity(arguments.len());
    for argument in &arguments[usize::from(!shorthand)..] {
        let Some((variant, weight)) = bucket(argument) else { return Ok(Datum::Null) };
        total += weight;
        bounds.push((variant, total));
        if total > WEIGHT_SUM_MAX {
            return Ok(Datum::Null);
        }
    }
    let hit = hash_to_bucket(hash, total);
    run.trace.hit(call.place, hit, total);
    Ok(bounds.into_iter().find(|(_, bound)| hit < *bound).map_or(Datum::Null, |(variant, _)| variant))
}

fn hash_to_bucket(hash: u32, total: u64) -> u64 {
    (u64::from(hash) * total) >> 32
}

/// The hash of whom to split by; `None` if there is nobody.
fn hash_of<T: Trace>(run: &Run<'_, T>, shorthand: bool, first: &Datum<'_>) -> Option<u32> {
    let subject = &run.subject;
    if shorthand {
        let targeting_key = subject.context.targeting_key.filter(|key| !key.is_empty())?;
        return Some(match run.version {
            FractionalVersion::V2 => hash_joined(subject.flag_key, targeting_key),
            FractionalVersion::V3 => hash(&cbor::pair(subject.flag_key, targeting_key)),
        });
    }
    match run.version {
        FractionalVersion::V2 => first.as_text().map(|text| hash(text.as_bytes())),
        FractionalVersion::V3 if first.is_nothing() => None,
        FractionalVersion::V3 => cbor::encode(first).map(|bytes| hash(&bytes)),
    }
}

fn hash(bytes: &[u8]) -> u32 {
    mur3::murmurhash3_x86_32(bytes, 0)
}

/// The hash of two strings after one another, without joining them.
fn hash_joined(left: &str, right: &str) -> u32 {
    /// Longer ones are joined on the heap; nearly all are shorter.
    const INLINE_BYTES: usize = 256;
    let length = left.len() + right.len();
    let mut inline = [0; INLINE_BYTES];
    match inline.get_mut(..length) {
        Some(joined) => {
            joined[..left.len()].copy_from_slice(left.as_bytes());
            joined[left.len()..].copy_from_slice(right.as_bytes());
            hash(joined)
        }
        None => hash(&[left.as_bytes(), right.as_bytes()].concat()),
    }
}

/// Variant and weight of one bucket; `None` if it is none.
fn bucket<'a>(datum: &Datum<'a>) -> Option<(Datum<'a>, u64)> {
    let parts = datum.as_list()?;
    if parts.len() > 2 {
        return None;
    }
    let variant = parts.at(0)?;
    if !matches!(variant, Datum::Null | Datum::Boolean(_) | Datum::Number(_)) && variant.as_text().is_none() {
        return None;
    }
    let weight = parts.at(1).map_or(Some(1), |weight| weight_of(&weight))?;
    Some((variant, weight))
}

/// A weight: an integer. One below zero, as calculations of a roll-out may give, counts as zero.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an integer from 0 to the bound")]
fn weight_of(datum: &Datum<'_>) -> Option<u64> {
    match datum {
        Datum::Number(weight) if weight.fract() == 0.0 => {
            let ceiling = crate::number::of_count(WEIGHT_SUM_MAX + 1);
            Some(weight.clamp(0.0, ceiling) as u64)
        }
        Datum::Large(weight) => Some(if weight.is_u64() { WEIGHT_SUM_MAX + 1 } else { 0 }),
        _ => None,
    }
}

impl Buckets {
    /// Works out constant buckets; `None` if that must wait for the evaluation. `first` says whether it is a list.
    pub(crate) fn constant(shorthand: bool, buckets: &[&Value]) -> Option<Self> {
        let mut total = 0;
        let mut bounds = Vec::with_capacity(buckets.len());
        for value in buckets {
            let (_, weight) = bucket(&Datum::from(*value))?;
            total += weight;
            if total > WEIGHT_SUM_MAX {
                return None;
            }
            bounds.push((value.get(0).cloned().unwrap_or(Value::Null), total));
        }
        (total > 0).then(|| Self { shorthand, bounds: bounds.into(), total })
    }
}
