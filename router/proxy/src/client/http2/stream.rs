//! One request on a connection to a server over HTTP/2. The task of its client sends and reads it.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use h2::Reason;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, Request, Response, StatusCode, Uri, Version, header};
use http_body::Body as _;
use tokio::time::{Instant, sleep_until};

use super::Connection;
use crate::body::RequestBody;
use crate::client::{SendFault, Waiting};
use crate::codec::{self, Incoming, Outgoing, OutgoingFault};
use crate::error::Error;

/// The right to one stream; dropped, it is given back, and what runs on it is cancelled.
pub(crate) struct Http2Stream {
    pub(super) connection: Connection,
    pub(super) is_reused: bool,
    /// What is left of the request's body.
    pub(super) upload: Option<Outgoing<RequestBody>>,
    pub(super) body_idle: Duration,
}

impl Drop for Http2Stream {
    fn drop(&mut self) {
        let state = &self.connection.state;
        state.streams.set(state.streams.get() - 1);
        if state.is_idle() {
            state.idle_since.set(Instant::now());
            drop(state.permit.take());
        }
        state.changed.notify_one();
    }
}

impl Http2Stream {
    pub(in crate::client) const fn is_reused(&self) -> bool {
        self.is_reused
    }

    /// Sends what is left of the request's body.
    pub(in crate::client) fn drive(&mut self, cx: &mut Context<'_>) {
        // What goes wrong resets the stream, and that is seen by who reads the response.
        let _reset = self.poll_upload(cx);
    }

    /// Sends a request and waits for the head of its response.
    pub(in crate::client) async fn send(
        &mut self,
        request: Request<RequestBody>,
        mut waiting: Waiting<'_>,
    ) -> Result<Response<Incoming>, SendFault> {
        let is_whole = request.body().is_end_stream();
        let Some(head) = to_http2(&request) else { return Err(SendFault::Failed(internal())) };
        let (mut response, stream) = match self.connection.requests.clone().send_request(head, is_whole) {
            Ok(sent) => sent,
            Err(error) => return Err(unsent(request, error)),
        };
        if !is_whole {
            self.upload = Some(Outgoing::new(request.body().clone(), stream, self.body_idle));
        }
        let mut timer = pin!(sleep_until(waiting.first_deadline()));
        let answered = poll_fn(|cx| {
            while let Poll::Ready(Some(Ok(interim))) = response.poll_informational(cx) {
                if interim.status() == StatusCode::CONTINUE {
                    request.body().ask();
                }
            }
            if let Err(fault) = self.poll_upload(cx) {
                return Poll::Ready(Err(fault));
            }
            if let Poll::Ready(response) = Pin::new(&mut response).poll(cx) {
                return Poll::Ready(Ok(response));
            }
            waiting.poll_late(cx, timer.as_mut()).map(|error| Err(SendFault::Late(error)))
        });
        match answered.await? {
            Ok(response) => {
                let (parts, stream) = response.into_parts();
                let incoming = Incoming::http2(stream, &parts.headers);
                Ok(Response::from_parts(parts, incoming))
            }
            Err(error) if is_untouched(&error) && !request.body().is_begun() => Err(unsent(request, error)),
            Err(error) => Err(SendFault::Failed(codec::Error::Http2(error))),
        }
    }

    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<(), SendFault> {
        let Some(upload) = &mut self.upload else { return Ok(()) };
        let fault = match upload.poll(cx) {
            Poll::Pending => return Ok(()),
            // Why the server wants no more of it is said by its response.
            Poll::Ready(Ok(()) | Err(OutgoingFault::Unwanted)) => {
                self.upload = None;
                return Ok(());
            }
            Poll::Ready(Err(OutgoingFault::Stalled)) => SendFault::Late(Error::FirstByteTimeout),
            Poll::Ready(Err(OutgoingFault::Body(_stopped))) => SendFault::Failed(internal()),
        };
        upload.reset(Reason::CANCEL);
        self.upload = None;
        Err(fault)
    }
}

/// The request did not fail by the server.
fn internal() -> codec::Error {
    codec::Error::Http2(Reason::CANCEL.into())
}

fn unsent(request: Request<RequestBody>, error: h2::Error) -> SendFault {
    SendFault::Unsent { request: Box::new(request), error: codec::Error::Http2(error) }
}

/// True if the server says that it did nothing with the request: it refused the stream, or its GOAWAY names an earlier one
/// as the last (RFC 9113 sections 6.8 and 8.7).
fn is_untouched(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM))
}

/// The head as HTTP/2 has it: the host is the authority, and nothing is said of connections (RFC 9113 sections 8.2.2 and
/// 8.3.1). `None` if the host is no authority.
fn to_http2(request: &Request<RequestBody>) -> Option<Request<()>> {
    let mut head = Request::new(());
    let mut headers = request.headers().clone();
    let host = headers.remove(header::HOST)?;
    let mut target = http::uri::Parts::default();
    target.scheme = Some(Scheme::HTTP);
    target.authority = Some(Authority::try_from(host.as_bytes()).ok()?);
    target.path_and_query = request.uri().path_and_query().cloned();
    *head.uri_mut() = Uri::from_parts(target).ok()?;
    *head.method_mut() = request.method().clone();
    *head.version_mut() = Version::HTTP_2;
    take_off(&mut headers);
    *head.headers_mut() = headers;
    Some(head)
}

fn take_off(headers: &mut HeaderMap) {
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE] {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    headers.remove("proxy-connection");
    if headers.get(header::TE).is_some_and(|te| te != "trailers") {
        headers.remove(header::TE);
    }
}
