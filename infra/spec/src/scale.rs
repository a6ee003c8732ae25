//! How the number of droplets of a pool follows load.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How the number of droplets of a pool follows load. Alerts and targets may both be there: the larger wish counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScaleSpec {
    /// Fewest droplets.
    pub min: u32,
    /// Most droplets.
    pub max: u32,
    /// Each alert adds droplets, as in the original system.
    pub on_alert: Option<OnAlert>,
    /// Follows targets, out and in.
    pub target: Option<TargetSpec>,
    /// How long a new droplet counts as on its way before it is given up and replaced.
    pub boot_deadline: Duration,
    /// How long a droplet that just began to serve is left out of the measured means.
    pub warm_up: Duration,
    /// How long requests in flight may take when a droplet leaves.
    pub drain: Duration,
    /// A droplet is replaced once it was unhealthy for this long.
    pub unhealthy_after: Duration,
    /// Most droplets replaced in an hour; a fault of the release is not healed by new machines.
    pub replacements_per_hour_max: u32,
}

/// Each alert of these rules adds droplets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OnAlert {
    /// Names of metric rules.
    pub rules: Vec<String>,
    /// Droplets added by one alert: the `+1` of the original.
    pub add: u32,
    /// An alert that stays up adds again after this; `None` = once only.
    pub repeat: Option<Duration>,
    /// Least time between two additions.
    pub cooldown: Duration,
    /// Droplets go, one by one, this long after the last alert was over; `None` = never, as in the original.
    pub scale_in_after: Option<Duration>,
}

/// Follows targets. Each metric that is given says how many droplets it wants; the largest counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetSpec {
    /// Requests per second that a droplet should carry.
    pub rps_per_droplet: Option<f64>,
    /// Mean CPU, percent.
    pub cpu: Option<f64>,
    /// Mean memory, percent.
    pub memory: Option<f64>,
    /// 95th percentile of the time to the last byte, as routers measure it.
    pub p95: Option<Duration>,
    /// Going in takes the largest wish of this long a window; going out needs none.
    pub scale_in_window: Duration,
    /// How far ahead load is foreseen for going out: about the time that a droplet needs to boot. Zero = not at all.
    pub forecast: Duration,
    /// Deviations from the target that are left alone, as a share of it: 0.1 = 10 %.
    pub tolerance: f64,
    /// Most droplets taken away in one step, as a share of those that serve; one at least.
    pub scale_in_step_max: f64,
}
