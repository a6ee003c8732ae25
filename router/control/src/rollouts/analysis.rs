//! The analysis of rollouts: each second, for each rollout with a plan, judges the intervals that are over and decides what
//! is to be done. Every router does, for its operator asks why a step waits; the one that leads carries it out.
//!
//! An order is fenced: the store refuses it once another router leads. It is given only for what the store holds at that
//! moment, so that it never meets a rollout that an operator has just changed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sluice_model::analysis::{FAILURES_MAX, Judgement};
use sluice_model::audit::Author;
use sluice_model::plan::{Decision, Plan};
use sluice_model::rollout::{Command, Rollout, RolloutState};
use sluice_policy::Rollout as Declared;
use sluice_snapshot::RolloutCell;
use sluice_state::{Leadership, StoreError};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::course::{Course, Interval};
use super::lease::{LEASE, Lease};
use super::standings::Standing;
use crate::clock::now_ms;
use crate::fault::chain;
use crate::shared::Shared;

/// The job, as the store knows it.
const JOB: &str = "analysis";
/// Who orders, as the audit log has it.
const BY: &str = "analysis";
/// Between two looks at all rollouts.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the store may take to say who leads: well below what a lease is acted on.
const LEASE_WAIT: Duration = Duration::from_secs(2);
/// Intervals that are judged in one look: all that a course keeps. While more are due, nothing is decided.
const INTERVALS_AT_ONCE_MAX: u32 = FAILURES_MAX;
/// Judgements that are shown.
const JUDGEMENTS_SHOWN_MAX: usize = 10;

/// See the module.
pub(crate) struct Analyst {
    shared: Arc<Shared>,
    /// This process, among those that would lead.
    holder: String,
    lease: Lease,
    courses: BTreeMap<String, Course>,
}

