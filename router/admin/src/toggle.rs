//! `GET|POST /on`: the switch of the original system. Each call flips `featureFlags` and answers its new value.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header;
use sluice_model::flag::{FEATURE_FLAGS, switch_text};

use crate::Shared;
use crate::error::ApiError;

pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/on", get(flip).post(flip))
}

async fn flip(State(context): State<Shared>) -> Result<Response, ApiError> {
    if !context.legacy_toggle {
        return Err(ApiError::NotFound("`/on` is off; set `legacy_toggle = true` under [admin]".to_owned()));
    }
    let value = context.handle.flip_switch(FEATURE_FLAGS, "admin:/on").await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], format!("{}\n", switch_text(value))).into_response())
}
