//! The part of the handle that is about plugins: which digests serve, and the operator's orders about them.

use std::collections::BTreeMap;

use sluice_snapshot::plugin::Trial;
use sluice_snapshot::{Plugin, Seat};
use tokio::sync::oneshot;

use crate::board::{Content, Dossier};
use crate::builder::plugins::{PluginOrder, PluginOrderError, PluginVerb};
use crate::builder::rollback::Order;
use crate::clock::now_ms;
use crate::handle::{CommandError, Handle};
use crate::handle_policy::stopping;
use crate::plugin_info::{
    Percent, PluginHistory, PluginInfo, PluginState, QuarantineInfo, TrialInfo, WatchInfo, mode, waits_for,
};
use crate::release::course::Course;
use crate::release::judge::Figures;
use crate::release::ledger::{DigestOutcome, Ledger};

impl From<PluginOrderError> for CommandError {
    fn from(error: PluginOrderError) -> Self {
        match error {
            PluginOrderError::Unknown(name) => Self::NotFound(name),
            PluginOrderError::Digest(error) => Self::Invalid(error.to_string()),
            error @ (PluginOrderError::Serves(..)
            | PluginOrderError::Quarantined { .. }
            | PluginOrderError::Unfit { .. }
            | PluginOrderError::NoTrial(_)
            | PluginOrderError::NotHeld(_)
            | PluginOrderError::Fault(_)) => Self::Refused(error.to_string()),
        }
    }
}

/// What a plugin is described by.
struct Known<'a> {
    content: &'a Content,
    ledgers: &'a BTreeMap<String, Ledger>,
    now_ms: u64,
}

impl Handle {
    /// The plugins of the policy that serves, in its order, then what is refused or unused.
    #[must_use]
    pub fn plugins(&self) -> Vec<PluginInfo> {
        // First: what the board knows is never older than what serves.
        let snapshot = self.shared.published.load().1;
        let (content, ledgers) = (self.shared.board.read(), self.shared.ledgers.all());
        let known = Known { content: &content, ledgers: &ledgers, now_ms: now_ms() };
        let seats = snapshot.policy.plugins.iter().zip(&snapshot.seats);
        let mut plugins: Vec<PluginInfo> = seats.map(|(spec, seat)| known.describe(spec, seat)).collect();
        let mut others = content.plugins.clone();
        for plugin in &mut plugins {
            let is_its_fault = |other: &PluginInfo| other.name == plugin.name && other.state == PluginState::Refused;
            if let Some(index) = others.iter().position(is_its_fault) {
                plugin.fault = others.remove(index).fault;
            }
        }
        // What the last build saw may be ahead of what serves.
        let is_named = |other: &PluginInfo| snapshot.policy.plugins.iter().any(|spec| spec.file == other.file);
        plugins.extend(others.into_iter().filter(|other| other.state != PluginState::Unused || !is_named(other)));
        plugins
    }

    /// The plugin of this name, or the file of this name in the plugin folder.
    ///
    /// # Errors
    /// [`CommandError::NotFound`].
    pub fn plugin(&self, name: &str) -> Result<PluginInfo, CommandError> {
        let found = self.plugins().into_iter().find(|plugin| plugin.name == name);
        found.ok_or_else(|| CommandError::NotFound(name.to_owned()))
    }

    /// The digests that served under a plugin's name.
    ///
    /// # Errors
    /// [`CommandError::NotFound`].
    pub fn plugin_history(&self, name: &str) -> Result<PluginHistory, CommandError> {
        if !self.shared.ledgers.knows(name) {
            self.plugin(name)?;
        }
        let ledger = self.shared.ledgers.one(name);
        let folder = self.shared.board.read().digests.remove(name);
        let now_ms = now_ms();
        let mut digests: Vec<_> = ledger.newest_first().cloned().collect();
        for kept in &mut digests {
            if matches!(kept.outcome, DigestOutcome::Serving | DigestOutcome::Trial) {
                kept.last_served_ms = now_ms;
            }
        }
        Ok(PluginHistory {
            name: name.to_owned(),
            serving: ledger.serving().map(str::to_owned),
            trial: ledger.on_trial().map(str::to_owned),
            held: folder.and_then(|digest| ledger.held(&digest)).or_else(|| ledger.hold().cloned()),
            digests,
        })
    }

