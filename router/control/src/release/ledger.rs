//! The ledger of one plugin: which digests served under its name, which one does, and which must not.
//!
//! Pure: it is told what happened and when. `ledgers` keeps it on disk.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Digests that are remembered, and whose files are kept, per plugin: a few weeks of releases, and with plugins of
/// 100 KB less than the binary of this router for twenty of them.
pub const DIGESTS_KEPT_MAX: usize = 10;
/// Letters of a digest that people are shown.
const SHORT_LENGTH: usize = 12;
/// Longest reason or name of an operator that is kept, bytes; more is cut off.
const TEXT_BYTES_MAX: usize = 512;
/// Form of the file; another one is left alone.
pub(super) const FORM: u32 = 1;

/// A digest that serves or served under the plugin's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptDigest {
    /// SHA-256 of the file, hex.
    pub digest: String,
    /// Version in its manifest.
    pub version: String,
    /// When it first served, ms since the Unix epoch; as a trial counts too.
    pub first_served_ms: u64,
    /// When it last served, ms since the Unix epoch.
    pub last_served_ms: u64,
    /// What became of it.
    pub outcome: DigestOutcome,
    /// Why.
    pub reason: Option<String>,
    /// Who decided: `folder`, `router`, or the name of an operator.
    pub by: String,
    /// It was rolled back by the router itself, which it is once only: an operator who releases it decides.
    pub was_rolled_back: bool,
}

/// What became of a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DigestOutcome {
    /// It is the one that counts.
    Serving,
    /// It stands beside the one that counts.
    Trial,
    /// It served until another one took over.
    Served,
    /// An operator went back to another one, or ended its trial.
    RolledBack,
    /// It was over its budget: it serves no more until an operator releases it.
    Quarantined,
}

/// A digest that stays out although its file lies in the folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// The digest.
    pub digest: String,
    /// Why.
    pub reason: String,
    /// Since when, ms since the Unix epoch.
    pub since_ms: u64,
    /// Who said so.
    pub by: String,
    /// True if it was over its budget; false if an operator holds it back, until another digest comes.
    pub is_quarantined: bool,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ledger {
    pub(super) form: u32,
    /// By when they last began to serve, newest last. At most one is `Serving`, at most one `Trial`.
    digests: Vec<KeptDigest>,
    hold: Option<Hold>,
}

/// Why a prefix stands for no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PrefixError {
    /// None begins so.
    #[error("no kept digest begins with `{prefix}`; kept are {kept}")]
    Unknown {
        /// What was asked.
        prefix: String,
        /// What there is.
        kept: String,
    },
    /// Several begin so.
    #[error("`{prefix}` stands for several digests: {several}")]
    Ambiguous {
        /// What was asked.
        prefix: String,
        /// Those.
        several: String,
    },
    /// None served before.
    #[error("no digest before this one is kept that was not rolled back; kept are {0}: name one")]
    NoneBefore(String),
}

/// Who decided, when, and why.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decision<'a> {
    pub(crate) by: &'a str,
    pub(crate) reason: Option<&'a str>,
    pub(crate) now_ms: u64,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { form: FORM, digests: Vec::new(), hold: None }
    }
}

impl Ledger {
    /// The digest that counts.
    pub(crate) fn serving(&self) -> Option<&str> {
        self.with(DigestOutcome::Serving)
    }

    /// The digest on trial.
    pub(crate) fn on_trial(&self) -> Option<&str> {
        self.with(DigestOutcome::Trial)
    }

