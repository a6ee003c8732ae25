//! A body as it arrives: of a request on the client's side, of a response on the server's.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::RecvStream;
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};

use super::Error;

/// A body, whichever protocol carries it.
pub(crate) enum Incoming {
    /// Over HTTP/1.1: hyper reads it.
    Http1(hyper::body::Incoming),
    /// Over HTTP/2.
    Http2(Box<Http2Incoming>),
}

/// The receiving half of an HTTP/2 stream.
pub(crate) struct Http2Incoming {
    stream: RecvStream,
    /// What is left of the declared length. That it is kept is checked by `h2` (RFC 9113 section 8.1.1).
    declared_bytes: Option<u64>,
    is_data_over: bool,
    /// Set when the body is first asked for.
    asked: Option<Rc<Cell<bool>>>,
}

impl Incoming {
    /// The body of a message with these fields.
    pub(crate) fn http2(stream: RecvStream, headers: &HeaderMap) -> Self {
        let declared = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let body = Http2Incoming { stream, declared_bytes: declared, is_data_over: false, asked: None };
        Self::Http2(Box::new(body))
    }

    /// Has `asked` set when the body is first asked for.
    pub(crate) fn note_when_asked(&mut self, asked: &Rc<Cell<bool>>) {
        if let Self::Http2(body) = self {
            body.asked = Some(Rc::clone(asked));
        }
    }

    /// True when nothing of it is left, trailers included.
    pub(crate) fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.stream.is_end_stream(),
        }
    }

    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self {
            Self::Http1(body) => Pin::new(body).poll_frame(cx).map_err(Error::Http1),
            Self::Http2(body) => body.poll_frame(cx).map_err(Error::Http2),
        }
    }

    /// The same, for who has just driven the connection and drives it again later: over HTTP/1.1 nobody else moves it, so
    /// nobody needs to be woken.
    pub(crate) fn poll_driven(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self {
            Self::Http1(_) => self.poll_frame(&mut Context::from_waker(Waker::noop())),
            Self::Http2(_) => self.poll_frame(cx),
        }
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) => body.declared_bytes.map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

impl Http2Incoming {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if let Some(asked) = self.asked.take() {
            asked.set(true);
        }
        if !self.is_data_over {
            if let Some(data) = ready!(self.stream.poll_data(cx)) {
                return Poll::Ready(Some(data.map(|data| Frame::data(self.taken(data)))));
            }
            self.is_data_over = true;
        }
        let trailers = ready!(self.stream.poll_trailers(cx))?;
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    /// Gives the window back: what holds the sender up is that nobody asks for more, not a count kept here.
    fn taken(&mut self, data: Bytes) -> Bytes {
        if let Some(declared) = &mut self.declared_bytes {
            *declared = declared.saturating_sub(data.len() as u64);
        }
        // It fails only for a stream that is gone, which the next poll says.
        let _gone = self.stream.flow_control().release_capacity(data.len());
        data
    }
}
