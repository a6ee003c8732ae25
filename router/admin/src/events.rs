//! `/v1/events`: server-sent events that say "something that a page shows changed"; the page then asks for it.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::get;
use futures_util::Stream;
use futures_util::stream;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use crate::Shared;

/// A page is told at least this often, so that rates and lease ages move.
const TICK: Duration = Duration::from_secs(1);

pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/v1/events", get(events))
}

async fn events(State(context): State<Shared>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let changes = context.handle.subscribe();
    let stop = context.stop.clone();
    let stream = stream::unfold((changes, stop), async |(mut changes, stop)| {
        let name = tokio::select! {
            () = stop.cancelled() => return None,
            change = timeout(TICK, changes.recv()) => match change {
                Err(_elapsed) => "tick",
                Ok(Ok(()) | Err(RecvError::Lagged(_))) => "change",
                Ok(Err(RecvError::Closed)) => return None,
            },
        };
        Some((Ok(Event::default().event(name).data("{}")), (changes, stop)))
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}
