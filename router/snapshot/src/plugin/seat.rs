//! A seat: the place of one plugin of the policy, and who sits there.

use std::sync::Arc;

use sluice_policy::FailurePolicy;

use super::{Plugin, Trial};

/// The place of one plugin of the policy.
#[derive(Clone, Debug)]
pub enum Seat {
    /// It is served by a plugin.
    Taken {
        /// The one that counts.
        plugin: Arc<Plugin>,
        /// A new digest beside it.
        trial: Option<Arc<Trial>>,
    },
    /// No plugin could be loaded, and the policy says what becomes of requests that it would have seen.
    Empty(FailurePolicy),
}

impl Seat {
    /// A plugin that serves alone.
    #[must_use]
    pub const fn serving(plugin: Arc<Plugin>) -> Self {
        Self::Taken { plugin, trial: None }
    }

    /// The plugin that serves.
    #[must_use]
    pub const fn plugin(&self) -> Option<&Arc<Plugin>> {
        match self {
            Self::Taken { plugin, .. } => Some(plugin),
            Self::Empty(_) => None,
        }
    }

    /// The new digest beside it.
    #[must_use]
    pub const fn trial(&self) -> Option<&Arc<Trial>> {
        match self {
            Self::Taken { trial, .. } => trial.as_ref(),
            Self::Empty(_) => None,
        }
    }

    /// All plugins that have a part in it, the serving one first.
    pub fn occupants(&self) -> impl Iterator<Item = &Arc<Plugin>> {
        self.plugin().into_iter().chain(self.trial().map(|trial| &trial.plugin))
    }
}
