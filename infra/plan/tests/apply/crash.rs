//! An apply that ends at any step of its journal, run again: exactly the wanted droplets, none billed twice.
//!
//! Here a panic ends it, on a clock that costs nothing; `tests/integration/infra_plan.rs` kills the program itself.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use sluice_infra_plan::State;

use crate::fleet::{Fleet, apply, spec};
use crate::simulated::{Mishap, Simulated};

/// More steps than any of these applies has.
const STEPS_MAX: usize = 200;
/// Below what an unclear answer is looked at for.
const LAG: Duration = Duration::from_secs(20);

/// Interrupts the first apply at its n-th step, for every n, and holds the end against what is wanted.
async fn at_every_step(mishaps: &[Mishap], lag: Duration) {
    let wanted = spec(3, "s-1vcpu-1gb", None);
    for step in 1..STEPS_MAX {
        let fleet = Fleet::new(Simulated::with(mishaps, lag));
        let interrupted = interrupt(&fleet, &wanted, step).await;
        let mut runs = 0;
        loop {
            fleet.apply(&wanted).await;
            runs += 1;
            let plan = fleet.plan(&wanted).await;
            if plan.is_empty() && plan.keeps.iter().all(|keep| !keep.waiting) {
                break;
            }
            assert!(runs < 5, "step {step}: still {:?}", plan.steps);
        }
        let mut operations: Vec<String> = fleet.cloud.billed().into_iter().flat_map(|droplet| droplet.tags).collect();
        operations.retain(|tag| tag.contains(":op:"));
        operations.sort();
        operations.dedup();
        assert_eq!(operations.len(), 4, "step {step}");
        assert!(fleet.cloud.peak() <= 4, "step {step}: {} stood at a time", fleet.cloud.peak());
        assert!(State::open(fleet.folder.path()).unwrap().open_operations().unwrap().is_empty(), "step {step}");
        if !interrupted {
            assert!(step > 10, "only {step} steps");
            return;
        }
    }
    panic!("more than {STEPS_MAX} steps");
}

/// True if it was interrupted.
async fn interrupt(fleet: &Fleet, wanted: &sluice_infra_spec::Spec, step: usize) -> bool {
    let seen = AtomicUsize::new(0);
    let observer = Box::new(move |_: &sluice_infra_plan::state::JournalStep| {
        assert!(seen.fetch_add(1, Ordering::Relaxed) + 1 != step, "interrupted");
    });
    let state = State::open(fleet.folder.path()).unwrap().observed_by(observer);
    let provisioner = fleet.provisioner_with(wanted, state);
    AssertUnwindSafe(apply(&provisioner)).catch_unwind().await.is_err()
}

#[tokio::test(start_paused = true)]
async fn when_all_goes_well() {
    at_every_step(&[], Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn when_creates_answer_unclearly_after_they_happened() {
    at_every_step(&[Mishap::UnclearAfter; 4], Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn when_creates_answer_unclearly_and_listings_lag() {
    at_every_step(&[Mishap::UnclearAfter, Mishap::UnclearBefore, Mishap::UnclearAfter, Mishap::UnclearBefore], LAG)
        .await;
}

#[tokio::test(start_paused = true)]
async fn when_the_cloud_is_busy() {
    at_every_step(&[Mishap::TooMany, Mishap::Transient, Mishap::TooMany, Mishap::TooMany, Mishap::Transient], LAG)
        .await;
}

#[tokio::test(start_paused = true)]
async fn when_droplets_do_not_get_ready() {
    at_every_step(&[Mishap::Vanishes, Mishap::NeverActive, Mishap::None, Mishap::Vanishes, Mishap::NeverActive], LAG)
        .await;
}
