//! What a controller is shown: the droplets of one pool, how they fare, what money allows. Facts only, no judgement.
//!
//! The same type comes from the live loop and from the simulation. What is not known is `None` or left out, never zero.

use serde::{Deserialize, Serialize};

/// One pool at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Now, ms since the Unix epoch.
    pub at_ms: u64,
    /// Every droplet of the pool that is there or on its way. One that was ordered stands here from that moment on, even
    /// while the cloud does not list it, or it would be ordered twice.
    pub droplets: Vec<Droplet>,
    /// What the routers measured for the pool.
    pub traffic: Traffic,
    /// Alerts that are up now, and those raised since the last step. One may be shown in any number of steps: it counts by
    /// its id. `None` = the store did not say.
    pub alerts: Option<Vec<Alert>>,
    /// How many more droplets the budget of the fleet allows beside all in `droplets`; `None` = no budget is set.
    pub affordable: Option<u32>,
    /// An operator's word (`scale set POOL N`); holds until `scale auto POOL`.
    pub fixed: Option<u32>,
}

/// A droplet of the pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Droplet {
    /// Identity: any text that names it uniquely and for its whole life, from the order on.
    pub id: String,
    /// How it fares.
    pub state: DropletState,
    /// Since when it is in this state, ms since the Unix epoch.
    pub since_ms: u64,
    /// CPU in use, percent of the droplet; `None` = no fresh figure.
    pub cpu: Option<f64>,
    /// Memory in use, percent of the droplet; `None` = no fresh figure.
    pub memory: Option<f64>,
}

/// How a droplet fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DropletState {
    /// Ordered, and has not served yet: created, configured, its release started.
    Booting,
    /// Routers send it requests. For the first `warm_up` its figures are left out of the means.
    Serving,
    /// Served once, and is not fit now: its lease ended, or the cloud says that it is off.
    Unhealthy,
    /// Takes no new requests, and has some in flight. Can be taken back.
    Draining,
    /// Took no new requests, and its last one has ended.
    Drained,
}

/// What the routers measured for the pool over the last step or so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// Requests per second to the pool, all routers together; `None` = a router did not say.
    pub rps: Option<f64>,
    /// 95th percentile of the time to the last byte, ms; `None` = a router did not say, or there were no requests.
    pub p95_ms: Option<f64>,
}

/// An alert of a metric rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Its identity: the same however often it is shown.
    pub id: String,
    /// The rule that raised it.
    pub rule: String,
    /// When it was raised, ms since the Unix epoch.
    pub at_ms: u64,
}
