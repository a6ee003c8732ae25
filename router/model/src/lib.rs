//! Pure vocabulary of Sluice: what router, store, plugins and infra must mean alike.
//!
//! Nothing here does IO, knows a runtime or reads a clock: time is an argument, in milliseconds since the Unix epoch.

pub mod alert;
pub mod alert_rule;
pub mod analysis;
pub mod audit;
pub mod bucket;
pub mod field;
pub mod flag;
pub mod key;
pub mod lease;
pub mod override_token;
pub mod plan;
pub mod plugin;
pub mod rollout;
pub mod silence;
pub mod slots;
pub mod stats;
pub mod weight;

mod show;
