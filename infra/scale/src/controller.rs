//! One pool's controller: an observation in, a decision out. Nothing here knows a clock, a cloud or a store.

use serde::{Deserialize, Serialize};
use sluice_infra_spec::ScaleSpec;

use crate::decision::{Action, Decision};
use crate::observation::{DropletState, Observation};

/// Decides how many droplets a pool has.
#[derive(Clone, Debug)]
pub struct Controller {
    spec: ScaleSpec,
    state: State,
}

/// What a controller remembers from step to step. A new leader goes on from it; without it, it takes in nothing before it
/// has watched for a whole window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {}

impl Controller {
    /// Starts without a past.
    #[must_use]
    pub fn new(spec: &ScaleSpec) -> Self {
        Self::restore(spec, State::default())
    }

    /// Goes on where another one stopped, perhaps under a changed spec.
    #[must_use]
    pub fn restore(spec: &ScaleSpec, state: State) -> Self {
        Self { spec: spec.clone(), state }
    }

    /// What [`Controller::restore`] needs. Bounded; to be kept after each step that acted, and now and then.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Decides. To be called with growing times, every few seconds.
    pub fn step(&mut self, observation: &Observation) -> Decision {
        let counts = |state: DropletState| !matches!(state, DropletState::Draining | DropletState::Drained);
        let present = observation.droplets.iter().filter(|droplet| counts(droplet.state)).count();
        let present = u32::try_from(present).unwrap_or(u32::MAX);
        let desired = present.clamp(self.spec.min, self.spec.max);
        let missing = desired.saturating_sub(present).min(observation.affordable.unwrap_or(u32::MAX));
        let actions = if missing > 0 { vec![Action::Create(missing)] } else { Vec::new() };
        let reasons = vec![format!("{present} of {desired} droplets are there")];
        Decision { at_ms: observation.at_ms, desired, present, wishes: Vec::new(), actions, reasons }
    }
}
