//! The body of a server's response. Reading it drives the connection; reading it to its end gives the connection back.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use sluice_snapshot::Reason;
use tokio::time::Instant;

use crate::client::Lease;
use crate::codec::Incoming;
use crate::headers;
use crate::mirror::Tap;
use crate::stall::{Expired, Stall};

/// Why a response broke off after its head.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyFault {
    /// The server closed the connection, or broke its framing.
    #[error("the server broke off its response")]
    Truncated,
    /// The server stopped sending.
    #[error("the server stopped sending")]
    Idle,
    /// The request took longer than its route allows.
    #[error("the response took too long")]
    Deadline,
}

impl BodyFault {
    /// As the access log says it.
    pub(crate) const fn reason(&self) -> Reason {
        match self {
            Self::Truncated => Reason::ResponseTruncated,
            Self::Idle => Reason::ResponseIdle,
            Self::Deadline => Reason::RequestTimeout,
        }
    }
}

/// The body of one response, with the connection it comes from. Dropped before its end it closes the connection.
pub(crate) struct ServerBody {
    incoming: Incoming,
    /// `None` once the connection was given back or closed.
    lease: Option<Lease>,
    stall: Stall,
    /// Comparisons that look on.
    taps: Vec<Tap>,
}

impl ServerBody {
    pub(crate) fn new(incoming: Incoming, lease: Lease, idle_max: Duration, deadline: Instant) -> Self {
        let mut body =
            Self { incoming, lease: Some(lease), stall: Stall::new(idle_max, Some(deadline)), taps: Vec::new() };
        if body.incoming.is_end_stream() {
            body.release();
        }
        body
    }

    /// Has comparisons look on.
    pub(crate) fn tap(&mut self, taps: Vec<Tap>) {
        self.taps = taps;
        if self.incoming.is_end_stream() {
            self.taps.drain(..).for_each(Tap::complete);
        }
    }

    /// The body came to its end.
    fn release(&mut self) {
        self.taps.drain(..).for_each(Tap::complete);
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }

    /// What has come already.
    fn poll_ready_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        match self.incoming.poll_driven(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(mut frame))) => {
                self.stall.moved();
                if let Some(chunk) = frame.data_ref() {
                    self.taps.iter().for_each(|tap| tap.push(chunk));
                }
                if let Some(trailers) = frame.trailers_mut() {
                    headers::take_off_trailers(trailers);
                    // Nobody asks for what comes after them.
                    self.release();
                } else if self.incoming.is_end_stream() {
                    self.release();
                } else if self.stall.is_late() {
                    // A client that sips finds the body ready each time.
                    self.lease = None;
                    return Poll::Ready(Some(Err(BodyFault::Deadline)));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(_broken))) => {
                self.lease = None;
                Poll::Ready(Some(Err(BodyFault::Truncated)))
            }
            Poll::Ready(None) => {
                self.release();
                Poll::Ready(None)
            }
        }
    }
}

impl Body for ServerBody {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        if let Poll::Ready(frame) = self.poll_ready_frame(cx) {
            return Poll::Ready(frame);
        }
        let is_open = self.lease.as_mut().is_some_and(|lease| lease.drive(cx).is_pending());
        if let Poll::Ready(frame) = self.poll_ready_frame(cx) {
            return Poll::Ready(frame);
        }
        if !is_open {
            self.lease = None;
            return Poll::Ready(Some(Err(BodyFault::Truncated)));
        }
        self.stall.poll(cx).map(|expired| {
            self.lease = None;
            Some(Err(match expired {
                Expired::Idle => BodyFault::Idle,
                Expired::Deadline => BodyFault::Deadline,
            }))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
