//! The one way events leave the store, and the wait for the fence behind a write.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::error::StoreError;
use crate::event::Event;

/// How long a write waits until the control plane has acted on it; more means that it hangs.
const FENCE_WAIT_MAX: Duration = Duration::from_secs(5);

/// The sending end of the events.
pub(crate) struct Outbox {
    events: mpsc::Sender<Event>,
    stop: CancellationToken,
}

impl Outbox {
    pub(crate) const fn new(events: mpsc::Sender<Event>, stop: CancellationToken) -> Self {
        Self { events, stop }
    }

    /// Cancelled when the store shall end.
    pub(crate) const fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Sends in order, waiting while the queue is full. Once stopped, what does not fit is dropped: nobody may listen.
    pub(crate) async fn emit(&self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            tokio::select! {
                biased;
                _sent = self.events.send(event) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }
}

/// Waits until the control plane has answered the fence.
pub(crate) async fn passed(fence: oneshot::Receiver<()>) -> Result<(), StoreError> {
    match timeout(FENCE_WAIT_MAX, fence).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(StoreError::Unconfirmed),
    }
}
