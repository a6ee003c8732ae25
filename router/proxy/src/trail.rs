//! What the steps of one request note, for the access log and for `sluice why`: who said what, and which servers were
//! tried. It lies inside the exchange and allocates nothing; what is beyond its bounds is counted and left out.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use sluice_snapshot::Reason;
use sluice_snapshot::decisions::{ATTEMPTS_KEPT_MAX, Attempt, Outcome, STEPS_KEPT_MAX, Step, VariantBy, Verdict};
use sluice_snapshot::plugin::Phase;
use tokio::time::Instant;

use crate::exchange::Exchange;
use crate::upstream::Server;

/// The notes of one request.
pub(crate) struct Trail {
    /// When the request began.
    began: Instant,
    variant_by: Cell<Option<VariantBy>>,
    upstream: Cell<Option<usize>>,
    steps: RefCell<Notes<Said, STEPS_KEPT_MAX>>,
    attempts: RefCell<Notes<Tried, ATTEMPTS_KEPT_MAX>>,
}

/// The first notes of a kind; the last place holds the newest one.
struct Notes<T, const N: usize> {
    noted: [T; N],
    count: usize,
}

#[derive(Clone, Copy, Default)]
struct Said {
    plugin: usize,
    phase: Phase,
    spoken: Spoken,
    at_us: u32,
}

/// What a plugin said.
#[derive(Clone, Copy, Default)]
pub(crate) struct Spoken {
    pub(crate) verdict: Verdict,
    /// Why it failed.
    pub(crate) cause: Option<&'static str>,
    /// An index into the rollout's variants.
    pub(crate) variant: Option<usize>,
    pub(crate) status: Option<u16>,
    pub(crate) edits: u16,
    /// It is the new digest of a canary.
    pub(crate) is_candidate: bool,
}

#[derive(Clone, Default)]
struct Tried {
    server: Option<Rc<Server>>,
    outcome: Outcome,
    status: Option<u16>,
    reason: Option<Reason>,
    at_us: u32,
    took_us: u32,
}

impl<T: Default, const N: usize> Default for Notes<T, N> {
    fn default() -> Self {
        Self { noted: std::array::from_fn(|_| T::default()), count: 0 }
    }
}

impl<T, const N: usize> Notes<T, N> {
    fn add(&mut self, note: T) {
        self.noted[self.count.min(N - 1)] = note;
        self.count += 1;
    }

    fn last(&mut self) -> Option<&mut T> {
        let last = self.count.min(N).checked_sub(1)?;
        self.noted.get_mut(last)
    }

    fn all(&self) -> &[T] {
        &self.noted[..self.count.min(N)]
    }
}

impl Trail {
    pub(crate) fn new(began: Instant) -> Self {
        Self {
            began,
            variant_by: Cell::new(None),
            upstream: Cell::new(None),
            steps: RefCell::default(),
            attempts: RefCell::default(),
        }
    }

    /// A plugin was called, or was to be.
    pub(crate) fn said(&self, plugin: usize, phase: Phase, spoken: Spoken) {
        let at_us = self.now_us();
        self.steps.borrow_mut().add(Said { plugin, phase, spoken, at_us });
    }

    /// What chose the variant; the last one to say so did.
    pub(crate) fn variant_by(&self, by: Option<VariantBy>) {
        self.variant_by.set(by);
    }

    /// The upstream that the request goes to now.
    pub(crate) fn upstream(&self, upstream: usize) {
        self.upstream.set(Some(upstream));
    }

    /// A server is tried.
    pub(crate) fn tries(&self, server: &Rc<Server>) {
        let (server, at_us) = (Some(Rc::clone(server)), self.now_us());
        self.attempts.borrow_mut().add(Tried { server, at_us, ..Tried::default() });
    }

    /// The server that was tried last began to answer.
    pub(crate) fn answered(&self, status: u16) {
        self.ended(Outcome::Answered, Some(status), None);
    }

    /// The server that was tried last failed.
    pub(crate) fn failed(&self, reason: Reason) {
        self.ended(Outcome::Failed, None, Some(reason));
    }

    fn ended(&self, outcome: Outcome, status: Option<u16>, reason: Option<Reason>) {
        let now_us = self.now_us();
        if let Some(tried) = self.attempts.borrow_mut().last() {
            let took_us = now_us.saturating_sub(tried.at_us);
            *tried = Tried { outcome, status, reason, took_us, ..std::mem::take(tried) };
        }
    }

    fn now_us(&self) -> u32 {
        u32::try_from(self.began.elapsed().as_micros()).unwrap_or(u32::MAX)
    }
}

/// The notes with their names, for as long as someone writes them down.
#[derive(Default)]
pub(crate) struct Told<'a> {
    pub(crate) variant_by: Option<VariantBy>,
    pub(crate) upstream: Option<&'a str>,
    steps: [Step<&'a str>; STEPS_KEPT_MAX],
    steps_count: usize,
    attempts: [Attempt<&'a str>; ATTEMPTS_KEPT_MAX],
    /// All that were made, also those that are left out.
    pub(crate) attempts_made: usize,
}

impl Told<'_> {
    /// What plugins said, in order.
    pub(crate) fn steps(&self) -> &[Step<&str>] {
        &self.steps[..self.steps_count]
    }

    /// Servers that were tried, in order.
    pub(crate) fn attempts(&self) -> &[Attempt<&str>] {
        &self.attempts[..self.attempts_made.min(ATTEMPTS_KEPT_MAX)]
    }

    /// From the last attempt to the head of its response, microseconds.
    pub(crate) fn upstream_us(&self) -> Option<u64> {
        let last = self.attempts().last().filter(|attempt| attempt.outcome == Outcome::Answered);
        last.map(|attempt| attempt.took_us.into())
    }

    /// Tells everything to `listen`, with names of the exchange's snapshot.
    pub(crate) fn by<R>(exchange: &Exchange, listen: impl FnOnce(&Told<'_>) -> R) -> R {
        let trail = &exchange.trail;
        let snapshot = exchange.snapshot();
        let (said, tried) = (trail.steps.borrow(), trail.attempts.borrow());
        let mut told = Told {
            variant_by: trail.variant_by.get(),
            upstream: trail.upstream.get().map(|upstream| &*snapshot.policy.upstreams[upstream].name),
            steps: Default::default(),
            steps_count: said.all().len(),
            attempts: Default::default(),
            attempts_made: tried.count,
        };
        for (step, Said { plugin, phase, spoken, at_us }) in told.steps.iter_mut().zip(said.all()) {
            let candidate = snapshot.seats[*plugin].trial().filter(|_| spoken.is_candidate);
            *step = Step {
                plugin: &snapshot.policy.plugins[*plugin].name,
                digest: candidate.map(|trial| trial.plugin.digest_short()),
                phase: *phase,
                verdict: spoken.verdict,
                cause: spoken.cause,
                variant: spoken.variant.and_then(|variant| exchange.name_of_variant(variant)),
                status: spoken.status,
                edits: spoken.edits,
                at_us: *at_us,
            };
        }
        for (attempt, tried) in told.attempts.iter_mut().zip(tried.all()) {
            *attempt = Attempt {
                server: tried.server.as_ref().map_or("", |server| &*server.address),
                outcome: tried.outcome,
                status: tried.status,
                reason: tried.reason.map(Reason::as_str),
                at_us: tried.at_us,
                took_us: tried.took_us,
            };
        }
        listen(&told)
    }
}
