//! `/v1/alerts`: what was raised, what is up, who was told; silences, dead letters, trying sinks out.

use std::collections::BTreeMap;

use axum::extract::{ConnectInfo, Path, Query, State};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_control::NoticeOutcome;
use sluice_model::alert::{Alert, DeadLetter, Firing};
use sluice_model::silence::Silence;
use std::net::SocketAddr;

use crate::auth::caller;
use crate::error::ApiError;
use crate::{Shared, api};

/// Alerts and dead letters that one call returns at the most.
const ENTRIES_MAX: usize = 1_000;
/// Alerts and dead letters that a call returns unless it asks for more.
const ENTRIES_DEFAULT: usize = 100;
/// Longest silence: what lasts longer is a change of the policy.
pub(crate) const SILENCE_SECONDS_MAX: u64 = 30 * 24 * 60 * 60;
/// Milliseconds per second.
const MILLIS: u64 = 1_000;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/alerts", get(list))
        .route("/v1/alerts/firing", get(firing))
        .route("/v1/alerts/silences", get(silences).post(silence))
        .route("/v1/alerts/silences/{id}", delete(unsilence))
        .route("/v1/alerts/test", post(test))
        .route("/v1/alerts/dead", get(dead))
        .route("/v1/alerts/dead/replay", post(replay_all))
        .route("/v1/alerts/dead/{entry}/replay", post(replay))
}

#[derive(Debug, Deserialize)]
struct Page {
    limit: Option<usize>,
}

impl Page {
    fn newest(&self) -> usize {
        self.limit.unwrap_or(ENTRIES_DEFAULT).min(ENTRIES_MAX)
    }
}

#[derive(Debug, Serialize)]
struct View {
    #[serde(flatten)]
    alert: Alert,
    /// How it stands with the sinks that this router told.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    deliveries: BTreeMap<String, NoticeOutcome>,
    /// A silence kept it from being told.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    silenced: bool,
}

/// Newest first; `?limit=N`, at most [`ENTRIES_MAX`].
async fn list(State(context): State<Shared>, Query(page): Query<Page>) -> Result<Json<Vec<View>>, ApiError> {
    let alerts = context.handle.alerts(page.newest()).await?;
    let view = |alert: Alert| {
        let mut deliveries = context.handle.deliveries(&alert.id);
        let silenced = deliveries.remove(&None).is_some();
        let deliveries = deliveries.into_iter().filter_map(|(sink, outcome)| Some((sink?, outcome))).collect();
        View { alert, deliveries, silenced }
    };
    Ok(Json(alerts.into_iter().map(view).collect()))
}

async fn firing(State(context): State<Shared>) -> Result<Json<Vec<Firing>>, ApiError> {
    Ok(Json(context.handle.firing().await?))
}

async fn silences(State(context): State<Shared>) -> Json<Vec<Silence>> {
    let now_ms = api::now_ms();
    Json(context.handle.silences().iter().filter(|silence| now_ms < silence.until_ms).cloned().collect())
}

/// A silence as it is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    rule: Option<String>,
    route: Option<String>,
    fingerprint: Option<String>,
    /// Silence everything; said on purpose, for a forgotten name would do the same.
    #[serde(default)]
    all: bool,
    seconds: u64,
    #[serde(default)]
    reason: String,
}

impl Wish {
    fn check(self, by: String, now_ms: u64) -> Result<Silence, ApiError> {
        let invalid = |message: &str| Err(ApiError::Invalid(message.to_owned()));
        if self.seconds == 0 || self.seconds > SILENCE_SECONDS_MAX {
            return invalid("`seconds` is from 1 to 2592000, which is 30 days");
        }
        let names_one = self.rule.is_some() || self.route.is_some() || self.fingerprint.is_some();
        if names_one == self.all {
            return invalid("name `rule`, `route` or `fingerprint`; or say `\"all\": true`, and none of them");
        }
        let Self { rule, route, fingerprint, reason, seconds, all: _ } = self;
        let until_ms = now_ms.saturating_add(seconds * MILLIS);
        Ok(Silence { id: String::new(), rule, route, fingerprint, until_ms, by, reason })
    }
}

