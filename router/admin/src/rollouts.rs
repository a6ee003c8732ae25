//! `/v1/rollouts`: looking at rollouts and steering them. Weights are percent with at most two decimals.

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sluice_model::rollout::{Begin, Command, RolloutState};
use sluice_model::weight::BasisPoints;
use sluice_snapshot::RolloutCell;

use crate::error::ApiError;
use crate::{Shared, api};

/// Who the audit fields of a rollout name for changes made here.
const BY: &str = "admin";

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/rollouts", get(list))
        .route("/v1/rollouts/{name}", get(show).put(set_weight))
        .route("/v1/rollouts/{name}/{verb}", post(steer))
}

/// A rollout as the API shows it.
#[derive(Debug, Serialize)]
struct View {
    name: String,
    state: RolloutState,
    /// Percent of new users that the canary has while running; kept over an abort.
    weight: f64,
    /// Percent that counts now.
    effective_weight: f64,
    salt: String,
    epoch: u64,
    run: u64,
    reason: String,
    by: String,
    changed_ms: u64,
    /// Aborts that act here already and are on their way to the store.
    pending_aborts: usize,
}

fn view(cell: &RolloutCell) -> Option<View> {
    let rollout = cell.view()?;
    let pending = cell.pending();
    let aborted = cell.is_aborted();
    Some(View {
        name: cell.name().to_owned(),
        state: if aborted { RolloutState::Aborted } else { rollout.state },
        weight: rollout.weight_bps.as_percent(),
        effective_weight: if aborted { 0.0 } else { rollout.effective_weight().as_percent() },
        salt: rollout.salt.clone(),
        epoch: rollout.epoch,
        run: rollout.run,
        reason: pending.last().map_or_else(|| rollout.reason.clone(), |abort| abort.reason.clone()),
        by: rollout.by.clone(),
        changed_ms: rollout.changed_ms,
        pending_aborts: pending.len(),
    })
}

async fn list(State(context): State<Shared>) -> Json<Vec<View>> {
    Json(context.handle.cells().rollouts().iter().filter_map(|cell| view(cell)).collect())
}

async fn show(State(context): State<Shared>, Path(name): Path<String>) -> Result<Json<View>, ApiError> {
    find(&context, &name).map(Json)
}

fn find(context: &Shared, name: &str) -> Result<View, ApiError> {
    let cell = context.handle.cells().find_rollout(name);
    cell.and_then(|cell| view(&cell)).ok_or_else(|| ApiError::NotFound(format!("no rollout is named `{name}`")))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Weight {
    weight: f64,
}

async fn set_weight(
    State(context): State<Shared>,
    Path(name): Path<String>,
    body: api::Body<Weight>,
) -> Result<Json<View>, ApiError> {
    let weight = BasisPoints::from_percent(body.0.weight).map_err(|error| ApiError::Invalid(error.to_string()))?;
    run(&context, &name, Command::set_weight(weight)).await
}

async fn steer(
    State(context): State<Shared>,
    Path((name, verb)): Path<(String, String)>,
) -> Result<Json<View>, ApiError> {
    let command = match verb.as_str() {
        "start" => Command::Start(Begin::default()),
        "pause" => Command::Pause,
        "resume" => Command::Resume,
        "promote" => Command::Promote,
        "abort" => Command::Abort { id: api::operator_id(), reason: "aborted by an operator".to_owned() },
        _ => {
            let message = format!("no verb `{verb}`: start, pause, resume, abort or promote");
            return Err(ApiError::NotFound(message));
        }
    };
    run(&context, &name, command).await
}

async fn run(context: &Shared, name: &str, command: Command) -> Result<Json<View>, ApiError> {
    context.handle.command(name, command, BY).await?;
    find(context, name).map(Json)
}
