//! `infra.toml`: the fleet that an operator wants, text -> checked types.
//!
//! Pure: no IO, no runtime, no clock. [`parse`] reports every fault at once, each with its place and a hint. What comes
//! out is complete: every name resolves, every bound is checked. It holds no secret, only where secrets are found.

pub mod app;
pub mod pool;
pub mod read;
pub mod scale;
pub mod schema;
pub mod secret;
pub mod spec;
pub mod template;
pub mod watch;

pub use app::{App, Health, Pipeline, Step};
pub use pool::{Pool, Role};
pub use read::{parse, parse_policies};
pub use scale::{OnAlert, ScaleSpec, TargetSpec};
pub use secret::Secret;
pub use spec::{CloudSpec, RedisSpec, RouterSpec, Spec};
pub use watch::{MetricRule, NodeMetric};