async fn silence(
    State(context): State<Shared>,
    connection: ConnectInfo<SocketAddr>,
    body: api::Body<Wish>,
) -> Result<Json<Silence>, ApiError> {
    let wanted = body.0.check(caller(connection), api::now_ms())?;
    Ok(Json(context.handle.put_silence(wanted).await?))
}

async fn unsilence(
    State(context): State<Shared>,
    connection: ConnectInfo<SocketAddr>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    if context.handle.delete_silence(&id, &caller(connection)).await? {
        return Ok(Json(json!({ "ended": id })));
    }
    Err(ApiError::NotFound(format!("no silence has the id `{id}`")))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    /// `None` = all of them.
    sink: Option<String>,
}

/// What became of one try.
#[derive(Debug, Serialize)]
struct Tried {
    sink: String,
    kind: &'static str,
    ok: bool,
    took_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Whether a real notice would be tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    retryable: Option<bool>,
}

/// Tells sinks of something that did not happen, at once and past the store. 200 also if a sink did not take it.
async fn test(
    State(context): State<Shared>,
    connection: ConnectInfo<SocketAddr>,
    body: api::PerhapsBody<Test>,
) -> Result<Json<Vec<Tried>>, ApiError> {
    let only = body.0.unwrap_or_default().sink;
    let tried = context.handle.try_sinks(only.as_deref(), &caller(connection)).await?;
    let view = |tried: sluice_control::SinkTried| {
        let (error, retryable) = tried.error.unzip();
        let took_ms = u64::try_from(tried.took.as_millis()).unwrap_or(u64::MAX);
        Tried { sink: tried.sink, kind: tried.kind, ok: error.is_none(), took_ms, error, retryable }
    };
    Ok(Json(tried.into_iter().map(view).collect()))
}

/// Newest first; `?limit=N`.
async fn dead(State(context): State<Shared>, Query(page): Query<Page>) -> Result<Json<Vec<DeadLetter>>, ApiError> {
    Ok(Json(context.handle.dead_letters(page.newest()).await?))
}

async fn replay(
    State(context): State<Shared>,
    connection: ConnectInfo<SocketAddr>,
    Path(entry): Path<String>,
) -> Result<Json<Value>, ApiError> {
    if context.handle.replay(&entry, &caller(connection)).await? {
        return Ok(Json(json!({ "replayed": 1 })));
    }
    Err(ApiError::NotFound(format!("no dead letter has the entry `{entry}`")))
}

/// Oldest first; those that are buried meanwhile stay.
async fn replay_all(
    State(context): State<Shared>,
    connection: ConnectInfo<SocketAddr>,
) -> Result<Json<Value>, ApiError> {
    let by = caller(connection);
    let mut replayed = 0;
    for letter in context.handle.dead_letters(ENTRIES_MAX).await?.iter().rev() {
        replayed += u64::from(context.handle.replay(&letter.entry, &by).await?);
    }
    Ok(Json(json!({ "replayed": replayed })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(body: Value) -> Result<Silence, ApiError> {
        serde_json::from_value::<Wish>(body).unwrap().check("admin".to_owned(), 1_000)
    }

    #[test]
    fn a_silence_says_what_and_for_how_long() {
        let silence = wish(json!({"rule": "size", "seconds": 60, "reason": "known"})).unwrap();
        assert_eq!((silence.rule.as_deref(), silence.until_ms, &*silence.by), (Some("size"), 61_000, "admin"));
        assert!(wish(json!({"seconds": 60, "all": true})).is_ok());
        assert!(wish(json!({"rule": "size", "seconds": SILENCE_SECONDS_MAX})).is_ok());
        for wrong in [
            json!({"seconds": 60}),
            json!({"seconds": 60, "all": true, "rule": "size"}),
            json!({"rule": "size", "seconds": 0}),
            json!({"rule": "size", "seconds": SILENCE_SECONDS_MAX + 1}),
        ] {
            assert!(wish(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