    /// Serves an earlier digest of a plugin, the one before unless `digest` begins another one, as a new revision. The
    /// folder's digest is held back until another one comes, or [`Handle::release_plugin`]. Returns after it serves and
    /// is kept.
    ///
    /// # Errors
    /// [`CommandError`]: nothing changed.
    pub async fn rollback_plugin(
        &self,
        name: &str,
        digest: Option<&str>,
        by: &str,
    ) -> Result<PluginInfo, CommandError> {
        let digest = digest.map(str::to_owned);
        self.order_plugin(name, PluginVerb::Rollback { digest }, by).await
    }

    /// Lets the digest on trial take over now.
    ///
    /// # Errors
    /// [`CommandError`]: nothing changed.
    pub async fn promote_plugin(&self, name: &str, by: &str) -> Result<PluginInfo, CommandError> {
        self.order_plugin(name, PluginVerb::Promote, by).await
    }

    /// Ends the trial of a digest, and holds it back.
    ///
    /// # Errors
    /// [`CommandError`]: nothing changed.
    pub async fn abort_plugin(&self, name: &str, by: &str) -> Result<PluginInfo, CommandError> {
        self.order_plugin(name, PluginVerb::Abort, by).await
    }

    /// Lets the digest in the folder serve, which was held back or quarantined; with a trial first, if the policy says
    /// so. It may still be refused: then the plugin's fault says why.
    ///
    /// # Errors
    /// [`CommandError`]: nothing changed.
    pub async fn release_plugin(&self, name: &str, by: &str) -> Result<PluginInfo, CommandError> {
        self.order_plugin(name, PluginVerb::Release, by).await
    }

    async fn order_plugin(&self, name: &str, verb: PluginVerb, by: &str) -> Result<PluginInfo, CommandError> {
        let (done, came) = oneshot::channel();
        let order = PluginOrder { name: name.to_owned(), verb, by: by.to_owned(), done };
        self.order(Order::Plugin(order)).await?;
        came.await.map_err(|_| stopping())??;
        self.plugin(name)
    }
}

impl Known<'_> {
    fn describe(&self, spec: &sluice_policy::Plugin, seat: &Seat) -> PluginInfo {
        let course = self.content.courses.get(&spec.name);
        let folder = self.content.digests.get(&spec.name);
        let held = folder.and_then(|digest| self.ledgers.get(&spec.name)?.held(digest));
        let Some(plugin) = seat.plugin() else {
            return PluginInfo { held, ..PluginInfo::named(&spec.name, &spec.file, PluginState::Empty) };
        };
        let dossier = self.content.dossiers.get(&plugin.key);
        PluginInfo {
            generation: dossier.map_or(0, |dossier: &Dossier| dossier.generation),
            memory_bytes: dossier.map_or(0, |dossier| dossier.memory_bytes),
            // The ledger is written before the snapshot is published: what serves is not held back yet.
            held: held.filter(|hold| hold.digest != plugin.key.digest),
            trial: seat.trial().and_then(|trial| self.trial(spec, trial, course)),
            watch: watch(spec, plugin, course),
            ..PluginInfo::active(plugin, spec, self.now_ms)
        }
    }

    fn trial(&self, spec: &sluice_policy::Plugin, trial: &Trial, course: Option<&Course>) -> Option<TrialInfo> {
        let wanted = spec.release.trial.as_ref()?;
        let trying = course.and_then(|course| course.trying.as_ref());
        let comparisons = trial.comparisons.report();
        let own = Figures::of(&trial.plugin, Some(&comparisons));
        let waits = trying.map(|trying| trying.waits(wanted, &spec.release.budget, own, self.now_ms));
        let duration_ms = u64::try_from(wanted.duration.as_millis()).unwrap_or(u64::MAX);
        Some(TrialInfo {
            mode: mode(trial.mode),
            percent: Percent(trial.share.as_percent()),
            digest: trial.plugin.key.digest.clone(),
            version: trial.plugin.artifact.manifest().version.clone(),
            started_ms: trial.started_ms,
            ends_ms: trial.started_ms.saturating_add(duration_ms),
            waits_for: waits.map(|waits| waits_for(waits, spec.release.budget.calls_min)).unwrap_or_default(),
            comparisons,
            stats: trial.plugin.stats.report(),
            quarantine: QuarantineInfo::of(&trial.plugin, self.now_ms),
        })
    }
}

fn watch(spec: &sluice_policy::Plugin, plugin: &Plugin, course: Option<&Course>) -> Option<WatchInfo> {
    let watching = course?.watching.as_ref().filter(|watching| watching.digest == plugin.key.digest)?;
    Some(WatchInfo { digest_before: watching.digest_before.clone(), ends_ms: watching.ends_ms(&spec.release)? })
}
