//! Who belongs to an upstream now, with what weight.

use std::rc::Rc;

use super::server::Server;

/// A server and what the upstream says of it.
pub(super) struct Member {
    pub(super) server: Rc<Server>,
    /// Share, relative; 0 = no requests.
    pub(super) weight: u32,
    /// It passes the active checks, or there are none.
    pub(super) is_healthy: bool,
}

/// What a list was made from: the versions of the leases and of what control knows.
pub(super) type Version = (u64, u64);

/// The list.
#[derive(Default)]
pub(super) struct Members {
    version: Option<Version>,
    all: Vec<Member>,
    /// Sums of the weights up to each member, itself included.
    sums: Vec<u64>,
    has_healthy: bool,
}

impl Members {
    pub(super) fn new(version: Option<Version>, all: Vec<Member>) -> Self {
        let mut sum = 0;
        let sums = all.iter().map(|member| {
            sum += u64::from(member.weight);
            sum
        });
        let sums = sums.collect();
        let has_healthy = all.iter().any(|member| member.is_healthy && member.weight > 0);
        Self { version, all, sums, has_healthy }
    }

    pub(super) const fn version(&self) -> Option<Version> {
        self.version
    }

    pub(super) fn all(&self) -> &[Member] {
        &self.all
    }

    /// False if all of them fail the active checks, which says more of the checks than of the servers: then they are
    /// not heeded.
    pub(super) const fn has_healthy(&self) -> bool {
        self.has_healthy
    }

    /// The sum of all weights.
    pub(super) fn weight(&self) -> u64 {
        self.sums.last().copied().unwrap_or_default()
    }

    /// The member at a place below [`Members::weight`].
    pub(super) fn at_weight(&self, at: u64) -> Option<&Member> {
        self.all.get(self.sums.partition_point(|sum| *sum <= at))
    }
}
