//! Figures of variants: a hash per window that all routers add to, gone two hours after it was written last.

use std::collections::BTreeMap;

use redis::{RedisResult, Value, pipe};
use sluice_model::stats::{VariantStats, WINDOWS_KEPT_MS};

use super::codec::Fields;
use super::entries::Hash;
use super::{RedisStore, answered, failed};
use crate::error::StoreError;
use crate::figures::{add, begins_at, windows};
use crate::names::{STATS_VARIANTS_MAX, check_rollout, check_stats};

/// Windows that one answer brings: 64 hashes of some hundred short fields.
const BATCH: usize = 64;
/// Between a variant and what is counted.
const SEPARATOR: char = '/';
/// In front of a bucket of latencies.
const LATENCY: &str = "latency/";
/// In front of a counter of a plugin.
const COUNTER: &str = "counter/";

type Variants = BTreeMap<String, VariantStats>;

impl RedisStore {
    pub(super) async fn write_stats(&self, rollout: &str, at_ms: u64, variants: &Variants) -> Result<(), StoreError> {
        check_rollout(rollout)?;
        check_stats(variants)?;
        let fields = fields(variants);
        if fields.is_empty() {
            return Ok(());
        }
        let key = self.keys.stats(rollout, begins_at(at_ms));
        let mut adds = pipe();
        adds.ignore_errors();
        for (field, count) in fields {
            adds.cmd("HINCRBY").arg(&key).arg(field).arg(count);
        }
        adds.cmd("PEXPIRE").arg(&key).arg(WINDOWS_KEPT_MS);
        let mut writer = self.writer().await?;
        let answers: Vec<RedisResult<Value>> = answered(adds.query_async(&mut writer)).await?;
        for error in answers.into_iter().filter_map(Result::err) {
            match failed(error) {
                away @ StoreError::Unavailable { .. } => return Err(away),
                // A field that someone filled with something else: it stays out, and the others count.
                error => tracing::warn!(key, %error, "a figure was not added"),
            }
        }
        Ok(())
    }

    pub(super) async fn sum_stats(&self, rollout: &str, from_ms: u64, to_ms: u64) -> Result<Variants, StoreError> {
        check_rollout(rollout)?;
        let keys: Vec<String> = windows(from_ms, to_ms).map(|begin_ms| self.keys.stats(rollout, begin_ms)).collect();
        let mut writer = self.writer().await?;
        let mut sums = Variants::new();
        for batch in keys.chunks(BATCH) {
            let mut hashes = pipe();
            hashes.ignore_errors();
            for key in batch {
                hashes.cmd("HGETALL").arg(key);
            }
            let answers: Vec<RedisResult<Hash>> = answered(hashes.query_async(&mut writer)).await?;
            for (key, answer) in batch.iter().zip(answers) {
                match answer.map_err(failed) {
                    Ok(Hash(fields)) => take_in(&mut sums, key, &fields),
                    Err(away @ StoreError::Unavailable { .. }) => return Err(away),
                    Err(error) => tracing::warn!(key, %error, "figures cannot be read"),
                }
            }
        }
        Ok(sums)
    }
}

/// What is not zero, as fields of the hash.
fn fields(variants: &Variants) -> Vec<(String, u64)> {
    let mut fields = Vec::new();
    for (variant, VariantStats { requests, errors, latency, counters }) in variants {
        let of = |what: &str| format!("{variant}{SEPARATOR}{what}");
        fields.extend([(of("requests"), *requests), (of("errors"), *errors)]);
        let buckets = latency.iter().enumerate();
        fields.extend(buckets.map(|(bucket, count)| (of(&format!("{LATENCY}{bucket}")), *count)));
        fields.extend(counters.iter().map(|(name, count)| (of(&format!("{COUNTER}{name}")), *count)));
    }
    fields.retain(|(_, count)| *count > 0);
    fields
}

/// Adds a window; fields that make no sense are left out, and told of once.
fn take_in(sums: &mut Variants, key: &str, fields: &Fields) {
    let mut strange = 0_usize;
    for (field, count) in fields {
        let known = count.parse().ok().and_then(|count| figure(field, count));
        let Some((variant, figure)) = known else {
            strange += 1;
            continue;
        };
        if sums.contains_key(variant) || sums.len() < STATS_VARIANTS_MAX {
            add(sums.entry(variant.to_owned()).or_default(), &figure);
        }
    }
    if strange > 0 {
        tracing::warn!(key, strange, "fields that are no figures");
    }
}

/// One field as figures of its variant.
fn figure(field: &str, count: u64) -> Option<(&str, VariantStats)> {
    let (variant, what) = field.split_once(SEPARATOR)?;
    let mut figure = VariantStats::default();
    if what == "requests" {
        figure.requests = count;
    } else if what == "errors" {
        figure.errors = count;
    } else if let Some(bucket) = what.strip_prefix(LATENCY) {
        *figure.latency.get_mut(bucket.parse::<usize>().ok()?)? = count;
    } else {
        figure.counters.insert(what.strip_prefix(COUNTER)?.to_owned(), count);
    }
    Some((variant, figure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_back_and_nonsense_is_left_out() {
        let mut canary = VariantStats { requests: 5, errors: 1, ..VariantStats::default() };
        canary.latency[14] = 4;
        canary.counters.insert("upload-alert/oversize".into(), 2);
        let variants: Variants = [("canary".to_owned(), canary), ("beta".to_owned(), VariantStats::default())].into();
        let mut written: Fields =
            fields(&variants).into_iter().map(|(field, count)| (field, count.to_string())).collect();
        assert_eq!(written.len(), 4, "zeros are not written");
        for (field, count) in [
            ("canary/latency/15", "1"),
            ("canary/requests/x", "1"),
            ("canary", "1"),
            ("canary/errors", "-1"),
            ("stable/errors", "9223372036854775808000"),
        ] {
            written.entry(field.to_owned()).or_insert_with(|| count.to_owned());
        }
        let mut sums = Variants::new();
        take_in(&mut sums, "key", &written);
        assert_eq!(sums["canary"], variants["canary"]);
        assert_eq!(sums.len(), 1);
    }

    #[test]
    fn variants_end_at_their_bound() {
        let fields = (0..=STATS_VARIANTS_MAX).map(|n| (format!("v{n}/requests"), "1".to_owned())).collect();
        let mut sums = Variants::new();
        take_in(&mut sums, "key", &fields);
        assert_eq!(sums.len(), STATS_VARIANTS_MAX);
    }
}
