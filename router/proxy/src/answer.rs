//! An answer on its way to the client: from a server, a plugin or the router, and the body that hyper sends of it.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use sluice_snapshot::Reason;

use crate::exchange::Exchange;
use crate::server_body::{BodyFault, ServerBody};

/// An answer before the response phase.
pub(crate) struct Answer {
    /// Position in the chain of the plugin that made it; `None` for a server's.
    pub(crate) position: Option<usize>,
    pub(crate) response: Response<Content>,
}

impl Answer {
    /// Nobody was picked: whatever a plugin chose before, no variant answers.
    pub(crate) fn instead_of_a_variant(self, exchange: &Exchange) -> Self {
        exchange.set_variant(None);
        self
    }
}

/// Where the bytes of a body come from.
pub(crate) enum Content {
    /// All here; `None` when given away.
    Whole(Option<Bytes>),
    /// From a server, as it sends them.
    Streamed(Box<ServerBody>),
}

impl Content {
    /// A body made here.
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::Whole((!bytes.is_empty()).then_some(bytes))
    }
}

/// The body that the client's connection sends. Its end, or its drop, ends the exchange.
pub(crate) struct ResponseBody {
    content: Content,
    exchange: Rc<Exchange>,
    /// Nothing is left to send.
    is_over: bool,
    /// Its end is not told before it is asked for: hyper drops the length of a response that has no body.
    keeps_length: bool,
    /// What ends the body, held back for one turn.
    fault: Option<BodyFault>,
}

impl ResponseBody {
    /// A body that goes out as it comes.
    pub(crate) fn new(content: Content, exchange: Rc<Exchange>) -> Self {
        let mut body = Self { content, exchange, is_over: false, keeps_length: false, fault: None };
        body.is_over = body.is_end_stream();
        body
    }

    /// No body on the wire, whatever the fields of the response say (RFC 9110 section 6.4.1).
    pub(crate) fn bare(content: Content, exchange: Rc<Exchange>, keeps_length: bool) -> Self {
        Self { content, exchange, is_over: true, keeps_length, fault: None }
    }

    fn sent(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        if let Some(chunk) = frame.data_ref() {
            self.exchange.record.sent(chunk.len());
        }
        // Nobody asks for what comes after trailers.
        if frame.is_trailers() || self.is_end_stream() {
            self.over();
        }
        frame
    }

    /// hyper drops what it has buffered when a body fails. It flushes whenever a body is not ready, so the client gets
    /// what came before the fault if the fault waits for one turn.
    fn fail(&mut self, fault: BodyFault, cx: &Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        self.exchange.record.server_broke_off(fault.reason());
        self.exchange.finish();
        self.fault = Some(fault);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// True when nothing of it goes on the wire.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// The client reads no more of it.
    pub(crate) fn stalled(&self) {
        self.exchange.record.broke_off(Reason::ClientStalled);
        self.exchange.finish();
    }

    fn over(&mut self) {
        self.is_over = true;
        self.exchange.finish();
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        if let Some(fault) = self.fault.take() {
            return Poll::Ready(Some(Err(fault)));
        }
        self.keeps_length = false;
        let polled = match &mut self.content {
            Content::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Content::Streamed(body) => Pin::new(&mut **body).poll_frame(cx),
        };
        match polled {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(self.sent(frame)))),
            Poll::Ready(Some(Err(fault))) => self.fail(fault, cx),
            Poll::Ready(None) => {
                self.over();
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        !self.keeps_length
            && match &self.content {
                Content::Whole(bytes) => bytes.is_none(),
                Content::Streamed(body) => body.is_end_stream(),
            }
    }

    fn size_hint(&self) -> SizeHint {
        if self.keeps_length {
            return SizeHint::default();
        }
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Content::Streamed(body) => body.size_hint(),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if self.is_over {
            self.exchange.finish();
            Exchange::discard_upload(&self.exchange);
        } else {
            self.exchange.abandon();
        }
    }
}
