//! What a controller decided, and why: what the live loop carries out and `scale explain` shows.

use serde::{Deserialize, Serialize};

/// The end of one step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// When, ms since the Unix epoch.
    pub at_ms: u64,
    /// How many droplets the pool should have. Always within `min..=max`.
    pub desired: u32,
    /// How many it had: serving, booting and unhealthy ones; not those on their way out.
    pub present: u32,
    /// What each metric and the alerts wished for.
    pub wishes: Vec<Wish>,
    /// What to do, in this order. Empty = nothing.
    pub actions: Vec<Action>,
    /// Why, a line each. Never empty.
    pub reasons: Vec<String>,
}

impl Decision {
    /// True if there is something to do.
    #[must_use]
    pub const fn acts(&self) -> bool {
        !self.actions.is_empty()
    }
}

/// What one side wished for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wish {
    /// Who.
    pub by: Wisher,
    /// What was measured: requests per second, percent or ms; for the forecast, what is foreseen.
    pub measured: f64,
    /// What it is held against, of one droplet or as a mean.
    pub target: f64,
    /// How many droplets follow from it.
    pub droplets: u32,
}

/// Who may wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wisher {
    /// Requests per second.
    Rps,
    /// Mean CPU.
    Cpu,
    /// Mean memory.
    Memory,
    /// 95th percentile of the time to the last byte.
    P95,
}

impl Wisher {
    /// For people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rps => "rps",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::P95 => "p95",
        }
    }
}

/// Something to do. Ids are those of the observation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Take these back into service: they were draining.
    CancelDrain(Vec<String>),
    /// Make so many more.
    Create(u32),
    /// Delete each, and make one in its place.
    Replace(Vec<String>),
    /// Send these no new requests; they are deleted by a later step.
    Drain(Vec<String>),
    /// Delete these: they hold no request, or their time is over.
    Delete(Vec<String>),
}
