//! The lease: how routers learn that this server lives, where it is and when it drains.
//!
//! One task renews it every [`HEARTBEAT`], at once when draining begins, and gives it back at the end. A registry
//! that is away is retried for ever and never holds up a request; the log says so once, and once when it is back.

mod admin;
mod load;
mod redis;

use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use thiserror::Error;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::load::Load;
use crate::args::Registry;
use crate::clock::now_ms;
use crate::name::Name;
use crate::release::Release;

/// How often the lease is renewed: three tries within one lease.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long the lease lives without a heartbeat.
const LEASE_TTL: Duration = Duration::from_secs(15);
/// Longest wait for one renewal.
const ATTEMPT_MAX: Duration = Duration::from_secs(2);
/// First pause after a failure; it doubles up to [`HEARTBEAT`].
const BACKOFF_MIN: Duration = Duration::from_millis(250);

/// What this server says of itself; the names are those of the lease.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Server {
    id: String,
    /// `host:port` that routers connect to.
    addr: String,
    app: &'static str,
    variant: &'static str,
    roles: [&'static str; 1],
    release: &'static str,
    /// Percent of the machine, over the time since the last heartbeat.
    cpu: Option<f32>,
    /// Percent of the machine.
    mem: Option<f32>,
    draining: bool,
    /// When it started, ms since the Unix epoch.
    started_ms: u64,
}

impl Server {
    pub(crate) fn new(id: &Name, addr: String, release: Release) -> Self {
        Self {
            id: id.as_str().to_owned(),
            addr,
            app: env!("CARGO_PKG_NAME"),
            variant: release.as_str(),
            roles: ["app"],
            release: env!("CARGO_PKG_VERSION"),
            cpu: None,
            mem: None,
            draining: false,
            started_ms: now_ms(),
        }
    }
}

/// Somewhere a lease can be held.
#[async_trait]
pub(crate) trait Registrar: Send + Sync {
    /// Takes or renews the lease.
    async fn put(&self, server: &Server) -> Result<(), LeaseError>;

    /// Gives the lease back; one that is gone already is fine.
    async fn delete(&self, id: &str) -> Result<(), LeaseError>;
}

/// Why a lease could not be held.
#[derive(Debug, Error)]
pub(crate) enum LeaseError {
    /// The router's admin address does not answer.
    #[error("the admin address does not answer")]
    Http(#[from] reqwest::Error),
    /// It answered, but no.
    #[error("the admin address answered {status}: {reason}")]
    Refused {
        /// Its status.
        status: u16,
        /// The start of its answer.
        reason: String,
    },
    /// The URL leaves no room for a path.
    #[error("an admin address looks like http://HOST:PORT")]
    AdminUrl,
    /// The token holds what no header may.
    #[error("the token in {} is no header value", admin::TOKEN_VARIABLE)]
    Token,
    /// Redis refused or is away.
    #[error("redis does not take the lease")]
    Redis(#[from] ::redis::RedisError),
    /// Nobody answered in time.
    #[error("no answer within {ATTEMPT_MAX:?}")]
    Timeout,
}

/// The registrar for `registry`; `edge` names the fleet in a Redis shared by several.
///
/// # Errors
/// If the address or the token can never work.
pub(crate) fn registrar(registry: Registry, edge: &Name) -> Result<Box<dyn Registrar>, LeaseError> {
    Ok(match registry {
        Registry::Admin(url) => Box::new(admin::Admin::new(url, std::env::var(admin::TOKEN_VARIABLE).ok())?),
        Registry::Redis(url) => Box::new(redis::RedisRegistrar::new(&url, edge)?),
    })
}

/// Holds the lease until `stop`, then gives it back.
pub(crate) async fn hold(
    registrar: Box<dyn Registrar>,
    mut server: Server,
    mut draining: watch::Receiver<bool>,
    stop: CancellationToken,
) {
    let mut load = Load::new();
    let mut standing = Standing::new();
    loop {
        server.draining = *draining.borrow_and_update();
        (server.cpu, server.mem) = load.sample();
        let pause = standing.note(within_limit(registrar.put(&server)).await);
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            // A closed channel means that the program ends: `stop` follows.
            Ok(()) = draining.changed() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    if let Err(error) = within_limit(registrar.delete(&server.id)).await {
        warn!(error = &error as &dyn std::error::Error, "lease not given back, it ends by itself");
    }
}

async fn within_limit(attempt: impl Future<Output = Result<(), LeaseError>>) -> Result<(), LeaseError> {
    tokio::time::timeout(ATTEMPT_MAX, attempt).await.unwrap_or(Err(LeaseError::Timeout))
}

/// Whether the lease is held, as last logged, and how long to wait after the next failure.
struct Standing {
    held: Option<bool>,
    backoff: Duration,
}

impl Standing {
    const fn new() -> Self {
        Self { held: None, backoff: BACKOFF_MIN }
    }

    /// Takes note of an attempt and logs a change. Returns the pause until the next attempt.
    fn note(&mut self, outcome: Result<(), LeaseError>) -> Duration {
        let changed = self.held.replace(outcome.is_ok()) != Some(outcome.is_ok());
        match outcome {
            Ok(()) => {
                if changed {
                    info!("registered");
                }
                self.backoff = BACKOFF_MIN;
                HEARTBEAT
            }
            Err(error) => {
                if changed {
                    warn!(error = &error as &dyn std::error::Error, "not registered, trying on");
                }
                let pause = self.backoff;
                self.backoff = (self.backoff * 2).min(HEARTBEAT);
                // Jitter: a fleet that lost its registry does not come back in step.
                pause.mul_f32(rand::random_range(0.75..=1.0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_back_off_to_a_heartbeat_and_success_resets() {
        let mut standing = Standing::new();
        let pauses: Vec<Duration> = (0..8).map(|_| standing.note(Err(LeaseError::Timeout))).collect();
        assert!(pauses[0] <= BACKOFF_MIN);
        assert!(pauses.windows(2).take(4).all(|pair| pair[0] < pair[1]), "{pauses:?}");
        assert!(pauses.iter().all(|pause| *pause <= HEARTBEAT));
        assert_eq!(standing.note(Ok(())), HEARTBEAT);
        assert!(standing.note(Err(LeaseError::Timeout)) <= BACKOFF_MIN);
    }
}
