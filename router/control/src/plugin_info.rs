//! What control shows of a plugin, as `/v1/plugins` serves it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use sluice_model::plugin::Grants;
use sluice_policy::TrialMode;
use sluice_snapshot::Plugin;
use sluice_snapshot::plugin::{BreakerState, ComparisonReport, Phase, StatsReport};
use sluice_wasm::Artifact;

use crate::release::course::Waits;
use crate::release::{Hold, KeptDigest};

/// A plugin, or a file in the plugin folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PluginInfo {
    /// Name in the policy; for a file that no policy names, the name in its manifest, or else that of the file.
    pub name: String,
    /// File name in the plugin folder.
    pub file: String,
    /// Where it stands.
    pub state: PluginState,
    /// SHA-256 of the file that serves (active) or would (unused), hex.
    pub digest: Option<String>,
    /// Version in its manifest.
    pub version: Option<String>,
    /// Version of the contract that it speaks.
    pub contract: Option<String>,
    /// What its manifest says that it cannot do without.
    pub needs: Granted,
    /// What the policy grants it.
    pub grants: Granted,
    /// How often this name was loaded since the start; 0 = never.
    pub generation: u64,
    /// Phases it takes part in.
    pub phases: Vec<&'static str>,
    /// Linear memory of one fresh instance, bytes.
    pub memory_bytes: usize,
    /// What it did since it was loaded.
    pub stats: StatsReport,
    /// The digest in the folder that does not serve although it could be loaded, and why.
    pub held: Option<Hold>,
    /// The new digest beside it.
    pub trial: Option<TrialInfo>,
    /// The watch over it, after it took over.
    pub watch: Option<WatchInfo>,
    /// Why it is not called; `None` = it is.
    pub quarantine: Option<QuarantineInfo>,
    /// Why the file in the folder is refused. An active plugin with a fault serves the digest before.
    pub fault: Option<String>,
}

/// What a plugin needs, or may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Granted(BTreeMap<&'static str, Value>);

/// Where a plugin stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PluginState {
    /// Serves.
    Active,
    /// Could not be loaded, and the policy goes on without it.
    Empty,
    /// Does not serve, and could not.
    Refused,
    /// Could serve, but no policy names its file.
    Unused,
}

/// A new digest beside the one that serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrialInfo {
    /// What it does.
    pub mode: &'static str,
    /// Share of the requests that it sees, in percent with at most two decimals.
    pub percent: Percent,
    /// Its digest, hex.
    pub digest: String,
    /// Version in its manifest.
    pub version: String,
    /// When it began, ms since the Unix epoch.
    pub started_ms: u64,
    /// When its time is over, ms since the Unix epoch.
    pub ends_ms: u64,
    /// What it waits for, for people.
    pub waits_for: String,
    /// How its verdicts compare with those of the serving one (shadow).
    pub comparisons: ComparisonReport,
    /// What it did.
    pub stats: StatsReport,
    /// Why it is not called; `None` = it is.
    pub quarantine: Option<QuarantineInfo>,
}

/// A share as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Percent(pub f64);

/// It comes from hundredths of a percent, and is never NaN.
impl Eq for Percent {}

/// A digest that took over not long ago: over its budget, the one before comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WatchInfo {
    /// The digest that would come back, hex.
    pub digest_before: String,
    /// When the watch is over, ms since the Unix epoch.
    pub ends_ms: u64,
}

/// A plugin that its breaker keeps requests from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct QuarantineInfo {
    /// When a probe may try it, ms since the Unix epoch; in the past while one does.
    pub until_ms: u64,
    /// How often it was quarantined since it was loaded.
    pub openings: u32,
}

/// What is remembered of a plugin's digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PluginHistory {
    /// Name in the policy.
    pub name: String,
    /// The digest that serves, or would if its seat were not empty.
    pub serving: Option<String>,
    /// The digest on trial.
    pub trial: Option<String>,
    /// What an operator holds back, or what is quarantined of the file in the folder.
    pub held: Option<Hold>,
    /// At most [`crate::DIGESTS_KEPT_MAX`], the one that began to serve last first.
    pub digests: Vec<KeptDigest>,
}

impl PluginInfo {
    /// A plugin of which nothing is known but its names.
    pub(crate) fn named(name: impl Into<String>, file: impl Into<String>, state: PluginState) -> Self {
        Self {
            name: name.into(),
            file: file.into(),
            state,
            digest: None,
            version: None,
            contract: None,
            needs: Granted::default(),
            grants: Granted::default(),
            generation: 0,
            phases: Vec::new(),
            memory_bytes: 0,
            stats: StatsReport::default(),
            held: None,
            trial: None,
            watch: None,
            quarantine: None,
            fault: None,
        }
    }

    /// A file that no policy names.
    pub(crate) fn unused(file: &str, artifact: &Artifact) -> Self {
        Self::named(&artifact.manifest().name, file, PluginState::Unused).with_file_of(artifact)
    }

    /// A plugin that serves.
    pub(crate) fn active(plugin: &Plugin, spec: &sluice_policy::Plugin, now_ms: u64) -> Self {
        let phases = plugin.activation.phases;
        let named = [
            (phases.request, Phase::Request),
            (phases.body_size, Phase::BodySize),
            (phases.body_chunk, Phase::BodyChunk),
            (phases.response, Phase::Response),
        ];
        Self {
            grants: Granted::of(&spec.grants),
            phases: named.into_iter().filter(|(takes_part, _)| *takes_part).map(|(_, phase)| phase.as_str()).collect(),
            stats: plugin.stats.report(),
            quarantine: QuarantineInfo::of(plugin, now_ms),
            ..Self::named(plugin.name(), &spec.file, PluginState::Active).with_file_of(&plugin.artifact)
        }
    }

    fn with_file_of(self, artifact: &Artifact) -> Self {
        let manifest = artifact.manifest();
        Self {
            digest: Some(artifact.digest().to_string()),
            version: Some(manifest.version.clone()),
            contract: Some(artifact.contract().to_string()),
            needs: Granted::of(&manifest.needs.as_grants()),
            ..self
        }
    }
}

impl QuarantineInfo {
    pub(crate) fn of(plugin: &Plugin, now_ms: u64) -> Option<Self> {
        let openings = plugin.breaker.openings();
        match plugin.breaker.state(now_ms) {
            BreakerState::Closed => None,
            BreakerState::Probing => Some(Self { until_ms: now_ms, openings }),
            BreakerState::Quarantined { until_ms, .. } => Some(Self { until_ms, openings }),
        }
    }
}

/// The word of the policy for what a trial does.
pub(crate) const fn mode(mode: TrialMode) -> &'static str {
    match mode {
        TrialMode::Canary => "canary",
        TrialMode::Shadow => "shadow",
    }
}

/// What a trial waits for, for people.
pub(crate) fn waits_for(waits: Waits, calls_min: u32) -> String {
    match waits {
        Waits::Time => "the end of its time".to_owned(),
        Waits::Calls { calls } => format!("calls to judge it by: {calls} of {calls_min}"),
        Waits::Operator => "an operator: promote or abort".to_owned(),
    }
}

impl Granted {
    /// Grants in the words of the policy.
    fn of(grants: &Grants) -> Self {
        let flags = grants.flags().into_iter().map(|(word, is_granted)| (word, Value::Bool(is_granted)));
        Self(flags.chain([("state", Value::from(grants.state.clone()))]).collect())
    }
}
