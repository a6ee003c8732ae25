//! `/v1/plugins`: the plugins with what they did, the digests that served before, and an operator's say in which one does.
//! A write answers with the plugin as it stands then.

use std::net::SocketAddr;

use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use sluice_control::{PluginHistory, PluginInfo};

use crate::Shared;
use crate::api::PerhapsBody;
use crate::auth::caller;
use crate::error::ApiError;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/plugins", get(list))
        .route("/v1/plugins/{name}", get(show))
        .route("/v1/plugins/{name}/{verb}", get(look).post(steer))
}

async fn list(State(context): State<Shared>) -> Json<Vec<PluginInfo>> {
    Json(context.handle.plugins())
}

async fn show(State(context): State<Shared>, Path(name): Path<String>) -> Result<Json<PluginInfo>, ApiError> {
    Ok(Json(context.handle.plugin(&name)?))
}

async fn look(
    State(context): State<Shared>,
    Path((name, what)): Path<(String, String)>,
) -> Result<Json<PluginHistory>, ApiError> {
    if what != "history" {
        return Err(ApiError::NotFound(format!("no `{what}` of a plugin can be read: history")));
    }
    Ok(Json(context.handle.plugin_history(&name)?))
}

/// What to go back to; nothing = what served before.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    digest: Option<String>,
}

async fn steer(
    State(context): State<Shared>,
    Path((name, verb)): Path<(String, String)>,
    connection: ConnectInfo<SocketAddr>,
    body: PerhapsBody<Wanted>,
) -> Result<Json<PluginInfo>, ApiError> {
    let digest = body.0.unwrap_or_default().digest;
    let (handle, by) = (&context.handle, caller(connection));
    if digest.is_some() && verb != "rollback" {
        return Err(ApiError::Invalid(format!("`digest` belongs to rollback; {verb} concerns the one that there is")));
    }
    let steered = match verb.as_str() {
        "rollback" => handle.rollback_plugin(&name, digest.as_deref(), &by).await,
        "promote" => handle.promote_plugin(&name, &by).await,
        "abort" => handle.abort_plugin(&name, &by).await,
        "release" => handle.release_plugin(&name, &by).await,
        _ => return Err(ApiError::NotFound(format!("no verb `{verb}`: rollback, promote, abort or release"))),
    };
    // Control writes down what it carries out.
    if let Err(refusal) = &steered {
        tracing::info!(plugin = name, verb, digest, by, reason = refusal.to_string(), "order refused");
    }
    Ok(Json(steered?))
}
