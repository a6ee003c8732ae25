//! How many droplets a pool should have: pure decisions, and their rehearsal on a virtual clock.
//!
//! [`Controller::step`] turns an [`Observation`] into a [`Decision`]. It reads no clock, does no IO and draws no random
//! number: the same observations give the same decisions, in the live loop of `sluice-infra controller` as in the simulation.

pub mod controller;
pub mod decision;
pub mod observation;
pub mod simulate;

pub use controller::{Controller, State};
pub use decision::{Action, Decision, Wish, Wisher};
pub use observation::{Alert, Droplet, DropletState, Observation, Traffic};
