//! `/v1/...`: what the router is doing, as JSON; health probes. Parts shared by the other API files.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{FromRequest, Request, State};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sluice_control::Status;
use sluice_model::alert::AlertId;

use crate::error::ApiError;
use crate::{BODY_BYTES_MAX, Shared};

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/snapshot", get(snapshot))
        .route("/v1/routes", get(routes_list))
        .route("/v1/traffic", get(traffic))
        .fallback(unknown)
}

/// `/healthz` (the process lives) and `/readyz` (it has a snapshot and takes traffic): no token, no detail.
pub(crate) fn probes() -> Router<Shared> {
    Router::new().route("/healthz", get(async || "ok\n")).route("/readyz", get(ready))
}

async fn ready(State(context): State<Shared>) -> (StatusCode, &'static str) {
    if context.draining.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else if context.handle.published().load().1.revision == 0 {
        (StatusCode::SERVICE_UNAVAILABLE, "no policy yet\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}

async fn unknown(request: Request) -> ApiError {
    ApiError::NotFound(format!("no such endpoint: {} (see /v1/status)", request.method()))
}

async fn status(State(context): State<Shared>) -> Json<Status> {
    Json(context.handle.status())
}

/// The current revision in short: what it routes where, and through what.
async fn snapshot(State(context): State<Shared>) -> Json<Value> {
    let (generation, snapshot) = context.handle.published().load();
    let policy = &snapshot.policy;
    let upstreams: Vec<Value> = policy.upstreams.iter().map(|upstream| json!({"name": upstream.name})).collect();
    let plugins: Vec<Value> =
        snapshot.plugins().map(|plugin| json!({"name": plugin.name(), "digest": plugin.key.digest})).collect();
    Json(json!({
        "revision": snapshot.revision,
        "generation": generation,
        "routes": policy.routes.iter().map(|route| route.name.as_str()).collect::<Vec<_>>(),
        "upstreams": upstreams,
        "plugins": plugins,
        "rollouts": policy.rollouts.iter().map(|rollout| rollout.name.as_str()).collect::<Vec<_>>(),
    }))
}

async fn routes_list(State(context): State<Shared>) -> Json<Vec<Value>> {
    let (_, snapshot) = context.handle.published().load();
    let policy = &snapshot.policy;
    let describe = |route: &sluice_policy::Route| {
        let chain: Vec<&str> = route.chain.iter().map(|index| policy.plugins[*index].name.as_str()).collect();
        let to: Value = match &route.target {
            sluice_policy::Target::Redirect => json!("redirect"),
            sluice_policy::Target::Builtin(builtin) => json!({"builtin": builtin.as_str()}),
            sluice_policy::Target::Upstreams(upstreams) => upstreams
                .iter()
                .map(|to| json!({"upstream": policy.upstreams[to.upstream].name, "weight": to.weight}))
                .collect(),
        };
        json!({
            "name": route.name,
            "hosts": route.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "matches": route.matches.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "plugins": chain,
            "rollout": route.rollout.map(|index| policy.rollouts[index].name.as_str()),
            "to": to,
        })
    };
    Json(policy.routes.iter().map(describe).collect())
}

/// Requests per route, variant and status class since the start.
async fn traffic(State(context): State<Shared>) -> Json<Value> {
    let classes = sluice_snapshot::traffic::CLASSES;
    let routes: Vec<Value> = context
        .handle
        .traffic()
        .routes()
        .iter()
        .flat_map(|route| {
            let name = route.route().to_owned();
            route.totals().into_iter().map(move |total| {
                let requests: serde_json::Map<String, Value> = classes
                    .iter()
                    .zip(total.classes)
                    .map(|(class, count)| ((*class).to_owned(), count.into()))
                    .collect();
                json!({"route": name, "variant": total.variant, "requests": requests, "micros": total.latency.micros})
            })
        })
        .collect();
    Json(json!({"at_ms": now_ms(), "routes": routes}))
}

/// A JSON body whose faults name their place.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        parse(&read(request).await?).map(Self)
    }
}

/// [`Body`], or no body at all.
pub(crate) struct PerhapsBody<T>(pub(crate) Option<T>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for PerhapsBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let body = read(request).await?;
        if body.is_empty() { Ok(Self(None)) } else { parse(&body).map(|parsed| Self(Some(parsed))) }
    }
}

async fn read(request: Request) -> Result<axum::body::Bytes, ApiError> {
    let body = axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX).await;
    body.map_err(|_| ApiError::Invalid(format!("the body is over {BODY_BYTES_MAX} bytes, or broken")))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let parsed = serde_json::from_slice(body);
    parsed.map_err(|error| ApiError::Invalid(format!("the body is not what is expected: {error}")))
}

/// Now, in milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A fresh id for an abort that an operator asked for, so that each one counts.
pub(crate) fn operator_id() -> AlertId {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    AlertId::derive(&["operator", &std::process::id().to_string(), &nanos.to_string()])
}
