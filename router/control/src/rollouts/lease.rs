//! The lease of a job that one router of the fleet does. Pure bookkeeping: the caller asks the store and tells what came.
//!
//! Who leads stops acting at two thirds of the lease without a renewal, by its own clock and counted from the question, so
//! it stops before another one can begin; what it has sent by then is fenced by the token.

use std::time::Duration;

use sluice_state::Leadership;
use tokio::time::Instant;

/// How long a lease lasts without a renewal.
pub(crate) const LEASE: Duration = Duration::from_secs(10);
/// How long it is acted on: two thirds of it.
const ACTING: Duration = Duration::from_millis(6_600);
/// How often it is asked for, by the one that leads and by those that would: a third of what is acted on.
const ASK_EVERY: Duration = Duration::from_millis(2_200);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Lease {
    held: Option<(Leadership, Instant)>,
    asked_at: Option<Instant>,
}

impl Lease {
    /// True if the store is to be asked now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.asked_at.is_none_or(|asked_at| now.saturating_duration_since(asked_at) >= ASK_EVERY)
    }

    /// The store was asked at `asked_at`, and said who leads: `Some` = this router.
    pub(crate) fn answered(&mut self, asked_at: Instant, answer: Option<Leadership>) {
        self.asked_at = Some(asked_at);
        self.held = answer.map(|leadership| (leadership, asked_at));
    }

    /// The store was asked at `asked_at` and did not answer: what is held is held on, as long as it may be.
    pub(crate) fn unanswered(&mut self, asked_at: Instant) {
        self.asked_at = Some(asked_at);
    }

    /// Another one leads, or nobody is to.
    pub(crate) fn lost(&mut self) {
        self.held = None;
    }

    /// What this router may act with now.
    pub(crate) fn leadership(&self, now: Instant) -> Option<&Leadership> {
        let (leadership, renewed_at) = self.held.as_ref()?;
        (now.saturating_duration_since(*renewed_at) < ACTING).then_some(leadership)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first() -> Leadership {
        Leadership { job: "analysis".to_owned(), token: 1 }
    }

    #[test]
    fn a_lease_is_acted_on_for_two_thirds_from_the_question_on() {
        let (mut lease, asked_at) = (Lease::default(), Instant::now());
        assert!(lease.is_due(asked_at) && lease.leadership(asked_at).is_none());
        lease.answered(asked_at, Some(first()));
        assert!(!lease.is_due(asked_at + ASK_EVERY - Duration::from_millis(1)));
        assert!(lease.is_due(asked_at + ASK_EVERY));
        assert_eq!(lease.leadership(asked_at + ACTING - Duration::from_millis(1)), Some(&first()));
        assert_eq!(lease.leadership(asked_at + ACTING), None);
        assert!(ACTING.as_millis() * 3 <= LEASE.as_millis() * 2, "before another one can begin");
    }

    #[test]
    fn no_answer_prolongs_nothing_and_another_leader_ends_it() {
        let (mut lease, asked_at) = (Lease::default(), Instant::now());
        lease.answered(asked_at, Some(first()));
        let later = asked_at + ASK_EVERY * 2;
        lease.unanswered(later);
        assert!(lease.leadership(later).is_some() && !lease.is_due(later));
        assert_eq!(lease.leadership(asked_at + ACTING), None);
        lease.answered(later, Some(first()));
        assert!(lease.leadership(asked_at + ACTING).is_some());
        lease.answered(later + ASK_EVERY, None);
        assert_eq!(lease.leadership(later + ASK_EVERY), None);
        lease.answered(later, Some(first()));
        lease.lost();
        assert_eq!(lease.leadership(later), None);
    }
}
