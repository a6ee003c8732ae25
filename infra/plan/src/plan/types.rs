//! What a plan is made of. Its JSON is that of `sluice-infra plan --json`.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use sluice_infra_cloud::{DropletId, Firewall};

/// User-data of each pool, by its name.
pub type UserData = BTreeMap<String, String>;

/// What is done, what stays, what it costs, what may hurt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The fleet.
    pub fleet: String,
    /// What is done: firewalls first, then droplets by pool, what is deleted last.
    pub steps: Vec<Step>,
    /// Droplets that stay as they are.
    pub keeps: Vec<Keep>,
    /// Droplets with the fleet's tag that belong to no pool: left alone here, see `gc`.
    pub unknown: Vec<Keep>,
    /// What the fleet costs.
    pub price: Price,
    /// True if everything that goes goes first: the budget has no room for both at a time.
    pub deletes_first: bool,
    /// What may hurt.
    pub risks: Vec<Risk>,
    /// Why it is not carried out; empty = it may be.
    pub refusals: Vec<Refusal>,
}

/// One thing that is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum Step {
    /// A firewall is created, or made as it should be.
    PutFirewall {
        /// As it should be.
        firewall: Firewall,
        /// True if there is none of this name.
        new: bool,
        /// Rules and tags that it gets.
        added: Vec<String>,
        /// Rules and tags that it loses.
        removed: Vec<String>,
    },
    /// A droplet is created.
    Create {
        /// What it will be.
        #[serde(flatten)]
        wanted: Wanted,
        /// Its price of a month, US cents.
        monthly_cents: u64,
    },
    /// A droplet is replaced by one that is as wanted.
    Replace {
        /// The one that goes.
        id: DropletId,
        /// Its name.
        name: String,
        /// What differs.
        changes: Vec<FieldChange>,
        /// The one that comes.
        #[serde(flatten)]
        wanted: Wanted,
        /// Which of them first.
        order: Order,
        /// Price of a month of the one that goes, US cents.
        monthly_cents_before: u64,
        /// Price of a month of the one that comes, US cents.
        monthly_cents: u64,
    },
    /// A droplet is deleted.
    Delete {
        /// Its identity.
        id: DropletId,
        /// Its name.
        name: String,
        /// Its pool.
        pool: String,
        /// Why.
        reason: Reason,
        /// Its price of a month, US cents.
        monthly_cents: u64,
    },
    /// A firewall that no pool wants is deleted.
    DeleteFirewall {
        /// Its identity.
        id: String,
        /// Its name.
        name: String,
    },
}

/// A droplet that is to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wanted {
    /// Its pool.
    pub pool: String,
    /// Slug of the size.
    pub size: String,
    /// Slug of the image.
    pub image: String,
    /// Slug of the region.
    pub region: String,
    /// Its tags, but that of its operation.
    pub tags: Vec<String>,
    /// Its cloud-init; told by its digest in `tags`.
    #[serde(skip)]
    pub user_data: String,
}

/// What differs between the droplet that is and the one that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// Which field.
    pub field: Field,
    /// As it is.
    pub old: String,
    /// As it should be.
    pub new: String,
}

/// A field of a droplet that can only be changed by making another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Slug of the size.
    Size,
    /// Slug of the image.
    Image,
    /// Slug of the region.
    Region,
    /// Cloud-init, by its digest.
    UserData,
    /// Tags of ours that are missing.
    Tags,
    /// It does not run.
    Status,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Size => "size",
            Self::Image => "image",
            Self::Region => "region",
            Self::UserData => "user-data",
            Self::Tags => "tags",
            Self::Status => "status",
        })
    }
}

/// Which comes first when a droplet is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The new one stands before the old one goes.
    CreateFirst,
    /// The old one goes first: two of them must not be, or the budget has no room for both.
    DeleteFirst,
}

/// Why a droplet is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Its pool has more than it should.
    Surplus,
    /// Its pool is no longer in the file.
    PoolGone,
    /// Its replacement stands already.
    Superseded,
    /// Another droplet came from the same operation.
    Duplicate,
}

/// A droplet that stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Keep {
    /// Its identity.
    pub id: DropletId,
    /// Its name.
    pub name: String,
    /// Its pool.
    pub pool: Option<String>,
    /// True if it is not active yet: apply waits for it.
    pub waiting: bool,
}

/// What the fleet costs in a month, US cents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Price {
    /// As it is.
    pub now_cents: u64,
    /// After the plan.
    pub then_cents: u64,
    /// The highest rate on the way, while old and new droplets stand beside each other.
    pub peak_cents: u64,
    /// With every scaled pool at its largest.
    pub at_max_cents: u64,
    /// The cap; `None` = none.
    pub budget_cents: Option<u64>,
}

/// What may hurt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Risk {
    /// Of which kind.
    pub kind: RiskKind,
    /// Of what: a droplet, a pool, the fleet.
    pub subject: String,
    /// In a sentence.
    pub text: String,
}

/// Kinds of risks, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskKind {
    /// Data is lost.
    DataLoss,
    /// Requests fail for a while.
    Downtime,
    /// The fleet costs, or may come to cost, more than the budget.
    OverBudget,
    /// A droplet is replaced: its address and its disk are new.
    Replace,
    /// A droplet is billed whose price is not known.
    UnknownPrice,
    /// Droplets that belong to no pool are billed.
    Unknown,
    /// This cloud does not enforce firewalls.
    FirewallNotEnforced,
}

/// Why a plan is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "refusal")]
pub enum Refusal {
    /// It would cost more than the cap.
    #[error("it would cost {} a month, the budget is {}: lower a count or size, or raise budget.monthly_usd_max", usd(*then_cents), usd(*budget_cents))]
    Budget {
        /// What it would cost in a month, US cents.
        then_cents: u64,
        /// The cap, US cents.
        budget_cents: u64,
    },
    /// The account may not have so many droplets.
    #[error("it needs {wanted} droplets, the account may have {droplets_max}")]
    Quota {
        /// How many there would be.
        wanted: u64,
        /// How many there may be.
        droplets_max: u32,
    },
    /// The cloud has no such size.
    #[error("pool {pool}: the cloud has no size `{size}`{}", near.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    UnknownSize {
        /// Of which pool.
        pool: String,
        /// The size.
        size: String,
        /// One with a name like it.
        near: Option<String>,
    },
    /// The size cannot be had there.
    #[error("pool {pool}: size `{size}` cannot be had in region `{region}` now")]
    SizeNotThere {
        /// Of which pool.
        pool: String,
        /// The size.
        size: String,
        /// The region.
        region: String,
    },
}

/// US cents as a person reads them: `$12.34`.
#[must_use]
pub fn usd(cents: u64) -> String {
    format!("${}.{:02}", cents / 100, cents % 100)
}
