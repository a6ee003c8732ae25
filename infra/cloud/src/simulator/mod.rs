//! A simulator of DigitalOcean's API: rehearse a fleet without an account, with every fault that the real one has.
//!
//! [`Simulator`] is the engine: no socket, no thread, its own time and its own dice, so that the same seed and the same
//! calls give the same answers. [`serve`] puts it behind HTTP. A call goes `limits` -> `faults` -> `routes` -> the file of its
//! resource; what takes time is due in `world`. Nothing here ever reaches a real machine or a real address.

mod actions;
mod balancers;
mod billing;
mod call;
mod catalogue;
mod clock;
mod cloud;
mod control;
mod create;
mod droplets;
mod faults;
mod firewalls;
mod keys;
mod limits;
mod metrics;
mod pages;
mod pools;
mod random;
mod reserved;
mod routes;
mod server;
mod settings;
mod tags;
mod vpcs;
mod world;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

pub use call::{Answer, Delivery, Reply, Request};
pub use clock::Clock;
pub use faults::{FAULTS_MAX, Fault, FaultKind, FaultPlan, FaultPlanError};
pub use limits::{HOUR_CALLS_MAX, MINUTE_CALLS_MAX};
pub use server::serve;
pub use settings::{Latency, SimulatorSettings};

use call::Refusal;
use faults::Effect;
use limits::Limits;
use random::Random;
use routes::Call;
use world::World;

/// The simulated cloud. Clones are the same cloud.
#[derive(Clone, Debug)]
pub struct Simulator(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    world: World,
    limits: Limits,
    faults: FaultPlan,
    /// Apart from the world's, so that a fault changes no id.
    dice: Random,
}

impl Simulator {
    /// An empty cloud.
    #[must_use]
    pub fn new(settings: &SimulatorSettings) -> Self {
        let clock = settings
            .speed
            .map_or_else(|| Clock::still(settings.begin_ms), |speed| Clock::running(settings.begin_ms, speed));
        Self::with(clock, World::new(settings, settings.begin_ms), settings.seed)
    }

    /// The cloud of a saved state; its time goes on where it was left.
    ///
    /// # Errors
    /// If the text is no saved state.
    pub fn resume(state: &str, speed: Option<f64>) -> Result<Self, serde_json::Error> {
        let world: World = serde_json::from_str(state)?;
        let clock = speed.map_or_else(|| Clock::still(world.now_ms), |speed| Clock::running(world.now_ms, speed));
        let seed = world.random.clone().next();
        Ok(Self::with(clock, world, seed))
    }

    fn with(clock: Clock, world: World, seed: u64) -> Self {
        // Any other stream than the world's.
        let dice = Random::new(!seed);
        let inner = Inner { world, limits: Limits::default(), faults: FaultPlan::default(), dice };
        Self(Arc::new(Shared { clock, inner: Mutex::new(inner) }))
    }

    /// Answers one call.
    #[must_use]
    pub fn answer(&self, request: &Request) -> Reply {
        let mut inner = self.inner();
        let Inner { world, limits, faults, dice } = &mut *inner;
        let request_id = world.random.uuid();
        let allowance = limits.take(request.token.as_deref().unwrap_or_default(), world.now_ms);
        let effects = faults.effects(&request.method, &request.path, dice);
        let mut delivery = Delivery::Whole;
        let mut answer = if allowance.refused.is_some() {
            Refusal::new(429, "too_many_requests", "Too many requests").into_answer(&request_id)
        } else if let Some(refused) = before(&effects) {
            refused.into_answer(&request_id)
        } else {
            let done = routes::answer(&mut Call { world, request, effects: effects.clone() });
            let answer = done.unwrap_or_else(|refusal| refusal.into_answer(&request_id));
            after(&effects, answer, &request_id, &mut delivery)
        };
        allowance.say(&mut answer);
        answer.headers.push(("x-request-id", request_id));
        let storm = effects
            .iter()
            .find_map(|effect| if let Effect::TooMany { seconds } = effect { Some(seconds) } else { None });
        if let Some(seconds) = storm.filter(|_| allowance.refused.is_none()) {
            answer.headers.push(("retry-after", seconds.to_string()));
        }
        Reply { answer, delivery }
    }

    /// Moves its time on.
    pub fn advance(&self, by: Duration) {
        self.0.clock.advance(by);
    }

    /// Its time, ms since the Unix epoch.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.0.clock.now_ms()
    }

    /// Replaces the plan of faults.
    pub fn set_faults(&self, plan: FaultPlan) {
        self.inner().faults = plan;
    }

    /// The plan of faults, with what it did so far.
    #[must_use]
    pub fn faults(&self) -> FaultPlan {
        self.inner().faults.clone()
    }

    /// Everything, to be saved and resumed.
    #[must_use]
    pub fn state(&self) -> Value {
        serde_json::to_value(&self.inner().world).unwrap_or_default()
    }

    /// What everything cost so far: `total_usd`, and a charge for each droplet.
    #[must_use]
    pub fn bill(&self) -> Value {
        self.inner().world.bill()
    }

    /// Sets the CPU and memory in use, as shares, of the droplets with a tag. Returns how many there are.
    pub fn set_load(&self, tag: &str, cpu: f64, memory: f64) -> usize {
        let mut inner = self.inner();
        let ids: Vec<u64> = inner.world.tags.get(tag).into_iter().flatten().copied().collect();
        for id in &ids {
            if let Some(droplet) = inner.world.droplets.get_mut(id) {
                droplet.load = Some((cpu.clamp(0.0, 1.0), memory.clamp(0.0, 1.0)));
            }
        }
        ids.len()
    }

    /// The state, with everything done that is due.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Each call leaves the world whole before anything in it can panic.
        let mut inner = self.0.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.world.run_until(self.0.clock.now_ms());
        inner
    }
}

/// A fault that comes before anything is done.
fn before(effects: &[Effect]) -> Option<Refusal> {
    effects.iter().find_map(|effect| match effect {
        Effect::ErrorBefore(status) => Some(Refusal::new(*status, "server_error", "Unexpected server-side error")),
        Effect::TooMany { .. } => Some(Refusal::new(429, "too_many_requests", "Too many requests")),
        Effect::TryAgain => Some(Refusal::unprocessable("Something went wrong, please try again")),
        _ => None,
    })
}

/// A fault that comes once all is done.
fn after(effects: &[Effect], answer: Answer, request_id: &str, delivery: &mut Delivery) -> Answer {
    effects.iter().fold(answer, |answer, effect| match effect {
        Effect::ErrorAfter(status) => {
            Refusal::new(*status, "server_error", "Unexpected server-side error").into_answer(request_id)
        }
        Effect::Hold(time) => {
            *delivery = Delivery::Never(*time);
            answer
        }
        Effect::Cut => {
            *delivery = Delivery::Cut;
            answer
        }
        _ => answer,
    })
}
