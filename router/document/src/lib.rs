//! Files that an operator writes: TOML -> values with their places, and every fault at once with a hint.
//!
//! Knows how tables, names, numbers and quantities are read ([`keys`], [`values`]), how a fault is shown ([`fault`]) and
//! how the [`shape`] of a file becomes its JSON [`schema`] and its [`mod@reference`]. What a file means is the matter of
//! who reads it: `sluice-policy` for the router, `sluice-infra-spec` for the fleet. Pure: no IO, no runtime, no clock.

pub mod fault;
pub mod keys;
pub mod names;
pub mod reader;
pub mod reference;
pub mod schema;
pub mod shape;
pub mod units;
pub mod values;

pub use fault::{Fault, Faults};
pub use reader::nearest;

/// One file as it was read from disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Name shown in faults, e.g. `routes.d/demo.toml`; files are read in the order of their names.
    pub file: String,
    /// The whole text.
    pub text: String,
}
