//! The stream to a server over HTTP/1.1: a server that closes while it is still sent to may have answered before.
//!
//! hyper gives a connection up at the first write that fails, with an answer unread in the socket. So a failure to write
//! is kept quiet: reading, which comes next, finds the answer, or finds that there is none.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::stream::SharedStream;

/// A stream to a server.
pub(super) struct ServerStream {
    stream: SharedStream,
    /// Set when the server has sent anything.
    is_heard: Rc<Cell<bool>>,
}

impl ServerStream {
    pub(super) fn new(stream: SharedStream, is_heard: Rc<Cell<bool>>) -> Self {
        Self { stream, is_heard }
    }
}

/// A write that failed counts as done.
fn quiet(written: Poll<io::Result<usize>>, bytes: usize) -> Poll<io::Result<usize>> {
    written.map(|written| Ok(written.unwrap_or(bytes)))
}

impl AsyncRead for ServerStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.is_heard.set(true);
        }
        polled
    }
}

impl AsyncWrite for ServerStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        quiet(written, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        quiet(written, slices.iter().map(|slice| slice.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
