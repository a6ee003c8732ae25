//! The workshop: one thread of low priority that compiles plugins and makes instances, one job at a time, so that a
//! reload takes nothing from the workers but idle time.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

/// Jobs that wait; whoever has more waits with them.
const JOBS_WAITING_MAX: usize = 4;

/// `nice` of the thread: workers at 0 get about ten times its share of a contended core (`sched(7)`).
const NICENESS: i32 = 10;

type Job = Box<dyn FnOnce() + Send>;

/// The way to hand a job to the thread, which ends when the last clone is gone.
#[derive(Clone, Debug)]
pub(crate) struct Workshop {
    jobs: mpsc::Sender<Job>,
}

impl Workshop {
    /// Starts the thread; `tracker` waits for its end.
    pub(crate) fn start(tracker: &TaskTracker) -> std::io::Result<Self> {
        let (jobs, mut waiting) = mpsc::channel::<Job>(JOBS_WAITING_MAX);
        let token = tracker.token();
        std::thread::Builder::new().name("sluice-workshop".to_owned()).spawn(move || {
            lower_priority();
            while let Some(job) = waiting.blocking_recv() {
                if catch_unwind(AssertUnwindSafe(job)).is_err() {
                    tracing::error!("a job of the workshop panicked");
                }
            }
            drop(token);
        })?;
        Ok(Self { jobs })
    }

    /// Runs a job there and waits for it. `None` = it panicked, or the thread is gone.
    pub(crate) async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (sender, result) = oneshot::channel();
        let job = Box::new(move || {
            // An error means that nobody waits any more.
            let _unwanted = sender.send(job());
        });
        self.jobs.send(job).await.ok()?;
        result.await.ok()
    }
}

/// On Linux a niceness belongs to the calling thread, not to the process (`setpriority(2)`, "C library/kernel
/// differences"); elsewhere the whole process would become nicer, so there it is left alone.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "the workshop keeps its priority");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn jobs_run_in_order_and_a_panic_costs_only_itself() {
        let tracker = TaskTracker::new();
        let workshop = Workshop::start(&tracker).unwrap();
        assert_eq!(workshop.run(|| 1).await, Some(1));
        assert_eq!(workshop.run(|| -> u8 { panic!("as told") }).await, None);
        assert_eq!(workshop.run(|| 2).await, Some(2));
        drop(workshop);
        tracker.close();
        tracker.wait().await;
    }
}
