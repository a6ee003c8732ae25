//! How a simulator is set up.

use serde::{Deserialize, Serialize};

/// Droplets that an account may have unless it says otherwise; the official document's example.
const DROPLETS_MAX: u64 = 25;
/// 2026-01-01T00:00:00Z: since then DigitalOcean bills by the second.
const BEGIN_MS: u64 = 1_767_225_600_000;

/// How a simulator is set up.
#[derive(Clone, Debug)]
pub struct SimulatorSettings {
    /// Same seed, same calls at the same times: same ids, times and answers.
    pub seed: u64,
    /// Most droplets of the account.
    pub droplets_max: u64,
    /// How long things take.
    pub latency: Latency,
    /// When simulated time begins, ms since the Unix epoch.
    pub begin_ms: u64,
    /// How much faster than real time it runs; `None` = it stands still and is moved by [`super::Simulator::advance`].
    pub speed: Option<f64>,
}

impl Default for SimulatorSettings {
    fn default() -> Self {
        Self { seed: 0, droplets_max: DROPLETS_MAX, latency: Latency::USUAL, begin_ms: BEGIN_MS, speed: None }
    }
}

/// How long things take: shortest and longest, ms of simulated time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Latency {
    /// A droplet, from `new` to `active`.
    pub create_ms: (u64, u64),
    /// A droplet, until it is gone.
    pub delete_ms: (u64, u64),
    /// Other actions of droplets and addresses.
    pub action_ms: (u64, u64),
    /// A firewall, until it is in force.
    pub firewall_ms: (u64, u64),
    /// A load balancer, until it is active; changes are refused that long.
    pub balancer_ms: (u64, u64),
}

impl Latency {
    /// What is seen at DigitalOcean.
    pub const USUAL: Self = Self {
        create_ms: (18_000, 60_000),
        delete_ms: (5_000, 75_000),
        action_ms: (3_000, 15_000),
        firewall_ms: (1_000, 4_000),
        balancer_ms: (40_000, 90_000),
    };
    /// Everything at the next call.
    pub const NONE: Self =
        Self { create_ms: (0, 0), delete_ms: (0, 0), action_ms: (0, 0), firewall_ms: (0, 0), balancer_ms: (0, 0) };
}
