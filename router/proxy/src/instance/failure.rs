//! A call that fails: what is counted, logged and told, and what becomes of its request.

use std::sync::Arc;

use sluice_policy::FailurePolicy;
use sluice_snapshot::plugin::{CAUSE_MISSING, CAUSE_QUARANTINED, Opened, Pass, Phase};
use sluice_snapshot::time::unix_ms;
use sluice_snapshot::{Effect, LostBy};
use sluice_wasm::{CallError, FailureKind, Verdict};
use tokio::time::Instant;

use super::{Called, InstanceCell, Slot, Surroundings};
use crate::reaper::Remains;

/// A call that failed, or was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// One word, as in the metrics.
    pub(crate) cause: &'static str,
    /// What becomes of the request.
    pub(crate) policy: FailurePolicy,
}

impl Failure {
    /// The plugin was called, and it is its own fault.
    pub(crate) fn is_of_call(&self) -> bool {
        self.cause != CAUSE_MISSING && self.cause != CAUSE_QUARANTINED
    }
}

/// A verdict that means nothing here. The instance is sound; its answer is not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Nonsense {
    /// A variant that the route does not have.
    #[error("it chose the variant `{0}`, which the route does not have")]
    ForeignVariant(String),
    /// A path that no request has.
    #[error("it set a path that is not in normal form: {0:?}")]
    Path(String),
}

impl Nonsense {
    const fn cause(&self) -> &'static str {
        match self {
            Self::ForeignVariant(_) => "foreign-variant",
            Self::Path(_) => "verdict",
        }
    }
}

impl InstanceCell {
    /// What `check` refuses counts as a failed call.
    pub(super) fn judged(
        &self,
        surroundings: &Surroundings<'_>,
        phase: Phase,
        pass: Pass<'_>,
        verdict: Verdict,
        check: impl FnOnce(&Verdict) -> Result<(), Nonsense>,
    ) -> Result<Verdict, Failure> {
        match check(&verdict) {
            Ok(()) => {
                pass.succeeded(phase);
                Ok(verdict)
            }
            Err(nonsense) => {
                let (text, cause) = (nonsense.to_string(), nonsense.cause());
                self.tell_fault(&text, None);
                let opened = pass.failed(phase, unix_ms());
                Err(self.failed(surroundings, cause, FailureKind::Trap, opened, text))
            }
        }
    }

    /// The instance is gone: the next call takes the spare, and control builds another one.
    #[cold]
    pub(super) fn lost(
        &self,
        slot: &mut Slot,
        surroundings: &Surroundings<'_>,
        phase: Phase,
        pass: Pass<'_>,
        error: &CallError,
    ) -> Failure {
        let text = error.to_string();
        self.tell_fault(&text, error.backtrace());
        if let Some(instance) = slot.replace(None) {
            self.reaper.bury(Remains::Instance(Box::new(instance)));
            self.tell_control(slot, surroundings, LostBy::Fault(text.clone()));
        }
        let opened = pass.failed(phase, unix_ms());
        self.failed(surroundings, error.cause(), error.kind(), opened, text)
    }

    fn failed(
        &self,
        surroundings: &Surroundings<'_>,
        cause: &'static str,
        kind: FailureKind,
        opened: Option<Opened>,
        reason: String,
    ) -> Failure {
        if opened.is_some_and(|opened| !opened.is_continued) {
            surroundings.effects.send(Effect::Quarantined { plugin: Arc::clone(&self.plugin), reason });
        }
        self.plugin.stats.failed(self.worker, cause);
        let on_failure = &self.plugin.on_failure;
        let policy = match kind {
            FailureKind::Trap => on_failure.trap,
            FailureKind::Deadline => on_failure.deadline,
            FailureKind::Memory => on_failure.memory,
        };
        Failure { cause, policy }
    }

    #[cold]
    pub(super) fn uncalled(&self, cause: &'static str) -> Called {
        self.plugin.stats.failed(self.worker, cause);
        Called { said: Err(Failure { cause, policy: self.plugin.on_failure.trap }), took: None }
    }

    fn tell_fault(&self, error: &str, backtrace: Option<&str>) {
        if let Some(left_out) = self.log.admit(Instant::now()) {
            let (plugin, digest) = (self.plugin.name(), self.plugin.digest_short());
            tracing::warn!(plugin, digest, error, backtrace, left_out, "plugin failed");
        }
    }
}
