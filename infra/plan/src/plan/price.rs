//! What a plan costs, and the order in which it never costs more than the budget on its way.

use std::collections::BTreeMap;

use sluice_infra_cloud::Size;
use sluice_infra_spec::Spec;

use super::pools;
use super::types::{Order, Plan, Price, Refusal, Step};
use crate::observe::Observed;

/// Prices of a month by size, US cents.
#[derive(Clone, Debug, Default)]
pub struct Prices(BTreeMap<String, u64>);

impl Prices {
    /// Of these sizes.
    #[must_use]
    pub fn new(sizes: &[Size]) -> Self {
        Self(sizes.iter().map(|size| (size.slug.clone(), size.monthly_cents)).collect())
    }

    /// Price of a month; 0 for a size that the cloud no longer lists, see [`Self::knows`].
    #[must_use]
    pub fn monthly_cents(&self, slug: &str) -> u64 {
        self.0.get(slug).copied().unwrap_or(0)
    }

    /// True if the cloud lists it.
    #[must_use]
    pub fn knows(&self, slug: &str) -> bool {
        self.0.contains_key(slug)
    }
}

/// Fills in `price` and `deletes_first`, turns replacements round where the budget has no room for two, and refuses
/// what costs too much.
pub(super) fn plan(spec: &Spec, observed: &Observed, prices: &Prices, made: &mut Plan) {
    let droplets = &observed.droplets;
    let now_cents: u64 = droplets.iter().map(|seen| prices.monthly_cents(&seen.droplet.size)).sum();
    let (comes, goes) = made.steps.iter().fold((0, 0), |(comes, goes), step| match step {
        Step::Create { monthly_cents, .. } => (comes + monthly_cents, goes),
        Step::Replace { monthly_cents, monthly_cents_before, .. } => {
            (comes + monthly_cents, goes + monthly_cents_before)
        }
        Step::Delete { monthly_cents, .. } => (comes, goes + monthly_cents),
        Step::PutFirewall { .. } | Step::DeleteFirewall { .. } => (comes, goes),
    });
    let then_cents = (now_cents + comes).saturating_sub(goes);
    let at_max_cents = then_cents + growth_cents(spec, made, prices);
    let budget_cents = spec.monthly_cents_max;
    let peak_cents = keep_below(budget_cents, now_cents, then_cents, made);
    made.price = Price { now_cents, then_cents, peak_cents, at_max_cents, budget_cents };
    if let Some(budget_cents) = budget_cents.filter(|budget| then_cents > *budget && then_cents > now_cents) {
        made.refusals.push(Refusal::Budget { then_cents, budget_cents });
    }
    refuse_quota(observed, made);
}

/// Chooses the order, and says how high the rate rises on the way.
fn keep_below(budget_cents: Option<u64>, now_cents: u64, then_cents: u64, made: &mut Plan) -> u64 {
    let ceiling = i128::from(budget_cents.unwrap_or(u64::MAX).max(then_cents));
    let mut rate = i128::from(now_cents);
    let mut deleted = 0;
    for step in &made.steps {
        match step {
            Step::Create { .. } | Step::Replace { .. } => rate += rise_cents(step),
            Step::Delete { monthly_cents, .. } => deleted += i128::from(*monthly_cents),
            Step::PutFirewall { .. } | Step::DeleteFirewall { .. } => {}
        }
    }
    if rate > ceiling {
        made.deletes_first = true;
        rate -= deleted;
        for step in &mut made.steps {
            if rate <= ceiling {
                break;
            }
            if let Step::Replace { order: order @ Order::CreateFirst, monthly_cents_before, .. } = step {
                *order = Order::DeleteFirst;
                rate -= i128::from(*monthly_cents_before);
            }
        }
    }
    u64::try_from(rate).unwrap_or(0).max(now_cents)
}

/// How far a step raises the rate before anything else is deleted.
fn rise_cents(step: &Step) -> i128 {
    match step {
        Step::Create { monthly_cents, .. } | Step::Replace { order: Order::CreateFirst, monthly_cents, .. } => {
            i128::from(*monthly_cents)
        }
        Step::Replace { order: Order::DeleteFirst, monthly_cents, monthly_cents_before, .. } => {
            i128::from(*monthly_cents) - i128::from(*monthly_cents_before)
        }
        Step::Delete { .. } | Step::PutFirewall { .. } | Step::DeleteFirewall { .. } => 0,
    }
}

/// What scaled pools may add to what they have after the plan.
fn growth_cents(spec: &Spec, made: &Plan, prices: &Prices) -> u64 {
    let after = |pool: &str| {
        let kept = made.keeps.iter().filter(|keep| keep.pool.as_deref() == Some(pool)).count();
        let of_pool = |step: &&Step| match step {
            Step::Create { wanted, .. } | Step::Replace { wanted, .. } => wanted.pool == pool,
            Step::Delete { .. } | Step::PutFirewall { .. } | Step::DeleteFirewall { .. } => false,
        };
        kept + made.steps.iter().filter(of_pool).count()
    };
    let growth = |pool: &sluice_infra_spec::Pool| {
        let more = pools::bounds(pool).1.saturating_sub(after(&pool.name));
        u64::try_from(more).unwrap_or(u64::MAX).saturating_mul(prices.monthly_cents(&pool.size))
    };
    spec.pools.iter().map(growth).fold(0, u64::saturating_add)
}

/// Sizes that the cloud does not have, or not there.
pub(super) fn sizes_refused(spec: &Spec, sizes: &[Size]) -> Vec<Refusal> {
    let refused = |pool: &sluice_infra_spec::Pool| {
        let Some(size) = sizes.iter().find(|size| size.slug == pool.size) else {
            let near = nearest(&pool.size, sizes);
            return Some(Refusal::UnknownSize { pool: pool.name.clone(), size: pool.size.clone(), near });
        };
        let there = size.available && size.regions.contains(&spec.region);
        let (pool, size, region) = (pool.name.clone(), pool.size.clone(), spec.region.clone());
        (!there).then_some(Refusal::SizeNotThere { pool, size, region })
    };
    spec.pools.iter().filter_map(refused).collect()
}

/// The size with the longest common beginning.
fn nearest(slug: &str, sizes: &[Size]) -> Option<String> {
    let common = |other: &str| slug.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let nearest = sizes.iter().max_by_key(|size| (common(&size.slug), std::cmp::Reverse(size.slug.len())))?;
    (common(&nearest.slug) > 1).then(|| nearest.slug.clone())
}

fn refuse_quota(observed: &Observed, made: &mut Plan) {
    let Some(droplets_max) = observed.droplets_max else { return };
    let counts = made.counts();
    let after = (observed.droplets.len() + counts.creates).saturating_sub(counts.deletes);
    let wanted = u64::try_from(after).unwrap_or(u64::MAX);
    if counts.creates > counts.deletes && wanted > u64::from(droplets_max) {
        made.refusals.push(Refusal::Quota { wanted, droplets_max });
    }
}
