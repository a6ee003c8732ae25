//! The part of the handle that is about rollouts: how they stand, an operator's orders, their history, signed overrides.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sluice_model::audit::{AuditEntry, Author};
use sluice_model::rollout::{Command, Rollout};
use sluice_model::stats::{VariantStats, WINDOW_MS};
use sluice_policy::Rollout as Declared;
use sluice_snapshot::Snapshot;

use crate::clock::now_ms;
use crate::handle::{CommandError, Handle};
use crate::rollouts::info::RolloutInfo;
use crate::rollouts::orders::{self, RolloutOrder};
use crate::rollouts::random_salt;

/// What "lately" means of a variant's figures.
const LATELY_MS: u64 = 60_000;
/// Longest time that an override counts: who needs one for longer wants a weight.
pub const OVERRIDE_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A token that has its holder served by one variant.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Override {
    /// The token.
    pub token: String,
    /// When it ends, seconds since the Unix epoch.
    pub expires_s: u64,
    /// The fields of a request that it may stand in.
    pub fields: Vec<String>,
}

impl Handle {
    /// The rollouts of the policy that serves, by name. Without what their variants did.
    #[must_use]
    pub fn rollouts(&self) -> Vec<RolloutInfo> {
        let snapshot = self.shared.published.load().1;
        let mut all: Vec<RolloutInfo> =
            snapshot.policy.rollouts.iter().filter_map(|declared| self.describe(&snapshot, declared)).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// One of them, with what its variants did lately, if the store says.
    ///
    /// # Errors
    /// [`CommandError::NotFound`].
    pub async fn rollout(&self, name: &str) -> Result<RolloutInfo, CommandError> {
        let info = {
            let snapshot = self.shared.published.load().1;
            let declared = find(&snapshot, name)?;
            let away = || CommandError::Store("the store has not said yet where it stands".to_owned());
            self.describe(&snapshot, declared).ok_or_else(away)?
        };
        Ok(match self.lately(name).await {
            Ok(figures) => info.with_stats(&figures),
            Err(_away) => info,
        })
    }

    fn describe(&self, snapshot: &Snapshot, declared: &Declared) -> Option<RolloutInfo> {
        let cell = self.shared.cells.find_rollout(&declared.name)?;
        let standing = self.shared.standings.of(&declared.name);
        let signs = self.shared.override_key.is_some();
        RolloutInfo::of(declared, &snapshot.policy.upstreams, &cell, standing, signs)
    }

    async fn lately(&self, name: &str) -> Result<BTreeMap<String, VariantStats>, CommandError> {
        let now_ms = now_ms();
        let to_ms = (now_ms / WINDOW_MS + 1) * WINDOW_MS;
        Ok(self.shared.store.stats(name, to_ms.saturating_sub(LATELY_MS), to_ms).await?)
    }

    /// Carries out an order about a rollout of the policy. Returns after this router acts on it.
    ///
    /// # Errors
    /// [`CommandError`]: nothing changed.
    pub async fn order_rollout(
        &self,
        name: &str,
        order: &RolloutOrder,
        author: Author<'_>,
    ) -> Result<Rollout, CommandError> {
        let command = {
            let snapshot = self.shared.published.load().1;
            let declared = find(&snapshot, name)?;
            let stored = self.shared.cells.find_rollout(name).and_then(|cell| cell.view());
            orders::command(order, declared, stored.as_deref(), random_salt())?
        };
        self.command(name, command, author).await
    }

    /// Steers a rollout of the policy. An abort counts here at once, whether or not the store answers.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn command<'a>(
        &self,
        rollout: &str,
        command: Command,
        author: impl Into<Author<'a>>,
    ) -> Result<Rollout, CommandError> {
        find(&self.shared.published.load().1, rollout)?;
        if let Command::Abort { id, reason } = &command
            && let Some(cell) = self.shared.cells.find_rollout(rollout)
        {
            cell.abort(id, reason);
        }
        let applied = self.shared.store.apply_rollout(rollout, &command, author.into(), now_ms(), None).await;
        if let (Err(_), Command::Abort { .. }) = (&applied, &command) {
            self.shared.effects.abort_pending();
        }
        Ok(applied?)
    }

    /// What became of a rollout, newest first: the entries of the audit log about it.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn rollout_history(&self, name: &str, newest: usize) -> Result<Vec<AuditEntry>, CommandError> {
        find(&self.shared.published.load().1, name)?;
        Ok(self.shared.store.audit(Some(&format!("rollout:{name}")), newest).await?)
    }

    /// Signs an override: its holder is served by `variant` of `rollout` for this long, whatever the bucket says.
    ///
    /// # Errors
    /// [`CommandError::Refused`] without a key, or without a field that it may stand in; [`CommandError::Invalid`] for a
    /// variant that is none, or a time above [`OVERRIDE_MAX`].
    pub fn sign_override(&self, rollout: &str, variant: &str, lasts: Duration) -> Result<Override, CommandError> {
        let snapshot = Arc::clone(&self.shared.published.load().1);
        let declared = find(&snapshot, rollout)?;
        let Some(key) = &self.shared.override_key else {
            let text = "this router has no key to sign with: write [rollouts] override_key = { file = \"..\" } into sluice.toml";
            return Err(CommandError::Refused(text.to_owned()));
        };
        if declared.overrides.is_empty() {
            let text = "its policy takes no override: write override = [\"header:x-override\"] into [rollouts.";
            return Err(CommandError::Refused(format!("{text}{rollout}]")));
        }
        if declared.upstream_of(variant).is_none() {
            let known: Vec<&str> = declared.variants.iter().map(|(name, _)| name.as_str()).collect();
            let text = format!("`{rollout}` has no variant `{variant}`: {}", known.join(", "));
            return Err(CommandError::Invalid(text));
        }
        if lasts.is_zero() || lasts > OVERRIDE_MAX {
            let days = OVERRIDE_MAX.as_secs() / (24 * 60 * 60);
            return Err(CommandError::Invalid(format!("an override lasts at least a second and at most {days} days")));
        }
        let expires_s = now_ms() / 1_000 + lasts.as_secs().max(1);
        Ok(Override {
            token: key.sign(rollout, variant, expires_s),
            expires_s,
            fields: declared.overrides.iter().map(ToString::to_string).collect(),
        })
    }
}

fn find<'s>(snapshot: &'s Snapshot, rollout: &str) -> Result<&'s Declared, CommandError> {
    let found = snapshot.policy.rollouts.iter().find(|declared| declared.name == rollout);
    found.ok_or_else(|| CommandError::NotFound(rollout.to_owned()))
}
