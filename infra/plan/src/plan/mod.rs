//! The plan: from what is observed to what the file wants. Pure, total, and the same for the same input.
//!
//! `pools` says which droplets come, go and stay, `walls` the same of firewalls, `price` what it costs and in which
//! order it stays below the budget, `risks` what may hurt. Nothing here asks a cloud; [`crate::apply`] carries it out.

mod pools;
mod price;
mod risks;
mod types;
mod walls;

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use pools::{duplicates, wanted};
pub use price::Prices;
pub use types::{
    Field, FieldChange, Keep, Order, Plan, Price, Reason, Refusal, Risk, RiskKind, Step, UserData, Wanted, usd,
};

use sluice_infra_cloud::Size;
use sluice_infra_spec::Spec;

use crate::observe::Observed;

/// From the fleet that is observed to the one that the file wants.
///
/// `user_data` has a text for each pool. A plan with refusals is for reading only: it must not be carried out.
#[must_use]
pub fn plan(spec: &Spec, user_data: &UserData, observed: &Observed, sizes: &[Size]) -> Plan {
    let prices = Prices::new(sizes);
    let mut made = Plan { fleet: spec.fleet.clone(), ..Plan::default() };
    pools::plan(spec, user_data, observed, &prices, &mut made);
    walls::plan(spec, observed, &mut made);
    made.refusals.extend(price::sizes_refused(spec, sizes));
    price::plan(spec, observed, &prices, &mut made);
    risks::mark(spec, observed, &prices, &mut made);
    made
}

impl Plan {
    /// True if the fleet is as wanted.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// True if a step destroys what cannot be made again.
    #[must_use]
    pub fn loses_data(&self) -> bool {
        self.risks.iter().any(|risk| risk.kind == RiskKind::DataLoss)
    }

    /// How many droplets are created, replaced and deleted, and how many firewalls change.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let count = |of: fn(&Step) -> bool| self.steps.iter().filter(|step| of(step)).count();
        Counts {
            creates: count(|step| matches!(step, Step::Create { .. })),
            replaces: count(|step| matches!(step, Step::Replace { .. })),
            deletes: count(|step| matches!(step, Step::Delete { .. })),
            firewalls: count(|step| matches!(step, Step::PutFirewall { .. } | Step::DeleteFirewall { .. })),
        }
    }
}

/// How many steps of each kind a plan has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Droplets created.
    pub creates: usize,
    /// Droplets replaced.
    pub replaces: usize,
    /// Droplets deleted.
    pub deletes: usize,
    /// Firewalls created, changed or deleted.
    pub firewalls: usize,
}
