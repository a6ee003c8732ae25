//! Alerts on their way into the store: in order, tried again until the store takes them.

use std::sync::Arc;
use std::time::Duration;

use sluice_model::alert::{ALERT_COOLDOWN_MS, Alert};
use sluice_state::{Store, StoreError};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::fault::chain;

/// First wait after a failure, and the longest; each wait doubles the one before.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Runs until no more alerts can come; once control stops, each one left gets a single try. `_writing` tells the apply
/// loop that fences may still have to be answered.
pub(crate) async fn run(
    mut alerts: mpsc::Receiver<Alert>,
    store: Arc<dyn Store>,
    stop: CancellationToken,
    _writing: DropGuard,
) {
    while let Some(alert) = alerts.recv().await {
        deliver(&alert, store.as_ref(), &stop).await;
    }
}

async fn deliver(alert: &Alert, store: &dyn Store, stop: &CancellationToken) {
    let (id, rule) = (&alert.id, &alert.rule);
    let mut wait = RETRY_MIN;
    loop {
        let error = match store.append_alert(alert, Duration::from_millis(ALERT_COOLDOWN_MS)).await {
            Ok(true) => return tracing::warn!(%id, rule, route = alert.route, reason = alert.message, "alert raised"),
            Ok(false) => return,
            Err(error) => error,
        };
        let reason = chain(&error);
        if stop.is_cancelled() || is_final(&error) {
            return tracing::error!(%id, rule, reason, "alert not stored");
        }
        if wait == RETRY_MIN {
            tracing::warn!(%id, rule, reason, "alert waits for the store");
        }
        tokio::select! {
            () = sleep(wait) => {}
            () = stop.cancelled() => {}
        }
        wait = (wait * 2).min(RETRY_MAX);
    }
}

/// True if another try would end the same.
const fn is_final(error: &StoreError) -> bool {
    matches!(error, StoreError::Invalid(_) | StoreError::Document(_) | StoreError::Closed)
}
