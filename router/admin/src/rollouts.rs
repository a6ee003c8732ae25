//! `/v1/rollouts`: looking at rollouts and steering them. Weights are percent with at most two decimals. A write answers with
//! the rollout as it stands then.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Path, Query, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sluice_control::{Override, RolloutInfo, RolloutOrder};
use sluice_model::audit::{AuditEntry, Author};
use sluice_model::rollout::Command;
use sluice_model::weight::BasisPoints;

use crate::api::{Body, PerhapsBody};
use crate::auth::caller;
use crate::error::ApiError;
use crate::{Shared, api};

/// Entries of a history that one call returns at the most.
const HISTORY_MAX: usize = 1_000;
/// Entries that a call returns unless it asks for more: a screen.
const HISTORY_DEFAULT: usize = 50;
/// How long an override lasts unless the call says so.
const OVERRIDE_DEFAULT: Duration = Duration::from_secs(60 * 60);
/// Why a rollout is aborted whose operator does not say.
const ABORT_REASON: &str = "aborted by an operator";

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/rollouts", get(list))
        .route("/v1/rollouts/{name}", get(show).put(set_weights))
        .route("/v1/rollouts/{name}/{verb}", get(look).post(steer))
}

async fn list(State(context): State<Shared>) -> Json<Vec<RolloutInfo>> {
    Json(context.handle.rollouts())
}

async fn show(State(context): State<Shared>, Path(name): Path<String>) -> Result<Json<RolloutInfo>, ApiError> {
    Ok(Json(context.handle.rollout(&name).await?))
}

#[derive(Debug, Deserialize)]
struct Page {
    limit: Option<usize>,
}

/// The audit log of a rollout, newest first; `?limit=N`, at most [`HISTORY_MAX`].
async fn look(
    State(context): State<Shared>,
    Path((name, what)): Path<(String, String)>,
    Query(page): Query<Page>,
) -> Result<Json<Vec<AuditEntry>>, ApiError> {
    if what != "history" {
        return Err(ApiError::NotFound(format!("no `{what}` of a rollout can be read: history")));
    }
    let newest = page.limit.unwrap_or(HISTORY_DEFAULT).min(HISTORY_MAX);
    Ok(Json(context.handle.rollout_history(&name, newest).await?))
}

/// New weights: of the canary, or of any variants but stable.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Weights {
    weight: Option<f64>,
    weights: Option<BTreeMap<String, f64>>,
    #[serde(default)]
    reason: String,
}

async fn set_weights(
    State(context): State<Shared>,
    Path(name): Path<String>,
    connection: ConnectInfo<SocketAddr>,
    Body(wanted): Body<Weights>,
) -> Result<Json<RolloutInfo>, ApiError> {
    let order = match (wanted.weight, wanted.weights) {
        (Some(weight), None) => RolloutOrder::Weight(basis_points(weight)?),
        (None, Some(weights)) => {
            let weights = weights.into_iter().map(|(variant, weight)| Ok((variant, basis_points(weight)?)));
            RolloutOrder::Weights(weights.collect::<Result<_, ApiError>>()?)
        }
        (Some(_), Some(_)) | (None, None) => {
            let message = "write either {\"weight\": 25.0}, of the canary, or {\"weights\": {\"VARIANT\": 5.0}}";
            return Err(ApiError::Invalid(message.to_owned()));
        }
    };
    carry_out(&context, &name, &order, &caller(connection), &wanted.reason).await
}

fn basis_points(percent: f64) -> Result<BasisPoints, ApiError> {
    BasisPoints::from_percent(percent).map_err(|error| ApiError::Invalid(error.to_string()))
}

/// What a verb may be told; each belongs to some of them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    reason: Option<String>,
    release: Option<String>,
    from_start: Option<bool>,
    variant: Option<String>,
    #[serde(rename = "for")]
    lasts: Option<String>,
}

impl Wish {
    /// What only these verbs may be told, so that a wish at the wrong place is not lost in silence.
    fn check(&self, verb: &str) -> Result<(), ApiError> {
        let belongs = [
            ("release", self.release.is_some(), "start"),
            ("from_start", self.from_start.is_some(), "resume"),
            ("variant", self.variant.is_some(), "override"),
            ("for", self.lasts.is_some(), "override"),
        ];
        match belongs.into_iter().find(|(_, is_given, owner)| *is_given && *owner != verb) {
            Some((key, _, owner)) => Err(ApiError::Invalid(format!("`{key}` belongs to {owner}, not to {verb}"))),
            None => Ok(()),
        }
    }
}

/// What a verb answers with.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Steered {
    Rollout(Box<RolloutInfo>),
    Override(Signed),
}

