//! The access log: one JSON object per request, written when the request is over.
//!
//! A worker serialises a line into a buffer that it shares with one writer thread, and never waits for it: `queue` holds
//! the buffers, `line` makes the lines, `writer` and `destination` bring them out. Lines that find no room are counted.

mod destination;
mod line;
mod queue;
mod writer;

use std::io;
use std::sync::Arc;
use std::thread::Thread;
use std::time::Duration;

use sluice_policy::AccessLog as Target;
use sluice_snapshot::Traffic;
use sluice_snapshot::decisions::Facts;
use tokio::sync::oneshot;
use tokio::time::timeout;

use self::destination::Destination;
use self::queue::Queue;
use self::writer::Writer;
use crate::trail::Told;

/// How long the end of the process waits for the last lines to be written: a pipe that nobody reads must not hold it.
const FLUSH_MAX: Duration = Duration::from_secs(2);

/// A running access log. Its thread ends when the last worker's end is gone and everything is written.
#[derive(Debug)]
pub(crate) struct AccessLog {
    queues: Arc<[Queue]>,
    traffic: Arc<Traffic>,
    writer: Thread,
    ended: oneshot::Receiver<()>,
}

/// One worker's end.
pub(crate) struct Lines {
    /// `None` only while it is dropped.
    queues: Option<Arc<[Queue]>>,
    traffic: Arc<Traffic>,
    writer: Thread,
    worker: usize,
}

impl AccessLog {
    /// Starts the writer; `None` if nothing is to be logged.
    pub(crate) fn start(target: &Target, workers: usize, traffic: &Arc<Traffic>) -> io::Result<Option<Self>> {
        let Some(destination) = Destination::of(target) else { return Ok(None) };
        let queues: Arc<[Queue]> = (0..workers).map(|_| Queue::default()).collect();
        let (ended_sender, ended) = oneshot::channel();
        let writer = Writer::new(Arc::clone(&queues), destination, Arc::clone(traffic));
        let thread = std::thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            writer.run();
            // Nobody waits if the proxy was dropped.
            let _unheard = ended_sender.send(());
        })?;
        let writer = thread.thread().clone();
        Ok(Some(Self { queues, traffic: Arc::clone(traffic), writer, ended }))
    }

    /// The end of one worker.
    pub(crate) fn lines(&self, worker: usize) -> Lines {
        let queues = Some(Arc::clone(&self.queues));
        Lines { queues, traffic: Arc::clone(&self.traffic), writer: self.writer.clone(), worker }
    }

    /// Waits, within a bound, until everything is written. The workers have ended.
    pub(crate) async fn flush(self) {
        drop(self.queues);
        self.writer.unpark();
        if timeout(FLUSH_MAX, self.ended).await.is_err() {
            tracing::warn!("the last lines of the access log could not be written in time");
        }
    }
}

impl Lines {
    /// Hands over the line of a request. Never waits.
    pub(crate) fn write(&self, facts: &Facts<&str>, told: &Told<'_>) {
        let Some(queue) = self.queues.as_ref().map(|queues| &queues[self.worker]) else { return };
        match queue.append(|buffer| line::write(buffer, facts, told)) {
            Ok(false) => {}
            Ok(true) => self.writer.unpark(),
            Err(queue::Full) => {
                let dropped = &self.traffic.worker(self.worker).access_log_dropped;
                dropped.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // First the end, then the word that there is one.
        drop(self.queues.take());
        self.writer.unpark();
    }
}