    /// All of them, newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &KeptDigest> {
        self.digests.iter().rev()
    }

    /// Digests whose files must be kept.
    pub(crate) fn digests(&self) -> BTreeSet<String> {
        self.digests.iter().map(|kept| kept.digest.clone()).collect()
    }

    /// What an operator holds back.
    pub(crate) const fn hold(&self) -> Option<&Hold> {
        self.hold.as_ref()
    }

    /// Why this digest must not serve; `None` = it may.
    pub(crate) fn held(&self, digest: &str) -> Option<Hold> {
        let quarantined = self.find(digest).filter(|kept| kept.outcome == DigestOutcome::Quarantined);
        let quarantined = quarantined.map(|kept| Hold {
            digest: kept.digest.clone(),
            reason: kept.reason.clone().unwrap_or_default(),
            since_ms: kept.last_served_ms,
            by: kept.by.clone(),
            is_quarantined: true,
        });
        quarantined.or_else(|| self.hold.clone().filter(|hold| hold.digest == digest))
    }

    /// True if the router itself rolled this digest back before.
    pub(crate) fn was_rolled_back(&self, digest: &str) -> bool {
        self.find(digest).is_some_and(|kept| kept.was_rolled_back)
    }

    /// The digest that served before the one that counts, and was not taken back.
    pub(crate) fn before(&self) -> Result<&KeptDigest, PrefixError> {
        let before = self.newest_first().find(|kept| kept.outcome == DigestOutcome::Served);
        before.ok_or_else(|| PrefixError::NoneBefore(shown(self.newest_first())))
    }

    /// The digest that begins so.
    pub(crate) fn starting_with(&self, prefix: &str) -> Result<&KeptDigest, PrefixError> {
        let wanted = prefix.to_ascii_lowercase();
        let found: Vec<&KeptDigest> =
            self.newest_first().filter(|kept| !wanted.is_empty() && kept.digest.starts_with(&wanted)).collect();
        let prefix: String = prefix.chars().take(SHORT_LENGTH).collect();
        match found.as_slice() {
            [one] => Ok(one),
            [] => Err(PrefixError::Unknown { prefix, kept: shown(self.newest_first()) }),
            several => Err(PrefixError::Ambiguous { prefix, several: shown(several.iter().copied()) }),
        }
    }

    /// A digest counts from now on.
    pub(crate) fn serves(&mut self, digest: &str, version: &str, decision: Decision<'_>) {
        if self.serving() == Some(digest) {
            return;
        }
        if let Some(before) = self.with_mut(DigestOutcome::Serving) {
            (before.outcome, before.last_served_ms) = (DigestOutcome::Served, decision.now_ms);
        }
        self.enter(digest, version, DigestOutcome::Serving, decision);
        self.let_go(digest);
    }

    /// A digest stands beside the one that counts from now on; one that did so before has to leave.
    pub(crate) fn tries(&mut self, digest: &str, version: &str, decision: Decision<'_>) {
        if self.on_trial() != Some(digest) {
            self.end_trial(DigestOutcome::RolledBack, decision);
            self.enter(digest, version, DigestOutcome::Trial, decision);
        }
    }

    /// Nothing stands beside the one that counts any more.
    pub(crate) fn end_trial(&mut self, outcome: DigestOutcome, decision: Decision<'_>) {
        if let Some(tried) = self.with_mut(DigestOutcome::Trial) {
            end(tried, outcome, decision);
        }
    }

    /// What becomes of a digest that served or was tried, and does not any more.
    pub(crate) fn takes_back(&mut self, digest: &str, outcome: DigestOutcome, decision: Decision<'_>) {
        if let Some(kept) = self.digests.iter_mut().find(|kept| kept.digest == digest) {
            end(kept, outcome, decision);
            kept.was_rolled_back |= outcome == DigestOutcome::Quarantined;
        }
    }

    /// Holds a digest back until another one comes, or [`Ledger::let_go`].
    pub(crate) fn hold_back(&mut self, digest: &str, decision: Decision<'_>) {
        self.hold = Some(Hold {
            digest: digest.to_owned(),
            reason: cut(decision.reason.unwrap_or_default()),
            since_ms: decision.now_ms,
            by: cut(decision.by),
            is_quarantined: false,
        });
    }

    /// Lets a digest serve again; false if nothing kept it from doing so.
    pub(crate) fn let_go(&mut self, digest: &str) -> bool {
        let was_held = self.held(digest).is_some();
        if self.hold.as_ref().is_some_and(|hold| hold.digest == digest) {
            self.hold = None;
        }
        let quarantined = |kept: &&mut KeptDigest| kept.digest == digest && kept.outcome == DigestOutcome::Quarantined;
        if let Some(kept) = self.digests.iter_mut().find(quarantined) {
            kept.outcome = DigestOutcome::RolledBack;
        }
        was_held
    }

    /// The folder holds this digest now: what an operator holds back counts only until another one comes.
    pub(crate) fn saw(&mut self, digest: &str) {
        self.hold.take_if(|hold| hold.digest != digest);
    }

    fn find(&self, digest: &str) -> Option<&KeptDigest> {
        self.digests.iter().find(|kept| kept.digest == digest)
    }

    fn with(&self, outcome: DigestOutcome) -> Option<&str> {
        self.digests.iter().find(|kept| kept.outcome == outcome).map(|kept| kept.digest.as_str())
    }

    fn with_mut(&mut self, outcome: DigestOutcome) -> Option<&mut KeptDigest> {
        self.digests.iter_mut().find(|kept| kept.outcome == outcome)
    }

    /// Puts a digest last, and forgets the oldest beyond [`DIGESTS_KEPT_MAX`] that does not serve.
    fn enter(&mut self, digest: &str, version: &str, outcome: DigestOutcome, decision: Decision<'_>) {
        let known = self.digests.iter().position(|kept| kept.digest == digest).map(|index| self.digests.remove(index));
        let (first_served_ms, was_rolled_back) =
            known.map_or((decision.now_ms, false), |known| (known.first_served_ms, known.was_rolled_back));
        self.digests.push(KeptDigest {
            digest: digest.to_owned(),
            version: cut(version),
            first_served_ms,
            last_served_ms: decision.now_ms,
            outcome,
            reason: decision.reason.map(cut),
            by: cut(decision.by),
            was_rolled_back,
        });
        while self.digests.len() > DIGESTS_KEPT_MAX {
            let may_go = |kept: &KeptDigest| !matches!(kept.outcome, DigestOutcome::Serving | DigestOutcome::Trial);
            let Some(oldest) = self.digests.iter().position(may_go) else { return };
            self.digests.remove(oldest);
        }
    }
}

/// The part of a digest that people are shown.
pub(crate) fn short(digest: &str) -> &str {
    digest.get(..SHORT_LENGTH).unwrap_or(digest)
}

fn shown<'a>(digests: impl Iterator<Item = &'a KeptDigest>) -> String {
    let digests: Vec<&str> = digests.map(|kept| short(&kept.digest)).collect();
    if digests.is_empty() { "none".to_owned() } else { digests.join(", ") }
}

fn end(kept: &mut KeptDigest, outcome: DigestOutcome, decision: Decision<'_>) {
    (kept.outcome, kept.last_served_ms) = (outcome, decision.now_ms);
    (kept.reason, kept.by) = (decision.reason.map(cut), cut(decision.by));
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()
}

#[cfg(test)]
mod tests;
