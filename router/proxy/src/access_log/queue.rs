//! Lines on their way from one worker to the writer: two buffers behind a lock each. The writer holds at most one of them
//! at a time, for as long as it takes to swap it for an empty one, so the worker always finds the other one free.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// Bytes that may wait in each buffer; a line that begins below it is taken whole. At 100,000 lines a second the writer
/// may stand still for about 30 ms.
pub(super) const WAITING_BYTES_MAX: usize = 1 << 20;

/// The queue of one worker.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Queue {
    slots: [Mutex<Slot>; 2],
}

#[derive(Debug, Default)]
struct Slot {
    lines: Vec<u8>,
    /// The writer sleeps, and wants to be told of the next line.
    wants_word: bool,
}

/// There was no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Queue {
    /// Appends a line that `write` makes. True if the writer must be woken. Never waits.
    pub(super) fn append(&self, write: impl FnOnce(&mut Vec<u8>)) -> Result<bool, Full> {
        let mut slot = self.slots.iter().find_map(free).ok_or(Full)?;
        write(&mut slot.lines);
        Ok(std::mem::take(&mut slot.wants_word))
    }

    /// Swaps each buffer that holds lines for the empty one in `spare`, and hands it to `write`. True if there were any;
    /// whoever appends to a buffer that was empty wakes the writer.
    pub(super) fn take(&self, spare: &mut Vec<u8>, mut write: impl FnMut(&[u8])) -> bool {
        let mut has_taken = false;
        for slot in &self.slots {
            {
                let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
                slot.wants_word = slot.lines.is_empty();
                std::mem::swap(&mut slot.lines, spare);
            }
            if !spare.is_empty() {
                has_taken = true;
                write(spare);
                spare.clear();
            }
        }
        has_taken
    }
}

/// The slot, if it is not held and has room.
fn free(slot: &Mutex<Slot>) -> Option<MutexGuard<'_, Slot>> {
    let slot = match slot.try_lock() {
        Ok(slot) => slot,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return None,
    };
    (slot.lines.len() < WAITING_BYTES_MAX).then_some(slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(queue: &Queue) -> String {
        let mut all = String::new();
        queue.take(&mut Vec::new(), |lines| all.push_str(std::str::from_utf8(lines).unwrap()));
        all
    }

    fn append(queue: &Queue, line: &str) -> Result<bool, Full> {
        queue.append(|buffer| buffer.extend_from_slice(line.as_bytes()))
    }

    #[test]
    fn the_writer_is_woken_once_by_the_first_line_after_it_found_none() {
        let queue = Queue::default();
        assert_eq!(append(&queue, "a\n"), Ok(false), "it has not looked yet");
        assert_eq!(taken(&queue), "a\n");
        assert_eq!(taken(&queue), "");
        assert_eq!((append(&queue, "b\n"), append(&queue, "c\n")), (Ok(true), Ok(false)));
        assert_eq!(taken(&queue), "b\nc\n");
    }

    #[test]
    fn a_worker_goes_on_while_the_writer_holds_a_buffer() {
        let queue = Queue::default();
        let held = queue.slots[0].lock().unwrap();
        assert!(append(&queue, "a\n").is_ok());
        drop(held);
        assert_eq!(taken(&queue), "a\n");
    }

    #[test]
    fn what_waits_is_bounded() {
        let queue = Queue::default();
        let half = "x".repeat(WAITING_BYTES_MAX / 2);
        for _ in 0..4 {
            assert!(append(&queue, &half).is_ok());
        }
        assert_eq!(append(&queue, "one more\n"), Err(Full));
        assert_eq!(taken(&queue).len(), 2 * WAITING_BYTES_MAX);
        assert!(append(&queue, "again\n").is_ok());
    }
}
