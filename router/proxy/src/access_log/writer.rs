//! The thread that takes lines from the workers and writes them, in batches.

use std::sync::Arc;
use std::thread::park_timeout;
use std::time::Duration;

use sluice_snapshot::Traffic;

use super::destination::Destination;
use super::queue::Queue;

/// How long lines gather before they are written together: a hundred writes a second, whatever the traffic.
const GATHER: Duration = Duration::from_millis(10);
/// How often the writer looks around when no line comes: for a file that was moved away.
const LOOK_AROUND: Duration = Duration::from_secs(1);
/// A buffer that a burst made larger than this is given back.
const SPARE_BYTES_MAX: usize = 256 << 10;

pub(super) struct Writer {
    queues: Arc<[Queue]>,
    destination: Destination,
    traffic: Arc<Traffic>,
    /// Where lines are swapped for emptiness.
    spare: Vec<u8>,
    /// Lines lost since writing failed; `None` while it works.
    lost: Option<u64>,
}

impl Writer {
    pub(super) fn new(queues: Arc<[Queue]>, destination: Destination, traffic: Arc<Traffic>) -> Self {
        Self { queues, destination, traffic, spare: Vec::new(), lost: None }
    }

    /// Writes until the last worker's end is gone, and then what is left.
    pub(super) fn run(mut self) {
        loop {
            // Asked before the last look: who is gone by now has appended everything.
            let is_alone = Arc::strong_count(&self.queues) == 1;
            let has_written = self.write_all();
            if is_alone {
                return;
            }
            self.destination.look_around();
            park_timeout(if has_written { GATHER } else { LOOK_AROUND });
        }
    }

    fn write_all(&mut self) -> bool {
        let mut has_written = false;
        for queue in Arc::clone(&self.queues).iter() {
            let mut spare = std::mem::take(&mut self.spare);
            has_written |= queue.take(&mut spare, |lines| self.write(lines));
            spare.shrink_to(SPARE_BYTES_MAX);
            self.spare = spare;
        }
        has_written
    }

    fn write(&mut self, lines: &[u8]) {
        let (name, written) = (self.destination.name(), self.destination.write(lines));
        match (written, self.lost) {
            (Ok(()), None) => {}
            (Ok(()), Some(lost)) => {
                tracing::info!(to = %name, lost, "access log is written again");
                self.lost = None;
            }
            (Err((error, unwritten)), before) => {
                if before.is_none() {
                    tracing::warn!(to = %name, %error, "access log cannot be written: its lines are lost");
                }
                self.lost = Some(before.unwrap_or_default() + unwritten);
                self.traffic.access_log_unwritten(unwritten);
            }
        }
    }
}
