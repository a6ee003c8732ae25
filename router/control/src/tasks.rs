//! How control starts what runs beside it: named, tracked, and told when to stop.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// The tracker and the token that all tasks of control share.
#[derive(Clone, Debug)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    pub(crate) const fn new(tracker: TaskTracker, stop: CancellationToken) -> Self {
        Self { tracker, stop }
    }

    /// Cancelled when control is to stop.
    pub(crate) const fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Runs `task` until it ends or control stops. It is dropped at an await, so it must be cancel safe.
    pub(crate) fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.spawn_to_its_end(name, async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// Runs `task` until it ends; it watches [`Tasks::stop`] itself.
    pub(crate) fn spawn_to_its_end(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let task = async move {
            let _end = End { name };
            task.await;
        };
        self.tracker.spawn(task.instrument(tracing::info_span!("task", name)));
    }

    /// Runs blocking work off the runtime. `None` = it panicked, or the runtime is going down.
    pub(crate) async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        self.tracker.spawn_blocking(work).await.ok()
    }
}

/// Tells a task that ended by a panic from one that was done.
struct End {
    name: &'static str,
}

impl Drop for End {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(task = self.name, "task ended by a panic; its part of control stands still");
        } else {
            tracing::debug!(task = self.name, "task ended");
        }
    }
}
