//! The change stream: `GET /ofrep/v1/events` says `{"type":"refetchEvaluation"}` whenever any flag changed. Changes that come
//! faster than a listener reads are told once.
//!
//! A listener who does not say what it has seen last is told at once: flags may have changed between its question and its
//! arrival, and asking again costs a 304.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, stream};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::json;
use sluice_control::FlagBook;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use crate::Shared;
use crate::api::now_ms;
use crate::auth;
use crate::ofrep::{Limits, ticket};

/// What a listener that comes back has seen last (WHATWG HTML, server-sent events).
const LAST_EVENT_ID: &str = "last-event-id";

#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    ticket: Option<String>,
}

pub(super) async fn listen(State(context): State<Shared>, Query(entry): Query<Entry>, headers: HeaderMap) -> Response {
    let with_ticket = match (&context.tokens.operator, &entry.ticket) {
        (Some(operator), Some(ticket)) => ticket::is_good(ticket, operator, now_ms() / 1000),
        _ => false,
    };
    if !with_ticket && let Err(refused) = auth::may_read(&context, &headers) {
        return refused.into_response();
    }
    let place = match Limits::place(&context.ofrep.listeners) {
        Ok(place) => place,
        Err(failure) => return failure.into_response(),
    };
    let seen = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
    let books = context.handle.flag_changes();
    Sse::new(changes(books, seen, context.stop.clone(), place)).keep_alive(KeepAlive::default()).into_response()
}

/// Where a listener stands.
struct Listener {
    books: watch::Receiver<Arc<FlagBook>>,
    /// The ETag of the definitions that it knows of.
    known: Option<String>,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
}

fn changes(
    books: watch::Receiver<Arc<FlagBook>>,
    seen: Option<String>,
    stop: CancellationToken,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let listener = Listener { books, known: seen, stop, _place: place };
    stream::unfold(listener, async |mut listener| {
        let stop = listener.stop.clone();
        loop {
            let etag = listener.books.borrow_and_update().etag().to_owned();
            if listener.known.as_ref() != Some(&etag) {
                let data = json!({"type": "refetchEvaluation", "etag": format!("\"{etag}\"")});
                let event = Event::default().event("message").id(etag.clone()).data(data.to_string());
                listener.known = Some(etag);
                return Some((Ok(event), listener));
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                changed = listener.books.changed() => changed.ok()?,
            }
        }
    })
}
