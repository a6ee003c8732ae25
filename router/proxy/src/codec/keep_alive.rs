//! Finds out whether the other end of a silent HTTP/2 connection still lives, by PING (RFC 9113 section 6.7).

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep, sleep_until};

/// Asks after a silence, and waits for the answer.
pub(crate) struct KeepAlive {
    pings: PingPong,
    interval: Duration,
    timeout: Duration,
    timer: Pin<Box<Sleep>>,
    is_waiting: bool,
}

impl KeepAlive {
    /// Asks after `interval` of silence; no answer within `timeout` is death.
    pub(crate) fn new(pings: PingPong, interval: Duration, timeout: Duration) -> Self {
        let timer = Box::pin(sleep_until(Instant::now() + interval));
        Self { pings, interval, timeout, timer, is_waiting: false }
    }

    /// Ready when the peer is dead. `is_needed`: somebody waits for it; an idle connection is not kept awake.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, last_read: Instant, is_needed: bool) -> Poll<()> {
        loop {
            if self.is_waiting {
                match self.pings.poll_pong(cx) {
                    Poll::Pending => return self.timer.as_mut().poll(cx),
                    // An error ends the connection, which says so itself.
                    Poll::Ready(_answer) => self.rest(Instant::now()),
                }
            }
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            if !is_needed {
                self.rest(now);
            } else if now < last_read + self.interval {
                self.rest(last_read);
            } else if self.pings.send_ping(Ping::opaque()).is_ok() {
                self.is_waiting = true;
                self.timer.as_mut().reset(now + self.timeout);
            } else {
                self.rest(now);
            }
        }
    }

    fn rest(&mut self, since: Instant) {
        self.is_waiting = false;
        self.timer.as_mut().reset(since + self.interval);
    }
}
