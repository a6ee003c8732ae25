//! One flag for one caller: `POST /ofrep/v1/evaluate/flags/{key}`.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::Shared;
use crate::ofrep::asked::Caller;
use crate::ofrep::failure::Failure;
use crate::ofrep::{Limits, shown};

pub(super) async fn evaluate(State(context): State<Shared>, Path(key): Path<String>, body: Body) -> Response {
    match answer(&context, &key, body).await {
        Ok(evaluation) => Json(evaluation).into_response(),
        Err(failure) => failure.about(&key),
    }
}

async fn answer(context: &Shared, key: &str, body: Body) -> Result<Value, Failure> {
    let _place = Limits::place(&context.ofrep.questions)?;
    let caller = Caller::read(body).await?;
    let book = context.handle.flag_book();
    let evaluation = book.evaluate(key, &caller.context());
    shown(key, &evaluation).map(Value::Object).map_err(Failure::Evaluation)
}
