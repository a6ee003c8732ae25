//! From the fleet that is to the fleet that is wanted, and never a droplet twice.
//!
//! [`plan()`] is pure: what the file wants, what the cloud has, what sizes cost -> steps, price and risks. [`apply`]
//! carries a plan out: every call that costs money is written into the journal of [`state`] before it is sent, under a
//! name and a tag of its own, so that an unclear answer or a killed process is settled by looking, never by asking
//! twice. [`drift`], [`gc`] and [`cost`] compare without changing anything. Nothing here prints, asks or reads a
//! secret.

pub mod apply;
pub mod cost;
pub mod drift;
pub mod firewalls;
pub mod gc;
pub mod keys;
pub mod lock;
pub mod observe;
pub mod plan;
pub mod state;
pub mod tags;

pub use apply::{
    Event, Events, Failure, FaultKind, Handover, Happening, Outcome, Pace, Provisioner, Quiet, SettleError, Settled,
    Subject,
};
pub use drift::{Difference, Drift};
pub use lock::{Holder, Lock, LockError};
pub use observe::{ObserveError, Observed, Seen, observe};
pub use plan::{Field, FieldChange, Order, Plan, Price, Refusal, Risk, Step, Wanted, plan};
pub use state::{OperationId, State, StateError};
