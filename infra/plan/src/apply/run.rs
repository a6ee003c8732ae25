//! The order in which a plan is carried out: walls up, room made if the budget needs it, droplets in, handed over,
//! droplets out, walls down.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt as _};
use sluice_infra_cloud::{Droplet, DropletId};

use super::{Failure, Fault, Handover, Outcome, Provisioner};
use crate::observe::Observed;
use crate::plan::{Order, Plan, Reason, Step, Wanted};

/// A droplet that comes, as part of an apply.
enum Arrival<'p> {
    New { wanted: &'p Wanted, replaces: Option<&'p DropletId> },
    OnItsWay { id: &'p DropletId, name: &'p str, pool: &'p str },
}

/// A droplet that goes.
#[derive(Clone, Copy)]
struct Departure<'p> {
    id: &'p DropletId,
    name: &'p str,
    pool: &'p str,
    /// It stays if its pool did not get what was to come.
    needs_successor: bool,
}

impl Provisioner {
    /// Carries a plan out. Only who holds the lock of the fleet may, after [`Self::settle`]. Stops nowhere half-way:
    /// what fails is told in the outcome, the rest goes on where it does not depend on it.
    pub async fn apply(&self, observed: &Observed, plan: &Plan, handover: &dyn Handover) -> Outcome {
        let mut outcome = Outcome::default();
        if !plan.refusals.is_empty() {
            let fault = Fault::Budget(plan.refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
            outcome.failures.push(Failure::new(&plan.fleet, "apply the plan", &fault));
            return outcome;
        }
        if let Err(error) = self.take_stock(observed) {
            outcome.failures.push(Failure::new(&plan.fleet, "write the state", &error.into()));
            return outcome;
        }
        self.put_firewalls(plan, &mut outcome).await;
        if !outcome.failures.is_empty() {
            // A droplet that stands before its walls is open to the world.
            return outcome;
        }
        if plan.deletes_first {
            self.delete_all(&departures(plan), handover, &BTreeSet::new(), &mut outcome).await;
            if !outcome.failures.is_empty() {
                // What stays is billed: the budget has no room for what was to come.
                return outcome;
            }
        }
        let failed_pools = self.bring_in(plan, handover, &mut outcome).await;
        let leaving = if plan.deletes_first {
            replaced(plan)
        } else {
            departures(plan).into_iter().chain(replaced(plan)).collect()
        };
        let arrived: Vec<Droplet> = outcome.created.iter().chain(successors(observed, plan)).cloned().collect();
        let handed_over = if arrived.is_empty() { Ok(()) } else { handover.arrived(&arrived).await };
        let staying = match handed_over {
            Ok(()) => failed_pools,
            Err(reason) => {
                outcome.failures.push(Failure::new(&plan.fleet, "hand over", &Fault::NotServing(reason)));
                leaving.iter().map(|departure| departure.pool.to_owned()).collect()
            }
        };
        self.delete_all(&leaving, handover, &staying, &mut outcome).await;
        self.delete_firewalls(plan, &mut outcome).await;
        outcome
    }

    async fn put_firewalls(&self, plan: &Plan, outcome: &mut Outcome) {
        for step in &plan.steps {
            if let Step::PutFirewall { firewall, .. } = step {
                match self.put_firewall(firewall).await {
                    Ok(()) => outcome.firewalls.push(firewall.name.clone()),
                    Err(fault) => outcome.failures.push(Failure::new(&firewall.name, "put the firewall", &fault)),
                }
            }
        }
    }

    async fn delete_firewalls(&self, plan: &Plan, outcome: &mut Outcome) {
        for step in &plan.steps {
            if let Step::DeleteFirewall { id, name } = step {
                match self.delete_firewall(id, name).await {
                    Ok(()) => outcome.firewalls.push(name.clone()),
                    Err(fault) => outcome.failures.push(Failure::new(name, "delete the firewall", &fault)),
                }
            }
        }
    }

    /// Everything that comes. Returns the pools that did not get all of it.
    async fn bring_in(&self, plan: &Plan, handover: &dyn Handover, outcome: &mut Outcome) -> BTreeSet<String> {
        let arrivals = arrivals(plan);
        let turned = delete_first(plan);
        let mut failed = BTreeSet::new();
        let new = |arrival: &Arrival<'_>| matches!(arrival, Arrival::New { .. });
        let ssh_key = if turned.is_empty() && !arrivals.iter().any(new) {
            String::new()
        } else {
            match self.put_ssh_key().await {
                Ok(id) => id,
                Err(fault) => {
                    outcome.failures.push(Failure::new(&plan.fleet, "make the public key known", &fault));
                    return self.spec.pools.iter().map(|pool| pool.name.clone()).collect();
                }
            }
        };
        // One at a time, the one that frees most first: so the rate never rises above where it is going.
        for (departure, wanted) in turned {
            handover.leaving(departure.id, departure.name).await;
            let replaced = match self.delete_one(departure.id, departure.name, departure.pool).await {
                Ok(()) => {
                    outcome.deleted.push(departure.id.clone());
                    self.create_one(wanted, &ssh_key, None).await
                }
                Err(fault) => Err(fault),
            };
            take_in(replaced, departure.pool, outcome, &mut failed);
        }
        let ssh_key = ssh_key.as_str();
        let mut made = stream::iter(arrivals)
            .map(|arrival| async move {
                match arrival {
                    Arrival::New { wanted, replaces } => {
                        (wanted.pool.as_str(), self.create_one(wanted, ssh_key, replaces).await)
                    }
                    Arrival::OnItsWay { id, name, pool } => (pool, self.await_one(id, name, pool).await),
                }
            })
            .buffer_unordered(self.pace.parallel);
        while let Some((pool, droplet)) = made.next().await {
            take_in(droplet, pool, outcome, &mut failed);
        }
        outcome.created.sort_by(|a, b| a.name.cmp(&b.name));
        failed
    }

    /// Everything that goes, but what still serves in place of something that did not come.
    async fn delete_all(
        &self,
        leaving: &[Departure<'_>],
        handover: &dyn Handover,
        failed_pools: &BTreeSet<String>,
        outcome: &mut Outcome,
    ) {
        let (stay, go): (Vec<Departure<'_>>, Vec<Departure<'_>>) = leaving
            .iter()
            .copied()
            .partition(|departure| departure.needs_successor && failed_pools.contains(departure.pool));
        for departure in stay {
            let fault = Fault::Skipped("its pool did not get what was to come: it goes on serving");
            outcome.failures.push(Failure::new(departure.name, "delete", &fault));
        }
        let mut gone = stream::iter(go)
            .map(|departure| async move {
                handover.leaving(departure.id, departure.name).await;
                (departure, self.delete_one(departure.id, departure.name, departure.pool).await)
            })
            .buffer_unordered(self.pace.parallel);
        while let Some((departure, end)) = gone.next().await {
            match end {
                Ok(()) => outcome.deleted.push(departure.id.clone()),
                Err(fault) => outcome.failures.push(Failure::new(departure.name, "delete", &fault)),
            }
        }
    }
}

/// What an interrupted run made in place of something that still stands: it may not serve yet.
fn successors<'o>(observed: &'o Observed, plan: &Plan) -> impl Iterator<Item = &'o Droplet> {
    let superseded = plan.steps.iter().filter_map(|step| match step {
        Step::Delete { id, reason: Reason::Superseded, .. } => observed.superseded.get(id),
        _ => None,
    });
    let ids: BTreeSet<&DropletId> = superseded.collect();
    observed.droplets.iter().map(|seen| &seen.droplet).filter(move |droplet| ids.contains(&droplet.id))
}

