//! Looks at the frames that a client sends over HTTP/2, before `h2` takes them: when its first one came, whether a head
//! is unfinished, and whether it sends many that ask for nothing (RFC 9113 section 10.5).
//!
//! `h2` bounds what such frames may cost in memory; what they cost in time is bounded here. Only frame heads are read;
//! what a frame means is for `h2` to say.

use std::cell::{Cell, RefCell};

use tokio::time::Instant;

use super::clock::Clock;

/// What a client that knows the protocol sends first (RFC 9113 section 3.4). It is no request of HTTP/1.1.
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of a frame's head (RFC 9113 section 4.1).
const HEAD_BYTES: usize = 9;

// Types and flags of frames (RFC 9113 section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// Frames that ask for nothing which a connection may send ahead of any use. A client that sends a PING every ten seconds
/// for the hour that a connection lives by default stays far below.
const IDLE_FRAMES_MAX: u64 = 1_000;
/// Such frames that each answered request allows: its window updates, a reset, a ping.
const IDLE_FRAMES_PER_ANSWER: u64 = 8;
/// Bytes sent to the client that allow one more: it may answer each with a window update for its stream and one for the
/// connection, and measures the path with pings.
const SENT_BYTES_PER_IDLE_FRAME: u64 = 512;

/// What was seen of one connection's frames.
#[derive(Debug)]
pub(super) struct Frames {
    cursor: RefCell<Cursor>,
    idle_frames: Cell<u64>,
    answers: Cell<u64>,
    sent_bytes: Cell<u64>,
    last_read: Cell<Instant>,
}

/// Where in the stream of frames we are.
#[derive(Debug)]
struct Cursor {
    head: [u8; HEAD_BYTES],
    /// Bytes of the next frame's head that came.
    head_bytes: usize,
    /// Bytes to pass over before it.
    skip_bytes: usize,
}

impl Frames {
    /// For a connection of which nothing was read, not even the preface.
    pub(super) fn new(now: Instant) -> Self {
        let cursor = Cursor { head: [0; HEAD_BYTES], head_bytes: 0, skip_bytes: PREFACE.len() };
        Self {
            cursor: RefCell::new(cursor),
            idle_frames: Cell::new(0),
            answers: Cell::new(0),
            sent_bytes: Cell::new(0),
            last_read: Cell::new(now),
        }
    }

    /// Bytes came from the client.
    pub(super) fn received(&self, mut bytes: &[u8], clock: &Clock) {
        self.last_read.set(Instant::now());
        let mut cursor = self.cursor.borrow_mut();
        while !bytes.is_empty() {
            bytes = match cursor.skip_bytes.min(bytes.len()) {
                0 => cursor.fill_head(bytes),
                skipped => {
                    cursor.skip_bytes -= skipped;
                    &bytes[skipped..]
                }
            };
            if cursor.head_bytes == HEAD_BYTES {
                cursor.head_bytes = 0;
                let [high, middle, low, kind, flags, ..] = cursor.head;
                let payload_bytes = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
                cursor.skip_bytes = payload_bytes;
                self.frame(kind, flags, payload_bytes, clock);
            }
        }
    }

    fn frame(&self, kind: u8, flags: u8, payload_bytes: usize, clock: &Clock) {
        match kind {
            HEADERS | CONTINUATION if flags & END_HEADERS != 0 => clock.head_over(),
            HEADERS | CONTINUATION => clock.head_begun(),
            SETTINGS if self.idle_frames.get() == 0 => {
                clock.settled();
                self.idle();
            }
            DATA if payload_bytes > 0 || flags & END_STREAM != 0 => {}
            _ => self.idle(),
        }
    }

    fn idle(&self) {
        self.idle_frames.set(self.idle_frames.get() + 1);
    }

    /// Bytes went out to the client.
    pub(super) fn sent(&self, bytes: usize) {
        self.sent_bytes.set(self.sent_bytes.get() + bytes as u64);
    }

    /// A request was answered whole.
    pub(super) fn answered(&self) {
        self.answers.set(self.answers.get() + 1);
    }

    /// When the client was last heard of.
    pub(super) fn last_read(&self) -> Instant {
        self.last_read.get()
    }

    /// True once the client has sent too many frames that ask for nothing.
    pub(super) fn is_flood(&self) -> bool {
        let earned = self.answers.get() * IDLE_FRAMES_PER_ANSWER + self.sent_bytes.get() / SENT_BYTES_PER_IDLE_FRAME;
        self.idle_frames.get() > IDLE_FRAMES_MAX + earned
    }
}

impl Cursor {
    /// Takes what belongs to the head, and returns the rest.
    fn fill_head<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (taken, rest) = bytes.split_at(bytes.len().min(HEAD_BYTES - self.head_bytes));
        self.head[self.head_bytes..self.head_bytes + taken.len()].copy_from_slice(taken);
        self.head_bytes += taken.len();
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: [u8; 17] = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];

    #[test]
    fn frames_are_found_however_they_are_cut() {
        let wire: Vec<u8> = [&PREFACE[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0], &PING, &PING].concat();
        for bytes in 1..=wire.len() {
            let frames = Frames::new(Instant::now());
            let clock = Clock::new(Instant::now());
            wire.chunks(bytes).for_each(|chunk| frames.received(chunk, &clock));
            assert_eq!(frames.idle_frames.get(), 3, "in pieces of {bytes} bytes");
        }
    }

    #[test]
    fn a_flood_begins_one_past_the_bound_and_answers_raise_it() {
        let (frames, clock) = (Frames::new(Instant::now()), Clock::new(Instant::now()));
        frames.received(PREFACE, &clock);
        (0..IDLE_FRAMES_MAX).for_each(|_| frames.received(&PING, &clock));
        assert!(!frames.is_flood());
        frames.received(&PING, &clock);
        assert!(frames.is_flood());
        frames.answered();
        assert!(!frames.is_flood());
        (0..=IDLE_FRAMES_PER_ANSWER).for_each(|_| frames.received(&PING, &clock));
        assert!(frames.is_flood());
        frames.sent(2 * usize::try_from(SENT_BYTES_PER_IDLE_FRAME).unwrap());
        assert!(!frames.is_flood());
    }
}
