//! `/v1/requests`: what became of the last requests. Queries, bodies and fields of clients are not kept, so none are told.

use axum::extract::{Path, Query, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use sluice_snapshot::decisions::Decision;

use crate::Shared;
use crate::error::ApiError;

/// Requests that one call returns at the most.
const REQUESTS_MAX: usize = 1_000;
/// Requests that a call returns unless it asks for more: a screen.
const REQUESTS_DEFAULT: usize = 20;

pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/v1/requests", get(list)).route("/v1/requests/{id}", get(show))
}

#[derive(Debug, Deserialize)]
struct Page {
    limit: Option<usize>,
}

/// Newest first; `?limit=N`, at most [`REQUESTS_MAX`].
async fn list(State(context): State<Shared>, Query(page): Query<Page>) -> Json<Vec<Decision>> {
    let newest = page.limit.unwrap_or(REQUESTS_DEFAULT).min(REQUESTS_MAX);
    Json(context.handle.traffic().decisions().recent(newest))
}

async fn show(State(context): State<Shared>, Path(id): Path<String>) -> Result<Json<Decision>, ApiError> {
    let found = context.handle.traffic().decisions().find(&id);
    let unknown = || ApiError::NotFound(format!("no request `{id}` is kept: it is too long ago, or another router's"));
    found.map(Json).ok_or_else(unknown)
}
