//! The admin port: JSON API, the original `/on` switch, metrics and the dashboard.
//!
//! It runs on the control runtime, never on a worker, and changes nothing by itself: every write goes through
//! [`sluice_control::Handle`] and returns after this router already acts on it.

mod alerts;
mod api;
mod assets;
mod audit;
mod auth;
mod error;
mod events;
mod explain;
mod flag_sets;
mod flags;
mod metrics;
mod ofrep;
mod plugins;
mod policy;
mod requests;
mod rollouts;
mod servers;
mod shadow;
mod toggle;
mod upstreams;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::get;
use sluice_control::Handle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use auth::Tokens;
pub use error::StartError;

/// Largest body that a write may have, but for documents of flags; the largest real one (a server's lease) is under 1 KiB.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// What the admin port needs to know.
#[derive(Debug)]
pub struct Settings {
    /// Where to listen. Anything but loopback needs an operator token.
    pub address: SocketAddr,
    /// Who may read and write.
    pub tokens: Tokens,
    /// Serve `GET|POST /on`, the switch of the original system.
    pub legacy_toggle: bool,
    /// Cancelled when the router begins to drain: `/readyz` then says so.
    pub draining: CancellationToken,
}

/// The running admin port.
#[derive(Clone, Copy, Debug)]
pub struct Admin {
    /// Where it listens.
    pub address: SocketAddr,
}

/// What every handler reads.
#[derive(Debug)]
struct Context {
    handle: Handle,
    tokens: Tokens,
    address: SocketAddr,
    legacy_toggle: bool,
    draining: CancellationToken,
    stop: CancellationToken,
    ofrep: ofrep::Limits,
}

type Shared = Arc<Context>;

/// Binds and serves until `stop` is cancelled.
///
/// # Errors
/// [`StartError`] if the address needs a token and has none, or cannot be bound.
pub async fn start(
    settings: Settings,
    handle: Handle,
    tracker: &TaskTracker,
    stop: CancellationToken,
) -> Result<Admin, StartError> {
    if !settings.address.ip().is_loopback() && settings.tokens.operator.is_none() {
        return Err(StartError::TokenMissing { address: settings.address });
    }
    let bind = |source| StartError::Bind { address: settings.address, source };
    let listener = TcpListener::bind(settings.address).await.map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;
    let context = Arc::new(Context {
        handle,
        tokens: settings.tokens,
        address,
        legacy_toggle: settings.legacy_toggle,
        draining: settings.draining,
        stop: stop.clone(),
        ofrep: ofrep::Limits::new(),
    });
    let service = router(context).into_make_service_with_connect_info::<SocketAddr>();
    tracker.spawn(async move {
        let served = axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!(%error, "admin port ended");
        }
    });
    Ok(Admin { address })
}

fn router(context: Shared) -> Router {
    let guarded = api::routes()
        .merge(rollouts::routes())
        .merge(plugins::routes())
        .merge(alerts::routes())
        .merge(flags::routes())
        .merge(flag_sets::routes())
        .merge(audit::routes())
        .merge(ofrep::routes())
        .merge(policy::routes())
        .merge(explain::routes())
        .merge(requests::routes())
        .merge(servers::routes())
        .merge(shadow::routes())
        .merge(toggle::routes())
        .merge(upstreams::routes())
        .merge(events::routes())
        .route("/metrics", get(metrics::scrape))
        .layer(middleware::from_fn_with_state(Arc::clone(&context), auth::guard));
    guarded
        .merge(assets::routes())
        .merge(api::probes())
        .merge(ofrep::stream())
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(context)
}
