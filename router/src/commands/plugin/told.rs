//! What a router tells of its plugins, as far as the commands show it. What an older or a newer router does not tell is
//! left out.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Digits of a digest that tell the builds of one plugin apart; commands take as few, or fewer.
const DIGEST_DIGITS: usize = 12;

/// One plugin, or one file in the plugin folder (`/v1/plugins`).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Told {
    pub(super) name: String,
    pub(super) file: String,
    pub(super) state: String,
    pub(super) digest: Option<String>,
    pub(super) version: Option<String>,
    pub(super) contract: Option<String>,
    pub(super) generation: u64,
    pub(super) phases: Vec<String>,
    pub(super) fault: Option<String>,
    pub(super) held: Option<Held>,
    pub(super) trial: Option<Trial>,
    pub(super) watch: Option<Watch>,
    pub(super) quarantine: Option<Quarantine>,
    pub(super) stats: Stats,
    pub(super) needs: BTreeMap<String, serde_json::Value>,
    pub(super) grants: BTreeMap<String, serde_json::Value>,
}

/// The digest in the folder that does not serve.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Held {
    pub(super) digest: String,
    pub(super) reason: String,
    pub(super) by: String,
    pub(super) is_quarantined: bool,
}

/// A new digest beside the one that serves.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Trial {
    pub(super) mode: String,
    pub(super) percent: f64,
    pub(super) digest: String,
    pub(super) version: String,
    pub(super) started_ms: u64,
    pub(super) ends_ms: u64,
    pub(super) waits_for: String,
    pub(super) comparisons: Comparisons,
    pub(super) stats: Stats,
    pub(super) quarantine: Option<Quarantine>,
}

/// How the verdicts of both compare.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Comparisons {
    pub(super) same: u64,
    pub(super) different: u64,
    pub(super) recent: Vec<Difference>,
}

/// One request on which they did not say the same.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Difference {
    pub(super) at_ms: u64,
    pub(super) request_id: String,
    pub(super) phase: String,
    pub(super) old: String,
    pub(super) new: String,
}

/// The time after a swap in which the digest before may come back by itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Watch {
    pub(super) digest_before: String,
    pub(super) ends_ms: u64,
}

/// It is not called after failures in a row.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Quarantine {
    pub(super) until_ms: u64,
    pub(super) openings: u64,
}

/// What one digest did.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Stats {
    pub(super) calls: BTreeMap<String, u64>,
    pub(super) verdicts: BTreeMap<String, BTreeMap<String, u64>>,
    pub(super) time: BTreeMap<String, Time>,
    pub(super) failures: BTreeMap<String, u64>,
    pub(super) requests: u64,
    pub(super) requests_5xx: u64,
    pub(super) recycled: u64,
    pub(super) memory_bytes: u64,
    pub(super) memory_bytes_max: u64,
    pub(super) counters: BTreeMap<String, u64>,
    pub(super) counters_dropped: u64,
    pub(super) effects_refused: u64,
    pub(super) lines_dropped: u64,
    pub(super) alerts_dropped: u64,
}

/// How long its calls of one phase took.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Time {
    pub(super) p50_ns: u64,
    pub(super) p99_ns: u64,
    pub(super) samples: u64,
}

impl Stats {
    pub(super) fn calls(&self) -> u64 {
        self.calls.values().sum()
    }

    pub(super) fn failures(&self) -> u64 {
        self.failures.values().sum()
    }

    /// The times of the phase that was timed most: what the plugin costs most requests.
    pub(super) fn busiest(&self) -> Option<Time> {
        self.time.values().filter(|time| time.samples > 0).max_by_key(|time| time.samples).copied()
    }
}

/// The digits of a digest that are shown.
pub(super) fn short(digest: &str) -> String {
    digest.chars().take(DIGEST_DIGITS).collect()
}
