//! The client's stream as the codecs see it: each byte that moves moves the clock.
//!
//! What was read to tell the protocols apart is read again from here.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use sluice_snapshot::Reason;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Connection;
use super::frames::Frames;
use crate::record;
use crate::stream::SharedStream;

/// Bytes of the first read: as many as hyper's first, so that telling the protocols apart costs no read of its own.
const FIRST_READ_BYTES: usize = 8 << 10;

/// Where a status line has its status.
const STATUS_AT: std::ops::Range<usize> = 9..12;

const MALFORMED: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\
    proxy-status: sluice; error=http_request_error; details=\"malformed_head\"\r\n\r\n";
const TOO_LARGE: &[u8] = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\
    proxy-status: sluice; error=http_request_error; details=\"head_too_large\"\r\n\r\n";

/// The refusal of a head that could not be read, for the same reason for which hyper refused it. A target that is too long
/// for hyper is longer than any that is taken here, so the head is too large.
fn refusal(said: &[u8]) -> (u16, Reason, &'static [u8]) {
    match said.get(STATUS_AT) {
        Some(b"414" | b"431") => (431, Reason::HeadTooLarge, TOO_LARGE),
        _ => (400, Reason::MalformedHead, MALFORMED),
    }
}

/// A client's stream.
pub(super) struct TimedStream {
    stream: SharedStream,
    connection: Rc<Connection>,
    /// Read, and not yet handed to the codec.
    ahead: BytesMut,
    /// Looks at what comes in over HTTP/2.
    frames: Option<Rc<Frames>>,
    /// Requests of the connection whose responses were all written.
    requests_out: u64,
}

impl TimedStream {
    pub(super) fn new(stream: SharedStream, connection: Rc<Connection>) -> Self {
        Self { stream, connection, ahead: BytesMut::new(), frames: None, requests_out: 0 }
    }

    /// What was read ahead.
    pub(super) fn ahead(&self) -> &[u8] {
        &self.ahead
    }

    /// Reads ahead; ready with the number of bytes, 0 at the end.
    pub(super) fn poll_read_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [MaybeUninit::uninit(); FIRST_READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        self.ahead.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Has every frame looked at from here on.
    pub(super) fn watch(&mut self, frames: &Rc<Frames>) {
        self.frames = Some(Rc::clone(frames));
    }

    fn poll_more(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let bytes = self.ahead.len().min(buffer.remaining());
        buffer.put_slice(&self.ahead[..bytes]);
        self.ahead.advance(bytes);
        if self.ahead.is_empty() {
            self.ahead = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.frames.as_ref().is_some_and(|frames| frames.is_flood()) {
            // Nothing more is read; the driver, which is polled right after, ends the connection.
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let polled = self.poll_more(cx, buffer);
        let received = &buffer.filled()[before..];
        if !received.is_empty() {
            match &self.frames {
                Some(frames) => frames.received(received, &self.connection.clock),
                None if !self.connection.clock.is_busy() => self.connection.clock.head_begun(),
                None => {}
            }
        } else if polled.is_ready() {
            self.connection.is_read_out.set(true);
        }
        polled
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_hypers_own() {
            return self.write_refusal(bytes, bytes.len());
        }
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(&polled);
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_hypers_own() {
            let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
            return self.write_refusal(first, slices.iter().map(|slice| slice.len()).sum());
        }
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.connection.clock.is_busy() {
            // hyper flushes when it has nothing left to write.
            self.requests_out = self.connection.requests.get();
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl TimedStream {
    /// True if what hyper writes now belongs to no request: it refuses a head that it could not read, and says nothing of
    /// why. Every response before it was flushed, so nothing else can begin here.
    fn is_hypers_own(&self) -> bool {
        let connection = &self.connection;
        self.frames.is_none() && !connection.clock.is_busy() && self.requests_out == connection.requests.get()
    }

    /// Says the same as hyper, and why. The socket has room for it, for nothing waits there.
    fn write_refusal(&self, said: &[u8], bytes: usize) -> Poll<io::Result<usize>> {
        let (status, reason, refusal) = refusal(said);
        record::refused_unread(&self.connection, status, reason);
        self.stream.write_now(refusal);
        Poll::Ready(Ok(bytes))
    }

    fn wrote(&self, polled: &Poll<io::Result<usize>>) {
        self.connection.clock.wrote(polled.is_pending());
        if let (Some(frames), Poll::Ready(Ok(bytes))) = (&self.frames, polled) {
            frames.sent(*bytes);
        }
    }
}
