//! `/v1/policy`: the policy that serves with its texts, the revisions before it, and the way back to one of them.

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sluice_control::{Pinned, Revision, RevisionTexts, Unpinned};

use crate::Shared;
use crate::api::Body;
use crate::error::ApiError;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/policy", get(current))
        .route("/v1/policy/revisions", get(list))
        .route("/v1/policy/revisions/{revision}", get(show))
        .route("/v1/policy/rollback", post(roll_back))
        .route("/v1/policy/unpin", post(unpin))
}

/// The policy that serves.
#[derive(Debug, Serialize)]
struct Policy {
    #[serde(flatten)]
    texts: RevisionTexts,
    /// Why it is not what the files say.
    pinned: Option<Pinned>,
}

async fn current(State(context): State<Shared>) -> Result<Json<Policy>, ApiError> {
    let texts = context.handle.policy().ok_or_else(|| ApiError::NotFound("no policy serves yet".to_owned()))?;
    Ok(Json(Policy { texts, pinned: context.handle.status().pinned }))
}

async fn list(State(context): State<Shared>) -> Json<Vec<Revision>> {
    Json(context.handle.revisions())
}

async fn show(State(context): State<Shared>, Path(revision): Path<String>) -> Result<Json<RevisionTexts>, ApiError> {
    let found = revision.parse().ok().and_then(|revision| context.handle.revision(revision));
    found
        .map(Json)
        .ok_or_else(|| ApiError::NotFound(format!("no revision {revision} is kept (see /v1/policy/revisions)")))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rollback {
    revision: u64,
}

async fn roll_back(State(context): State<Shared>, body: Body<Rollback>) -> Result<Json<Pinned>, ApiError> {
    Ok(Json(context.handle.roll_back(body.0.revision).await?))
}

async fn unpin(State(context): State<Shared>) -> Result<Json<Unpinned>, ApiError> {
    Ok(Json(context.handle.unpin().await?))
}
