//! A body on its way out over HTTP/2: at most one chunk waits for the peer's window, and not for ever.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body;

use crate::stall::Stall;

/// Sends a body; complete when all of it was handed to the connection.
pub(crate) struct Outgoing<B> {
    pub(crate) body: B,
    stream: SendStream<Bytes>,
    /// Waits for the window to open.
    chunk: Option<Bytes>,
    stall: Stall,
}

/// Why a body was not sent to its end.
#[derive(Debug)]
pub(crate) enum OutgoingFault<E> {
    /// The peer wants no more of it (RFC 9113 section 8.1), or the connection failed.
    Unwanted,
    /// The peer opened no window for too long.
    Stalled,
    /// The body itself failed.
    Body(E),
}

impl<B: Body<Data = Bytes> + Unpin> Outgoing<B> {
    /// `idle_max`: how long the peer may leave the window closed.
    pub(crate) fn new(body: B, stream: SendStream<Bytes>, idle_max: Duration) -> Self {
        Self { body, stream, chunk: None, stall: Stall::new(idle_max, None) }
    }

    /// Ends the stream with `RST_STREAM`.
    pub(crate) fn reset(&mut self, reason: Reason) {
        self.stream.send_reset(reason);
    }

    /// Moves what can be moved.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), OutgoingFault<B::Error>>> {
        loop {
            if self.stream.poll_reset(cx).is_ready() {
                return Poll::Ready(Err(OutgoingFault::Unwanted));
            }
            if self.chunk.is_some() {
                ready!(self.poll_window(cx))?;
                let Some(chunk) = self.chunk.take() else { continue };
                let is_last = self.body.is_end_stream();
                self.stream.send_data(chunk, is_last).map_err(|_| OutgoingFault::Unwanted)?;
                if is_last {
                    return Poll::Ready(Ok(()));
                }
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => {
                    self.stream.send_data(Bytes::new(), true).map_err(|_| OutgoingFault::Unwanted)?;
                    return Poll::Ready(Ok(()));
                }
                Some(Err(fault)) => return Poll::Ready(Err(OutgoingFault::Body(fault))),
                Some(Ok(frame)) => match frame.into_data() {
                    // The smallest claim on the connection's window that wakes us: the rest is claimed with the data.
                    Ok(chunk) => {
                        self.stream.reserve_capacity(1);
                        self.chunk = Some(chunk);
                    }
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            self.stream.reserve_capacity(0);
                            self.stream.send_trailers(trailers).map_err(|_| OutgoingFault::Unwanted)?;
                            return Poll::Ready(Ok(()));
                        }
                    }
                },
            }
        }
    }

    /// Ready when there is room for a chunk.
    fn poll_window(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), OutgoingFault<B::Error>>> {
        while self.stream.capacity() == 0 && self.chunk.as_ref().is_some_and(|chunk| !chunk.is_empty()) {
            match self.stream.poll_capacity(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(Err(OutgoingFault::Unwanted)),
                Poll::Pending => return self.stall.poll(cx).map(|_idle| Err(OutgoingFault::Stalled)),
            }
        }
        self.stall.moved();
        Poll::Ready(Ok(()))
    }
}
