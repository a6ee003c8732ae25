//! `/metrics` of a machine, on its private address.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::exposition::{self, Agent};
use crate::measures::Measures;

/// Why metrics are not shown.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("listen on {address} for /metrics")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It broke off.
    #[error("serve /metrics")]
    Serve(#[source] std::io::Error),
}

/// Shows the last figures: `/metrics` for Prometheus, `/measures` as JSON. Until `stop`.
///
/// # Errors
/// [`ServeError`]
pub async fn serve(
    address: SocketAddr,
    figures: watch::Receiver<Option<(Measures, Agent)>>,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let listener = TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })?;
    let router =
        Router::new().route("/metrics", get(metrics)).route("/measures", get(measures)).with_state(Arc::new(figures));
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await.map_err(ServeError::Serve)
}

type Figures = State<Arc<watch::Receiver<Option<(Measures, Agent)>>>>;

async fn metrics(State(figures): Figures) -> Response {
    let figures = figures.borrow().clone();
    match figures.map(|(measures, agent)| exposition::text(&measures, &agent)) {
        Some(Ok(text)) => ([(CONTENT_TYPE, exposition::CONTENT_TYPE)], text).into_response(),
        Some(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "nothing was measured yet\n").into_response(),
    }
}

async fn measures(State(figures): Figures) -> Response {
    match figures.borrow().clone() {
        Some((measures, _)) => axum::Json(measures).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "nothing was measured yet\n").into_response(),
    }
}
