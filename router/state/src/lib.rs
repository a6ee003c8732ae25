//! The store of Sluice: switches, rollouts, leases and alerts, embedded in one router or shared by a fleet on Redis.
//!
//! [`open`] gives two ends. Through the [`Store`] the control plane writes; through the receiver it hears, in one
//! order, what is: first the whole content, ended by a [`Event::Health`], then each change, whoever made it. A write
//! returns after its own events have been taken in (see [`Event::Fence`]).
//!
//! Nothing here is on the path of a request, and nothing here decides: transitions are computed by `sluice-model`.
//! No other crate of the router names `redis` or `redb`.

mod clock;
mod config;
mod embedded;
mod error;
mod event;
mod figures;
mod names;
mod notice;
mod outbox;
mod record;
mod redis;
mod store;

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use crate::config::{Backend, Config};
pub use crate::error::{OpenError, StoreError};
pub use crate::event::{Event, FlagDocument, Health, SwitchValue};
pub use crate::redis::leases::Leases;
pub use crate::redis::secrets::SecretFault;
pub use crate::redis::url::UrlFault;
pub use crate::store::{
    ALERTS_MAX, AUDIT_ENTRIES_MAX, DEAD_LETTERS_MAX, DELIVERIES_AT_ONCE_MAX, DELIVERY_IDLE_MAX, Delivery, FIRING_MAX,
    FLAG_DOCUMENT_BYTES_MAX, FLAG_SETS_MAX, Group, Leadership, ROLLOUTS_MAX, SCALE_OPERATION_KEPT, SENT_KEPT,
    SERVERS_MAX, SWITCHES_MAX, Store,
};

/// Events on their way to the control plane. A full queue makes the store wait, it never drops.
const EVENTS_QUEUE_MAX: usize = 1_024;

/// Opens the store. Its tasks run on `tracker` and end when `stop` is cancelled, after what was written is on disk.
///
/// With Redis this returns at once, whether or not Redis answers: the first events tell.
///
/// # Errors
/// [`OpenError`] if a name or the URL is not valid, or the embedded file is in use or unreadable.
pub async fn open(
    config: Config,
    tracker: &TaskTracker,
    stop: CancellationToken,
) -> Result<(Arc<dyn Store>, mpsc::Receiver<Event>), OpenError> {
    names::check_config(&config)?;
    let (events, receiver) = mpsc::channel(EVENTS_QUEUE_MAX);
    let outbox = outbox::Outbox::new(events, stop);
    let store: Arc<dyn Store> = match &config.backend {
        Backend::Embedded => Arc::new(embedded::open(&config, outbox, tracker).await?),
        Backend::Redis { url } => Arc::new(redis::open(url, &config, outbox, tracker)?),
    };
    Ok((store, receiver))
}
