//! What could be published: a policy and, for each of its plugins, who would take its seat.

use std::sync::Arc;

use sluice_policy::{FailurePolicy, Policy, Source};
use sluice_snapshot::plugin::Trial;
use sluice_snapshot::{Plugin, Seat};

use crate::load::Loaded;

/// What could be published.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) policy: Arc<Policy>,
    pub(crate) sources: Vec<Source>,
    /// Parallel to the policy's plugins.
    pub(crate) places: Vec<Place>,
}

/// Who would take a seat.
#[derive(Debug)]
pub(crate) enum Place {
    /// A plugin, and perhaps a new digest beside it.
    Taken {
        /// The one that counts.
        member: Member,
        /// The new one.
        tried: Option<Tried>,
    },
    /// Nobody: the policy says to go on without.
    Empty(FailurePolicy),
}

/// A new digest beside the one that counts.
#[derive(Debug)]
pub(crate) struct Tried {
    pub(crate) member: Member,
    /// Of the member's plugin.
    pub(crate) trial: Arc<Trial>,
}

/// A plugin of a candidate.
#[derive(Debug)]
pub(crate) enum Member {
    /// Serves already, and is the same.
    Kept(Arc<Plugin>),
    /// Made for this candidate.
    New(Box<Loaded>),
}

impl Member {
    pub(crate) const fn plugin(&self) -> &Arc<Plugin> {
        match self {
            Self::Kept(plugin) => plugin,
            Self::New(loaded) => &loaded.plugin,
        }
    }
}

impl Place {
    /// A plugin alone.
    pub(crate) const fn of(member: Member) -> Self {
        Self::Taken { member, tried: None }
    }

    /// What serves, as it is.
    pub(crate) fn kept(seat: &Seat) -> Self {
        match seat {
            Seat::Empty(policy) => Self::Empty(*policy),
            Seat::Taken { plugin, trial } => Self::Taken {
                member: Member::Kept(Arc::clone(plugin)),
                tried: trial
                    .as_ref()
                    .map(|trial| Tried { member: Member::Kept(Arc::clone(&trial.plugin)), trial: Arc::clone(trial) }),
            },
        }
    }

    /// The seat as it would be published.
    pub(crate) fn seat(&self) -> Seat {
        match self {
            Self::Empty(policy) => Seat::Empty(*policy),
            Self::Taken { member, tried } => Seat::Taken {
                plugin: Arc::clone(member.plugin()),
                trial: tried.as_ref().map(|tried| Arc::clone(&tried.trial)),
            },
        }
    }

    /// True if the seat is this already.
    pub(crate) fn is(&self, seat: &Seat) -> bool {
        match (self, seat) {
            (Self::Empty(own), Seat::Empty(other)) => own == other,
            (Self::Taken { member, tried }, Seat::Taken { plugin, trial }) => {
                let same_trial = match (tried, trial) {
                    (None, None) => true,
                    (Some(tried), Some(trial)) => Arc::ptr_eq(&tried.trial, trial),
                    _ => false,
                };
                Arc::ptr_eq(member.plugin(), plugin) && same_trial
            }
            _ => false,
        }
    }

    /// The plugins of the place, the one that counts first.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        let (member, tried) = match self {
            Self::Taken { member, tried } => (Some(member), tried.as_ref()),
            Self::Empty(_) => (None, None),
        };
        member.into_iter().chain(tried.map(|tried| &tried.member))
    }

    /// The same, given away.
    pub(crate) fn into_members(self) -> impl Iterator<Item = Member> {
        let (member, tried) = match self {
            Self::Taken { member, tried } => (Some(member), tried),
            Self::Empty(_) => (None, None),
        };
        member.into_iter().chain(tried.map(|tried| tried.member))
    }
}
