//! An explanation as data: what `explain --json` prints and `/v1/explain` answers. Telling it as a story is up to whoever
//! reads it.

use serde::{Deserialize, Serialize};

/// What would become of a request, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// Revision it was asked of; 0 = a folder.
    pub revision: u64,
    /// The request as the router reads it.
    pub request: RequestSeen,
    /// The route it takes.
    pub route: Option<RouteTaken>,
    /// The nearest routes that it does not take.
    pub others: Vec<RouteLost>,
    /// Routes that are further away.
    pub others_left_out: usize,
    /// What the route itself changes or bounds, in the order in which it comes.
    pub filters: Vec<String>,
    /// What each plugin of the chain says, in order.
    pub plugins: Vec<PluginSaid>,
    /// The rollout of the route.
    pub rollout: Option<RolloutSeen>,
    /// What becomes of it.
    pub outcome: Outcome,
    /// Time limits and retries, where it goes to a server.
    pub limits: Option<TimeLimits>,
    /// What the reader should know beside it.
    pub notes: Vec<String>,
}

/// The request as the router reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestSeen {
    /// The method.
    pub method: String,
    /// Lower case, without port.
    pub host: String,
    /// The path that is matched and sent upstream.
    pub path: String,
    /// The path as it was asked for, if that differs.
    pub sent_path: Option<String>,
    /// What follows the `?`.
    pub query: Option<String>,
    /// Bytes of its body, as declared.
    pub body_bytes: Option<u64>,
}

/// The route that a request takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTaken {
    /// Its name.
    pub name: String,
    /// The host pattern that matched.
    pub host: String,
    /// The match that held.
    pub matched: String,
}

/// A route that a request does not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteLost {
    /// Its name.
    pub name: String,
    /// Why not.
    pub reason: String,
}

/// What a plugin says of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginSaid {
    /// Its name in the policy.
    pub name: String,
    /// `request`, `body-size` or `body-chunk`.
    pub phase: String,
    /// Its verdict.
    pub verdict: Said,
    /// Edits and effects that it would have; none of them happened.
    pub would: Vec<String>,
}

/// A verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Said {
    /// It is not asked.
    Skipped {
        /// Why not.
        reason: String,
    },
    /// On to the next one.
    Next,
    /// To this variant.
    Variant {
        /// The variant.
        variant: String,
    },
    /// It answers by itself.
    Respond {
        /// The status.
        status: u16,
        /// Bytes of its body.
        body_bytes: usize,
    },
    /// It fails.
    Failed {
        /// How.
        reason: String,
        /// What the request gets by the plugin's failure policy; `None` = it goes on.
        status: Option<u16>,
    },
}

/// The rollout of the route, and where this user stands in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolloutSeen {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: String,
    /// Share of the canary that counts now, percent.
    pub weight: f64,
    /// The part of the sticky key that names this user.
    pub key: Option<String>,
    /// The user's slot, 0 to 9,999.
    pub slot: Option<u16>,
    /// How many slots are the canary's: in a rollout between two, those below.
    pub canary_slots: u16,
    /// Whose the slot is: the plugins decide.
    pub variant: Option<String>,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Outcome {
    /// The router answers with an error.
    Refused {
        /// The status.
        status: u16,
        /// Why.
        reason: String,
    },
    /// The router answers by itself.
    Answered {
        /// Who: a plugin, a redirect, a builtin.
        by: String,
        /// The status.
        status: u16,
        /// Where a redirect leads.
        location: Option<String>,
    },
    /// It goes to a server.
    Sent {
        /// The variant, if the route has any.
        variant: Option<String>,
        /// Why that one.
        reason: String,
        /// One upstream, or several that share by weight.
        upstreams: Vec<UpstreamSeen>,
    },
}

/// An upstream that a request may go to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpstreamSeen {
    /// Its name.
    pub name: String,
    /// Its share of such requests, percent.
    pub share: f64,
    /// Where its servers come from.
    pub source: String,
    /// How one of them is chosen.
    pub balance: String,
    /// The servers.
    pub servers: Vec<ServerSeen>,
}

/// A server of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerSeen {
    /// `host:port`.
    pub address: String,
    /// Relative share.
    pub weight: u32,
    /// Why it gets nothing now: drains, fails its checks, has no weight.
    pub out: Option<String>,
}

/// Time limits and retries of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeLimits {
    /// The whole request, ms.
    pub request_ms: u128,
    /// One connection, ms.
    pub connect_ms: u128,
    /// To the first byte of the response, ms.
    pub first_byte_ms: u128,
    /// One attempt, ms.
    pub per_try_ms: u128,
    /// Attempts after the first one.
    pub retries: u32,
    /// Statuses that are worth another attempt.
    pub retry_statuses: Vec<u16>,
}
