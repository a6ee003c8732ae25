//! Flag definitions in flagd's format: read once per change, compiled, evaluated without allocation where that can be.
//!
//! Pure: no clock, no IO, no randomness. The feature-flags plugin and the admin API use it alike; neither may evaluate a
//! definition in another way. A definition travels `document` -> `compile` -> [`FlagSet`]; an evaluation goes through
//! `set` -> `evaluate` -> `operators`. What the format leaves open, and whom we follow there, stands in `docs/flag-definitions.md`.

mod cbor;
mod compile;
mod context;
mod datum;
mod document;
mod evaluate;
mod evaluation;
mod explain;
mod fault;
mod fractional;
pub mod limits;
mod number;
mod operators;
mod place;
mod rule;
mod scope;
mod sem_ver;
mod set;
mod text;

pub use context::{Attribute, Attributes, Context};
pub use evaluation::{ErrorCode, Evaluation, EvaluationError, Reason};
pub use explain::{Explanation, Step};
pub use fault::{DocumentFault, FlagFault};
pub use fractional::FractionalVersion;
pub use set::{FlagKind, FlagSet, FlagState, FlagSummary};
