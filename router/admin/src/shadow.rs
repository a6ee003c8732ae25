//! `/v1/shadow`: how the answers of mirrors compare with those that clients got. Of contents nothing is kept, so none is told.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use sluice_snapshot::shadow::{Difference, ShadowTotals};

use crate::Shared;

pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/v1/shadow", get(show))
}

#[derive(Serialize)]
struct Shadow {
    /// By route and mirror.
    comparisons: Vec<ShadowTotals>,
    /// The last ones, newest first.
    differences: Vec<Difference>,
}

async fn show(State(context): State<Shared>) -> Json<Shadow> {
    let shadows = context.handle.traffic().shadows();
    Json(Shadow { comparisons: shadows.totals(), differences: shadows.last() })
}
