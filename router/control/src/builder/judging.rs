//! Judging new digests of plugins: on trial and under watch, a few times a second, by what they did.
//!
//! One that is over its budget is taken back and quarantined, with an alert that says why; one that passes its trial takes
//! over. A digest is taken back by itself once only, and the one that comes back is not watched: nothing goes to and fro.

use std::sync::Arc;

use sluice_model::alert::{Alert, AlertId};
use sluice_snapshot::Effect;

use super::publish::{BY_ROUTER, Cause, TakenBack};
use super::{Builder, Change};
use crate::clock::now_ms;
use crate::place::{Member, Place, Tried};
use crate::release::course::Due;
use crate::release::judge::{Figures, Over};
use crate::release::ledger::{DigestOutcome, short};

/// Rule of the alert that says what was taken back.
const RULE: &str = "plugin-rollback";

/// What is due for one plugin.
struct Verdict {
    /// Index in the policy.
    index: usize,
    name: String,
    /// The digest that is judged.
    digest: String,
    due: Judged,
}

enum Judged {
    /// The trial is passed.
    Promoted,
    /// The watch is over.
    Unwatched,
    /// The trial is failed.
    Failed(Over),
    /// The watch is failed.
    TakenBack {
        /// What comes back.
        before: String,
        over: Over,
    },
}

impl Builder {
    /// Judges all that is on trial or under watch.
    pub(super) async fn judge(&mut self) {
        for verdict in self.verdicts() {
            let Verdict { index, name, digest, due } = verdict;
            match due {
                Judged::Promoted => self.promote_by_itself(index, &name).await,
                Judged::Unwatched => {
                    tracing::info!(plugin = name, digest = short(&digest), "watch over, the digest stays");
                    self.end_watch(&name);
                }
                Judged::Failed(over) => self.end_trial(index, &name, &digest, over).await,
                Judged::TakenBack { before, over } => self.take_back(index, &name, &digest, &before, over).await,
            }
        }
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let snapshot = self.shared.published.load().1;
        let now_ms = now_ms();
        let mut verdicts = Vec::new();
        for (index, (spec, seat)) in snapshot.policy.plugins.iter().zip(&snapshot.seats).enumerate() {
            let (Some(course), Some(plugin)) = (self.courses.get(&spec.name), seat.plugin()) else { continue };
            let main = Figures::of(plugin, None);
            let mut judged = |digest: &str, due| {
                verdicts.push(Verdict { index, name: spec.name.clone(), digest: digest.to_owned(), due });
            };
            if let (Some(trying), Some(trial), Some(of)) = (&course.trying, seat.trial(), &spec.release.trial) {
                let own = Figures::of(&trial.plugin, Some(&trial.comparisons.report()));
                match trying.due(of, &spec.release.budget, main, own, now_ms) {
                    Due::Promotion => judged(&trying.digest, Judged::Promoted),
                    Due::Rollback(over) => judged(&trying.digest, Judged::Failed(over)),
                    Due::Nothing | Due::End => {}
                }
            }
            if let Some(watching) = &course.watching {
                let before = watching.digest_before.clone();
                match watching.due(&spec.release, main, now_ms) {
                    Due::Rollback(over) => judged(&watching.digest, Judged::TakenBack { before, over }),
                    Due::End => judged(&watching.digest, Judged::Unwatched),
                    Due::Nothing | Due::Promotion => {}
                }
            }
        }
        verdicts
    }

    async fn promote_by_itself(&mut self, index: usize, name: &str) {
        let Some(trial) = self.shared.published.load().1.seats[index].trial().cloned() else { return };
        let place = Place::of(Member::Kept(Arc::clone(&trial.plugin)));
        let cause = Cause { reason: Some("it passed its trial"), is_watched: true, ..Cause::new(BY_ROUTER) };
        if let Err(fault) = self.reseat(index, place, cause).await {
            tracing::error!(plugin = name, reason = fault.message, "digest that passed its trial not promoted");
        }
    }

    async fn end_trial(&mut self, index: usize, name: &str, digest: &str, over: Over) {
        let Some(plugin) = self.shared.published.load().1.seats[index].plugin().cloned() else { return };
        let reason = format!("in its trial {over}");
        let before = plugin.key.digest.clone();
        let place = Place::of(Member::Kept(plugin));
        let published = self.reseat(index, place, quarantine(name, digest, &reason)).await;
        let failure = published.err().map(|fault| fault.message);
        self.tell(name, digest, &before, over, failure);
    }

    async fn take_back(&mut self, index: usize, name: &str, digest: &str, before: &str, over: Over) {
        let reason = over.to_string();
        let tried = self.shared.published.load().1.seats[index]
            .trial()
            .map(|trial| Tried { member: Member::Kept(Arc::clone(&trial.plugin)), trial: Arc::clone(trial) });
        let published = match self.earlier(index, before).await {
            Ok(member) => {
                let place = Place::Taken { member, tried };
                self.reseat(index, place, quarantine(name, digest, &reason)).await
            }
            Err(fault) => Err(fault),
        };
        // Whatever came of it: nothing is tried twice.
        self.end_watch(name);
        self.tell(name, digest, before, over, published.err().map(|fault| fault.message));
    }

    fn end_watch(&mut self, name: &str) {
        let Some(course) = self.courses.get_mut(name) else { return };
        course.watching = None;
        if course.is_over() {
            self.courses.remove(name);
        }
        self.show_courses();
    }

    /// Tells people what was taken back, or why it was not, and looks at the folder anew.
    fn tell(&self, name: &str, digest: &str, before: &str, over: Over, failure: Option<String>) {
        let (new, old) = (short(digest), short(before));
        let message = match failure {
            None => format!("plugin `{name}`: digest {new} is quarantined, {old} serves: {over}"),
            Some(failure) => {
                format!("plugin `{name}`: digest {new} is over budget ({over}), but {old} cannot take over: {failure}")
            }
        };
        tracing::warn!(plugin = name, new, old, reason = message, "plugin digest over its budget");
        let now_ms = now_ms();
        self.shared.effects.send(Effect::Alert(Box::new(Alert {
            id: AlertId::derive(&[RULE, name, digest, &now_ms.to_string()]),
            rule: RULE.to_owned(),
            fingerprint: format!("{name} {new}"),
            route: String::new(),
            plugin: name.to_owned(),
            message,
            observed: over.observed(),
            limit: over.limit(),
            variant: None,
            rollout: None,
            request_id: String::new(),
            at_ms: now_ms,
            ..Alert::default()
        })));
        // A full queue holds a change already.
        let _full = self.changes.try_send(Change::Quarantine);
    }
}

fn quarantine<'a>(name: &'a str, digest: &'a str, reason: &'a str) -> Cause<'a> {
    let taken_back = TakenBack { name, digest: Some(digest), outcome: DigestOutcome::Quarantined, hold: None };
    Cause { reason: Some(reason), taken_back: Some(taken_back), ..Cause::new(BY_ROUTER) }
}
