//! `/v1/audit`: who changed what, when and why; and the same as it happens, with what clients of the store changed by
//! themselves.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::{Stream, stream};
use serde::Deserialize;
use sluice_model::audit::AuditEntry;
use tokio::sync::broadcast::error::RecvError;

use crate::Shared;
use crate::error::ApiError;

/// Entries that one call returns at the most.
const ENTRIES_MAX: usize = 1_000;
/// Entries that a call returns unless it asks for more.
const ENTRIES_DEFAULT: usize = 100;

pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/v1/audit", get(list)).route("/v1/audit/events", get(events))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    /// `flag:NAME`, `flags:SET`, `rollout:NAME`, `silence:ID`.
    key: Option<String>,
    limit: Option<usize>,
}

/// Newest first; `?limit=N`, at most [`ENTRIES_MAX`].
async fn list(State(context): State<Shared>, Query(page): Query<Page>) -> Result<Json<Vec<AuditEntry>>, ApiError> {
    let newest = page.limit.unwrap_or(ENTRIES_DEFAULT).min(ENTRIES_MAX);
    Ok(Json(context.handle.audit(page.key.as_deref(), newest).await?))
}

/// Which changes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    key: Option<String>,
}

/// An event `change` for each one, and `missed` where a slow reader missed some. Begins with `open`: what is changed
/// after that is told.
async fn events(
    State(context): State<Shared>,
    Query(wanted): Query<Wanted>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let changes = context.handle.changes();
    let stop = context.stop.clone();
    let is_wanted = move |entry: &AuditEntry| wanted.key.as_ref().is_none_or(|key| *key == entry.key);
    let told = stream::unfold((changes, stop, is_wanted), async |(mut changes, stop, is_wanted)| {
        loop {
            let heard = tokio::select! {
                () = stop.cancelled() => return None,
                heard = changes.recv() => heard,
            };
            let event = match heard {
                Ok(entry) if is_wanted(&entry) => change(&entry),
                Ok(_) => continue,
                Err(RecvError::Lagged(count)) => Event::default().event("missed").data(count.to_string()),
                Err(RecvError::Closed) => return None,
            };
            return Some((Ok(event), (changes, stop, is_wanted)));
        }
    });
    let open = stream::once(async { Ok(Event::default().event("open").data("{}")) });
    Sse::new(futures_util::StreamExt::chain(open, told)).keep_alive(KeepAlive::default())
}

fn change(entry: &Arc<AuditEntry>) -> Event {
    let event = Event::default().event("change").id(&entry.id);
    let data = serde_json::to_string(&**entry).unwrap_or_default();
    event.data(data)
}
