//! What a request reads: the immutable [`Snapshot`], the live cells it points to, and the queue that takes effects away.
//!
//! `control` builds and publishes, `proxy` reads, `admin` looks; they meet only here. Nothing in this crate does IO,
//! and nothing on the reading side waits: a request costs one generation check, and a live cell one atomic load.

pub mod cells;
pub mod decisions;
pub mod effects;
pub mod fields;
pub mod gcra;
pub mod latency;
pub mod limiter;
pub mod plugin;
pub mod publish;
pub mod reason;
pub mod rollout;
pub mod servers;
pub mod shadow;
pub mod snapshot;
pub mod time;
pub mod traffic;
pub mod upstream;

pub use cells::{Cells, StateCell};
pub use decisions::{Decision, Decisions};
pub use effects::{Effect, EffectQueue, LostBy};
pub use limiter::{Limiters, RouteLimiter};
pub use plugin::{Plugin, PluginKey, Seat, Trial};
pub use publish::Published;
pub use reason::Reason;
pub use rollout::{PendingAbort, RolloutCell};
pub use servers::ServersCell;
pub use snapshot::{Link, Missing, Route, Snapshot};
pub use traffic::{RouteTraffic, Traffic};
