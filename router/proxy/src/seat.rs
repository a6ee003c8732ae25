//! What a worker has for one plugin of the policy: the instance that serves, and the one of a new digest on trial.

use std::rc::Rc;
use std::sync::Arc;

use sluice_model::weight::SLOTS;
use sluice_policy::TrialMode;
use sluice_snapshot::{Plugin, Seat, Trial};

use crate::instance::InstanceCell;

/// One seat on one worker.
pub(crate) struct WorkerSeat {
    /// `None` where no plugin could be loaded.
    serving: Option<Rc<InstanceCell>>,
    trial: Option<Candidate>,
}

/// A new digest on trial.
pub(crate) struct Candidate {
    pub(crate) trial: Arc<Trial>,
    pub(crate) instance: Rc<InstanceCell>,
}

/// The instance whose word counts for a request.
#[derive(Clone, Copy)]
pub(crate) struct Counting<'a> {
    pub(crate) instance: &'a InstanceCell,
    /// It is the new digest of a canary.
    pub(crate) is_candidate: bool,
}

/// What decides for one request which trials it takes part in: the same in all its phases.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw(u64);

impl WorkerSeat {
    /// Readies a seat; `instance` finds or takes this worker's instance of a plugin.
    pub(crate) fn new(seat: &Seat, instance: impl Fn(&Arc<Plugin>) -> Rc<InstanceCell>) -> Self {
        let candidate = |trial: &Arc<Trial>| Candidate { trial: Arc::clone(trial), instance: instance(&trial.plugin) };
        Self { serving: seat.plugin().map(&instance), trial: seat.trial().map(candidate) }
    }

    /// All instances that sit here.
    pub(crate) fn instances(&self) -> impl Iterator<Item = &Rc<InstanceCell>> {
        self.serving.iter().chain(self.trial.as_ref().map(|candidate| &candidate.instance))
    }

    /// Whose word counts for this request.
    #[inline]
    pub(crate) fn counting(&self, draw: Draw) -> Option<Counting<'_>> {
        match &self.trial {
            None => self.serving.as_deref().map(|instance| Counting { instance, is_candidate: false }),
            Some(candidate) => self.counting_beside(candidate, draw),
        }
    }

    #[cold]
    fn counting_beside<'a>(&'a self, candidate: &'a Candidate, draw: Draw) -> Option<Counting<'a>> {
        if candidate.trial.mode == TrialMode::Canary && draw.takes_part(candidate) {
            return Some(Counting { instance: &candidate.instance, is_candidate: true });
        }
        self.serving.as_deref().map(|instance| Counting { instance, is_candidate: false })
    }

    /// The new digest that is asked beside the serving one about this request, and whose word does not count.
    #[inline]
    pub(crate) fn shadow(&self, draw: Draw) -> Option<&Candidate> {
        let candidate = self.trial.as_ref()?;
        (candidate.trial.mode == TrialMode::Shadow && draw.takes_part(candidate)).then_some(candidate)
    }
}

impl Draw {
    /// A draw from 64 random bits.
    pub(crate) const fn new(random: u64) -> Self {
        Self(random)
    }

    fn takes_part(self, candidate: &Candidate) -> bool {
        self.slot(&candidate.trial.plugin.key.digest) < candidate.trial.share.get()
    }

    /// Trials draw apart from each other: those of 10 % each must not all meet the same requests.
    fn slot(self, digest: &str) -> u16 {
        let salt = digest.bytes().fold(0_u64, |salt, byte| salt.rotate_left(5) ^ u64::from(byte));
        // The finaliser of splitmix64.
        let mut mixed = self.0 ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u16::try_from((mixed ^ (mixed >> 31)) % u64::from(SLOTS)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_meet_the_share_and_differ_between_trials() {
        let share = SLOTS / 10;
        let is_in = |random, digest: &str| Draw::new(random).slot(digest) < share;
        let (mut one, mut both) = (0, 0);
        for random in 0..100_000 {
            one += u32::from(is_in(random, "a1"));
            both += u32::from(is_in(random, "a1") && is_in(random, "b2"));
        }
        assert!((9_500..10_500).contains(&one), "{one} of 100,000 at 10 %");
        assert!((850..1_150).contains(&both), "{both} of 100,000 in two trials of 10 %");
    }
}