fn take_in(droplet: Result<Droplet, Fault>, pool: &str, outcome: &mut Outcome, failed: &mut BTreeSet<String>) {
    match droplet {
        Ok(droplet) => outcome.created.push(droplet),
        Err(fault) => {
            failed.insert(pool.to_owned());
            outcome.failures.push(Failure::new(&format!("pool {pool}"), "create a droplet", &fault));
        }
    }
}

fn arrivals(plan: &Plan) -> Vec<Arrival<'_>> {
    let waiting = plan.keeps.iter().filter(|keep| keep.waiting).map(|keep| Arrival::OnItsWay {
        id: &keep.id,
        name: &keep.name,
        pool: keep.pool.as_deref().unwrap_or_default(),
    });
    let new = plan.steps.iter().filter_map(|step| match step {
        Step::Create { wanted, .. } => Some(Arrival::New { wanted, replaces: None }),
        Step::Replace { wanted, id, order: Order::CreateFirst, .. } => {
            Some(Arrival::New { wanted, replaces: Some(id) })
        }
        Step::Replace { order: Order::DeleteFirst, .. }
        | Step::Delete { .. }
        | Step::PutFirewall { .. }
        | Step::DeleteFirewall { .. } => None,
    });
    waiting.chain(new).collect()
}

fn delete_first(plan: &Plan) -> Vec<(Departure<'_>, &Wanted)> {
    let mut turned: Vec<_> = plan
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Replace {
                id, name, wanted, order: Order::DeleteFirst, monthly_cents, monthly_cents_before, ..
            } => {
                let departure = Departure { id, name, pool: &wanted.pool, needs_successor: false };
                Some((i128::from(*monthly_cents) - i128::from(*monthly_cents_before), departure, wanted))
            }
            _ => None,
        })
        .collect();
    turned.sort_by_key(|(rise, ..)| *rise);
    turned.into_iter().map(|(_, departure, wanted)| (departure, wanted)).collect()
}

/// What goes by itself.
fn departures(plan: &Plan) -> Vec<Departure<'_>> {
    let of = |step| match step {
        &Step::Delete { ref id, ref name, ref pool, reason, .. } => {
            let needs_successor = matches!(reason, Reason::Surplus | Reason::Superseded);
            Some(Departure { id, name, pool, needs_successor })
        }
        _ => None,
    };
    plan.steps.iter().filter_map(of).collect()
}

/// What goes once its successor stands.
fn replaced(plan: &Plan) -> Vec<Departure<'_>> {
    let of = |step| match step {
        &Step::Replace { ref id, ref name, ref wanted, order: Order::CreateFirst, .. } => {
            Some(Departure { id, name, pool: &wanted.pool, needs_successor: true })
        }
        _ => None,
    };
    plan.steps.iter().filter_map(of).collect()
}
