//! The harness: starts the real `sluice`, `meow` and `redis-server` on free ports, and stops what it started.
//!
//! Nothing here sleeps to wait for an event: [`eventually`] asks again until a generous bound is over.

pub mod browser;
pub mod client;
pub mod component;
pub mod crowd;
pub mod echo;
pub mod fleet;
pub mod flood;
pub mod guest;
pub mod herd;
pub mod hostile;
pub mod load;
pub mod metrics;
pub mod origin;
pub mod process;
pub mod receiver;
pub mod redis_cluster;
pub mod redis_sentinel;
pub mod redis_server;
pub mod redis_tls;
pub mod relay;
pub mod router;
pub mod scene;
pub mod stack;
pub mod upload;

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long something that should happen at once may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Asks `look` until it answers `Ok`, for [`PATIENCE`] at the most; then fails with its last reason.
///
/// # Panics
/// When the bound is over: the test has failed.
pub async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> anyhow::Result<T>) -> T {
    eventually_within(PATIENCE, what, look).await
}

/// [`eventually`] with another bound.
///
/// # Panics
/// When the bound is over: the test has failed.
#[expect(clippy::panic, reason = "a harness fails the test by a panic")]
pub async fn eventually_within<T>(bound: Duration, what: &str, mut look: impl AsyncFnMut() -> anyhow::Result<T>) -> T {
    let end = Instant::now() + bound;
    loop {
        match look().await {
            Ok(value) => return value,
            Err(error) if Instant::now() >= end => panic!("{what}: still not so after {bound:?}: {error:#}"),
            Err(_) => sleep(LOOK_EVERY).await,
        }
    }
}
