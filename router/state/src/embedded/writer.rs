//! The one writer of the embedded store: takes jobs in order, runs each on a blocking thread, sends its events and then
//! its fence. Also the clock that ends leases and silences.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::TaskTracker;

use super::state::{Done, State};
use crate::clock::now_ms;
use crate::error::StoreError;
use crate::event::Event;
use crate::outbox::{Outbox, passed};

/// Writes that wait for the writer; more make the caller wait.
const JOBS_MAX: usize = 256;
/// How often leases are looked at: a lease ends at most this late, a small part of its 15 s.
const LEASE_CHECK_EVERY: Duration = Duration::from_millis(500);

/// A change, and the events that tell of it.
type Work = Box<dyn FnOnce(&mut State) -> Vec<Event> + Send>;

/// One change, and the fence behind its events.
struct Job {
    work: Work,
    fence: Option<oneshot::Sender<()>>,
}

/// Where changes are handed in.
#[derive(Clone)]
pub(super) struct Jobs(mpsc::Sender<Job>);

impl Jobs {
    /// Runs one change; returns after it is on disk and this router acts on it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut State) -> Done<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (fence, fenced) = oneshot::channel();
        let value = self.hand_in(Some(fence), change).await?;
        passed(fenced).await?;
        Ok(value)
    }

    /// Likewise, but nobody acts on it, so there is nothing to wait for.
    pub(super) async fn run_unfenced<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut State) -> Done<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.hand_in(None, change).await
    }

    async fn hand_in<T: Send + 'static>(
        &self,
        fence: Option<oneshot::Sender<()>>,
        change: impl FnOnce(&mut State) -> Done<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let work = Box::new(move |state: &mut State| {
            let (result, events) = match change(state) {
                Ok((value, events)) => (Ok(value), events),
                Err(error) => (Err(error), Vec::new()),
            };
            // The caller may have gone; the change stands all the same.
            let _gone = answer.send(result);
            events
        });
        self.0.send(Job { work, fence }).await.map_err(|_closed| StoreError::Closed)?;
        answered.await.map_err(|_closed| StoreError::Closed)?
    }
}

/// Starts the writer. `first` are the events that come before all others.
pub(super) fn start(state: State, first: Vec<Event>, outbox: Outbox, tracker: &TaskTracker) -> Jobs {
    let (jobs, queue) = mpsc::channel(JOBS_MAX);
    tracker.spawn(write(state, first, outbox, queue, tracker.clone()));
    Jobs(jobs)
}

async fn write(
    mut state: State,
    first: Vec<Event>,
    outbox: Outbox,
    mut queue: mpsc::Receiver<Job>,
    tracker: TaskTracker,
) {
    outbox.emit(first).await;
    let mut tick = interval(LEASE_CHECK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let (work, fence): (Work, _) = tokio::select! {
            biased;
            // Once stopped, what was handed in is still written: late aborts pass along.
            () = outbox.stop().cancelled(), if !queue.is_closed() => {
                queue.close();
                continue;
            }
            job = queue.recv() => match job {
                Some(job) => (job.work, job.fence),
                None => return,
            },
            _at = tick.tick() => (Box::new(expire), None),
        };
        let ran = tracker.spawn_blocking(move || {
            let events = work(&mut state);
            (state, events)
        });
        let Ok((back, events)) = ran.await else {
            tracing::error!("the writer of the embedded store broke; it takes no more changes");
            return;
        };
        state = back;
        outbox.emit(events.into_iter().chain(fence.map(Event::Fence))).await;
    }
}

fn expire(state: &mut State) -> Vec<Event> {
    match state.expire(now_ms()) {
        Ok(((), events)) => events,
        Err(error) => {
            tracing::error!(%error, "cannot end what is over");
            Vec::new()
        }
    }
}