async fn steer(
    State(context): State<Shared>,
    Path((name, verb)): Path<(String, String)>,
    connection: ConnectInfo<SocketAddr>,
    body: PerhapsBody<Wish>,
) -> Result<Json<Steered>, ApiError> {
    let (wish, by) = (body.0.unwrap_or_default(), caller(connection));
    wish.check(&verb)?;
    let reason = wish.reason.clone().unwrap_or_default();
    let order = match verb.as_str() {
        "start" => RolloutOrder::Start { release: wish.release.unwrap_or_default() },
        "pause" => RolloutOrder::Pause,
        "resume" => RolloutOrder::Resume { from_start: wish.from_start.unwrap_or_default() },
        "promote" => RolloutOrder::Promote,
        "advance" => RolloutOrder::Advance,
        "abort" => return abort(&context, &name, &by, &reason).await,
        "override" => return sign(&context, &name, &wish).map(|signed| Json(Steered::Override(signed))),
        _ => {
            let message = format!("no verb `{verb}`: start, pause, resume, abort, promote, advance or override");
            return Err(ApiError::NotFound(message));
        }
    };
    let Json(rollout) = carry_out(&context, &name, &order, &by, &reason).await?;
    Ok(Json(Steered::Rollout(Box::new(rollout))))
}

async fn carry_out(
    context: &Shared,
    name: &str,
    order: &RolloutOrder,
    by: &str,
    reason: &str,
) -> Result<Json<RolloutInfo>, ApiError> {
    let done = context.handle.order_rollout(name, order, Author { by, reason }).await;
    if let Err(refusal) = &done {
        tracing::info!(rollout = name, ?order, by, reason = refusal.to_string(), "order refused");
    }
    done?;
    Ok(Json(context.handle.rollout(name).await?))
}

async fn abort(context: &Shared, name: &str, by: &str, reason: &str) -> Result<Json<Steered>, ApiError> {
    let said = if reason.is_empty() { ABORT_REASON } else { reason };
    let command = Command::Abort { id: api::operator_id(), reason: said.to_owned() };
    context.handle.command(name, command, Author { by, reason: said }).await?;
    Ok(Json(Steered::Rollout(Box::new(context.handle.rollout(name).await?))))
}

/// A token, and how it is used.
#[derive(Debug, Serialize)]
struct Signed {
    #[serde(flatten)]
    signed: Override,
    /// For a command line.
    usage: Vec<String>,
}

fn sign(context: &Shared, name: &str, wish: &Wish) -> Result<Signed, ApiError> {
    let Some(variant) = &wish.variant else {
        return Err(ApiError::Invalid("write which variant: {\"variant\": \"canary\", \"for\": \"1h\"}".to_owned()));
    };
    let lasts = match &wish.lasts {
        None => OVERRIDE_DEFAULT,
        Some(text) => sluice_document::units::duration(text)
            .map_err(|fault| ApiError::Invalid(format!("`for` is no time such as 30m or 2h: {fault}")))?,
    };
    let signed = context.handle.sign_override(name, variant, lasts)?;
    let usage = signed.fields.iter().filter_map(|field| usage(field, &signed.token)).collect();
    Ok(Signed { signed, usage })
}

/// How curl sends a token in this field.
fn usage(field: &str, token: &str) -> Option<String> {
    let (kind, name) = field.split_once(':')?;
    match kind {
        "header" => Some(format!("curl -H '{name}: {token}' URL")),
        "cookie" => Some(format!("curl -b '{name}={token}' URL")),
        "query" => Some(format!("curl 'URL?{name}={token}'")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_at_the_wrong_verb_is_not_lost_in_silence() {
        let wish = |text: &str| serde_json::from_str::<Wish>(text).unwrap();
        assert_eq!(wish(r#"{"release": "v2", "reason": "new"}"#).check("start"), Ok(()));
        assert_eq!(wish(r#"{"variant": "canary", "for": "1h"}"#).check("override"), Ok(()));
        let refused = wish(r#"{"from_start": true}"#).check("pause");
        assert_eq!(refused, Err(ApiError::Invalid("`from_start` belongs to resume, not to pause".to_owned())));
        assert!(serde_json::from_str::<Wish>(r#"{"weight": 5}"#).is_err());
    }

    #[test]
    fn a_token_is_told_with_how_it_is_sent() {
        assert_eq!(usage("header:x-go", "t").as_deref(), Some("curl -H 'x-go: t' URL"));
        assert_eq!(usage("cookie:go", "t").as_deref(), Some("curl -b 'go=t' URL"));
        assert_eq!(usage("query:go", "t").as_deref(), Some("curl 'URL?go=t'"));
        assert_eq!(usage("client-address", "t"), None);
    }
}
