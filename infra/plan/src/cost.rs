//! What a fleet costs: per pool, in a month, and so far in this one.
//!
//! Billing as DigitalOcean has it since 2026: by the second, at least a cent per droplet, and never more than the
//! price of the month. Powered-off droplets are billed like others.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use sluice_infra_cloud::Size;

use crate::observe::Observed;
use crate::state::Known;

/// Milliseconds of an hour, which prices are given for.
const HOUR_MS: f64 = 3_600_000.0;
/// Least price of a droplet, however short its life.
const DROPLET_CENTS_MIN: f64 = 1.0;

/// What a fleet costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// Per pool, by name; droplets without one under an empty name.
    pub pools: Vec<PoolCost>,
    /// Of all, in a month, US cents.
    pub monthly_cents: u64,
    /// Of all, so far in this month (UTC), US cents.
    pub so_far_cents: u64,
    /// The cap, US cents.
    pub budget_cents: Option<u64>,
}

/// What a pool costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PoolCost {
    /// Its name.
    pub pool: String,
    /// Its droplets now.
    pub droplets: u32,
    /// Their sizes.
    pub sizes: Vec<String>,
    /// In a month, US cents.
    pub monthly_cents: u64,
    /// So far in this month, also of droplets that are gone, US cents.
    pub so_far_cents: f64,
}

/// What a fleet costs. `known` has the droplets that are gone too, as far as this operator made them.
#[must_use]
pub fn cost(observed: &Observed, known: &[Known], sizes: &[Size], budget_cents: Option<u64>, now_ms: u64) -> Cost {
    let sizes: BTreeMap<&str, &Size> = sizes.iter().map(|size| (size.slug.as_str(), size)).collect();
    let month_ms = month_begin_ms(now_ms);
    let mut pools: BTreeMap<String, PoolCost> = BTreeMap::new();
    let mut add = |pool: &str, slug: &str, created_ms: u64, end_ms: Option<u64>| {
        let entry =
            pools.entry(pool.to_owned()).or_insert_with(|| PoolCost { pool: pool.to_owned(), ..PoolCost::default() });
        let Some(size) = sizes.get(slug) else { return };
        if end_ms.is_none() {
            entry.monthly_cents += size.monthly_cents;
        }
        entry.so_far_cents += billed_cents(size, created_ms.max(month_ms), end_ms.unwrap_or(now_ms));
    };
    for seen in &observed.droplets {
        let droplet = &seen.droplet;
        add(seen.pool.as_deref().unwrap_or_default(), &droplet.size, droplet.created_ms, None);
    }
    for gone in known {
        if let Some(gone_ms) = gone.gone_ms.filter(|gone_ms| *gone_ms > month_ms) {
            add(&gone.pool, &gone.size, gone.created_ms, Some(gone_ms));
        }
    }
    for seen in &observed.droplets {
        if let Some(entry) = pools.get_mut(seen.pool.as_deref().unwrap_or_default()) {
            entry.droplets += 1;
            if !entry.sizes.contains(&seen.droplet.size) {
                entry.sizes.push(seen.droplet.size.clone());
                entry.sizes.sort();
            }
        }
    }
    let pools: Vec<PoolCost> = pools.into_values().collect();
    let monthly_cents = pools.iter().map(|pool| pool.monthly_cents).sum();
    let so_far_cents = whole_cents(pools.iter().map(|pool| pool.so_far_cents).sum());
    Cost { pools, monthly_cents, so_far_cents, budget_cents }
}

#[expect(clippy::cast_precision_loss, reason = "cents and milliseconds of a month are far below 2^52")]
fn billed_cents(size: &Size, from_ms: u64, to_ms: u64) -> f64 {
    let hours = to_ms.saturating_sub(from_ms) as f64 / HOUR_MS;
    (hours * size.hourly_usd * 100.0).clamp(DROPLET_CENTS_MIN, (size.monthly_cents as f64).max(DROPLET_CENTS_MIN))
}

/// Rounded to whole cents.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a price is not negative, and far below 2^52"
)]
pub fn whole_cents(cents: f64) -> u64 {
    cents.round().max(0.0) as u64
}

fn month_begin_ms(now_ms: u64) -> u64 {
    let begin = || {
        let now = Timestamp::from_millisecond(i64::try_from(now_ms).ok()?).ok()?.to_zoned_datetime(TimeZone::UTC);
        let begin = now.first_of_month().ok()?.start_of_day().ok()?;
        u64::try_from(begin.timestamp().as_millisecond()).ok()
    };
    begin().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{observed_droplet, sizes};

    /// 2026-11-24T12:00:00Z.
    const NOON_MS: u64 = 1_795_521_600_000;
    const HOUR: u64 = 3_600_000;

    fn of(droplets: &[(u64, &str)], known: &[Known]) -> Cost {
        let droplets = droplets.iter().enumerate().map(|(number, (created_ms, pool))| {
            let mut seen = observed_droplet(&number.to_string(), pool);
            seen.droplet.created_ms = *created_ms;
            seen
        });
        let observed = Observed { droplets: droplets.collect(), ..Observed::default() };
        cost(&observed, known, &sizes(), Some(10_000), NOON_MS)
    }

    #[test]
    fn a_month_begins_at_its_first_second() {
        assert_eq!(month_begin_ms(NOON_MS), 1_793_491_200_000);
    }

    #[test]
    fn it_is_billed_by_the_second_from_a_cent_to_the_price_of_the_month() {
        // $0.00893 an hour.
        assert_eq!(of(&[(NOON_MS - 100 * HOUR, "app")], &[]).so_far_cents, 89);
        assert_eq!(of(&[(NOON_MS - 1, "app")], &[]).so_far_cents, 1);
        let all_month = of(&[(0, "app")], &[]);
        assert_eq!(all_month.so_far_cents, 504, "23.5 days of this month, not of the one before");
        assert_eq!(all_month.monthly_cents, 600);
    }

    #[test]
    fn what_is_gone_counts_so_far_and_no_longer() {
        let mut known = Known::new(&observed_droplet("9", "app").droplet, "app", None, "debian-13-x64");
        known.created_ms = NOON_MS - 200 * HOUR;
        known.gone_ms = Some(NOON_MS - 100 * HOUR);
        let cost = of(&[(NOON_MS - 100 * HOUR, "edge")], &[known]);
        assert_eq!((cost.so_far_cents, cost.monthly_cents), (179, 600));
        assert_eq!(
            cost.pools.iter().map(|pool| (pool.pool.as_str(), pool.droplets)).collect::<Vec<_>>(),
            [("app", 0), ("edge", 1)]
        );
    }
}