impl Analyst {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let holder = format!("{}-{:016x}", std::process::id(), rand::random::<u64>());
        Self { shared, holder, lease: Lease::default(), courses: BTreeMap::new() }
    }

    /// Runs until control stops, and then lets another one lead at once.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = async { self.look().await; sleep(LOOK_EVERY).await; } => {}
            }
        }
        self.resign().await;
    }

    /// Looks at all rollouts, once. Cancel safe: all of it can be repeated.
    async fn look(&mut self) {
        let policy = Arc::clone(&self.shared.published.load().1.policy);
        let planned: Vec<&Declared> = policy.rollouts.iter().filter(|declared| has_plan(&declared.plan)).collect();
        let is_planned = |name: &str| planned.iter().any(|declared| declared.name == name);
        self.courses.retain(|name, _| is_planned(name));
        self.shared.standings.retain(is_planned);
        if planned.is_empty() {
            return self.resign().await;
        }
        for declared in planned {
            self.ask_for_the_lease().await;
            let Some(cell) = self.shared.cells.find_rollout(&declared.name) else { continue };
            let Some(rollout) = cell.view() else { continue };
            self.look_at(declared, &cell, &rollout).await;
        }
    }

    async fn ask_for_the_lease(&mut self) {
        let asked_at = Instant::now();
        if !self.lease.is_due(asked_at) {
            return;
        }
        let led = self.lease.leadership(asked_at).is_some();
        match timeout(LEASE_WAIT, self.shared.store.lead(JOB, &self.holder, LEASE)).await {
            Ok(Ok(answer)) => {
                if let (Some(Leadership { token, .. }), false) = (&answer, led) {
                    tracing::info!(job = JOB, token, "this router leads");
                }
                self.lease.answered(asked_at, answer);
            }
            Ok(Err(error)) => {
                tracing::debug!(job = JOB, reason = chain(&error), "nobody says who leads");
                self.lease.unanswered(asked_at);
            }
            Err(_elapsed) => self.lease.unanswered(asked_at),
        }
    }

    async fn resign(&mut self) {
        if self.lease.leadership(Instant::now()).is_some() {
            // If the store does not hear of it, the lease ends by itself.
            let _unheard = timeout(LEASE_WAIT, self.shared.store.resign(JOB, &self.holder)).await;
        }
        self.lease.lost();
    }

    async fn look_at(&mut self, declared: &Declared, cell: &RolloutCell, rollout: &Rollout) {
        let decision = match self.judge(declared, rollout).await {
            Err(waits_for) => Decision::Wait(waits_for),
            // The store does not know yet that it is aborted here: what it says is not to be gone on with.
            Ok(()) if cell.is_aborted() && rollout.state != RolloutState::Aborted => {
                Decision::Wait("the abort is on its way to the store".to_owned())
            }
            Ok(()) => {
                let seen = self.courses.get(&declared.name).map(Course::seen).unwrap_or_default();
                declared.plan.decide(rollout, &seen, now_ms())
            }
        };
        let waits_for = match decision {
            Decision::Wait(waits_for) => Some(waits_for),
            Decision::Do(command, reason) => self.act(declared, cell, rollout, &command, &reason).await,
        };
        if let Some(waits_for) = waits_for {
            self.show(declared, rollout, waits_for);
        }
    }

    fn show(&self, declared: &Declared, rollout: &Rollout, waits_for: String) {
        let standing = Standing {
            epoch: rollout.epoch,
            waits_for,
            judgements: self.courses.get(&declared.name).map(newest).unwrap_or_default(),
            leads: self.lease.leadership(Instant::now()).is_some(),
        };
        if self.shared.standings.set(&declared.name, standing) {
            self.shared.board.touch();
        }
    }

    /// Judges the intervals that are over.
    ///
    /// # Errors
    /// What the rollout waits for meanwhile.
    async fn judge(&mut self, declared: &Declared, rollout: &Rollout) -> Result<(), String> {
        let (name, analysis, now) = (&declared.name, declared.plan.analysis.as_ref(), now_ms());
        let course = self.courses.entry(name.clone()).or_insert_with(|| Course::new(rollout, analysis, now));
        course.follow(rollout, analysis, now);
        let Some(analysis) = analysis else { return Ok(()) };
        if !self.shared.board.is_store_connected() {
            course.skip(now);
            return Err("the store is away: nothing is judged, and no step goes on".to_owned());
        }
        for _ in 0..INTERVALS_AT_ONCE_MAX {
            let Some(Interval { from_ms, to_ms, is_past }) = course.due(now) else { break };
            let figures = match self.shared.store.stats(name, from_ms, to_ms).await {
                Ok(figures) => figures,
                Err(error) => return Err(format!("the figures cannot be read: {}", chain(&error))),
            };
            let nobody_counted = figures.values().all(|figures| figures.requests == 0);
            let of = |variant: &str| figures.get(variant).cloned().unwrap_or_default();
            let judge = || analysis.judge(&of(&declared.canary), &of(&declared.stable), to_ms);
            course.judged((!is_past || !nobody_counted).then(judge));
        }
        if course.due(now).is_some() { Err("the intervals before are being judged".to_owned()) } else { Ok(()) }
    }

    /// Carries out what was decided, if this router leads. Answers with what the rollout waits for, if it does; otherwise it
    /// has changed, which the next look shows.
    async fn act(
        &mut self,
        declared: &Declared,
        cell: &RolloutCell,
        rollout: &Rollout,
        command: &Command,
        reason: &str,
    ) -> Option<String> {
        let name = &declared.name;
        let Some(leadership) = self.lease.leadership(Instant::now()).cloned() else {
            return Some(format!("the router that leads, to {}: {reason}", command.verb()));
        };
        match self.order(name, rollout, command, reason, &leadership).await {
            Ok(true) => {
                tracing::warn!(rollout = name, verb = command.verb(), reason, "the analysis has steered");
                None
            }
            Ok(false) => Some("it has just been changed".to_owned()),
            Err(StoreError::Fenced(_)) => {
                self.lease.lost();
                Some(format!("the router that leads, to {}: {reason}", command.verb()))
            }
            Err(StoreError::Refused(refused)) => Some(format!("{refused}; wanted because {reason}")),
            Err(error) => {
                // An abort does not wait: it counts here, and is passed on as any other is once the store is back.
                if let Command::Abort { id, reason } = command
                    && cell.abort(id, reason)
                {
                    self.shared.effects.abort_pending();
                }
                Some(format!("the store, to {}: {}", command.verb(), chain(&error)))
            }
        }
    }

    /// False if the store holds another rollout than the one that was decided about.
    async fn order(
        &self,
        name: &str,
        rollout: &Rollout,
        command: &Command,
        reason: &str,
        leadership: &Leadership,
    ) -> Result<bool, StoreError> {
        let store = &self.shared.store;
        if store.ensure_rollout(name, rollout).await?.epoch != rollout.epoch {
            return Ok(false);
        }
        store.apply_rollout(name, command, Author { by: BY, reason }, now_ms(), Some(leadership)).await?;
        Ok(true)
    }
}

/// The judgements that are shown, oldest first.
fn newest(course: &Course) -> Vec<Judgement> {
    let mut judgements = course.seen().judgements;
    judgements.drain(..judgements.len().saturating_sub(JUDGEMENTS_SHOWN_MAX));
    judgements
}

/// True if the rollout is more than a weight that an operator sets.
fn has_plan(plan: &Plan) -> bool {
    !plan.steps.is_empty() || plan.analysis.is_some()
}
