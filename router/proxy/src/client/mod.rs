//! The codecs towards servers: a connection over HTTP/1.1, polled inside the task of the client that it serves, or a
//! stream of one over HTTP/2, which many clients share.
//!
//! This is the seam: nothing outside this folder, `codec`, `body` and `server_body` knows what is spoken with a server.

mod http1;
mod http2;
mod server_stream;

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, timeout};

pub(crate) use self::http1::ServerConnection;
pub(crate) use self::http2::{Door, Http2Connections, Http2Stream};
use crate::body::{RequestBody, Upload};
use crate::codec::{self, Incoming};
use crate::error::Error;
use crate::gate::Permit;
use crate::upstream::{InFlight, Server};

/// A place on a connection, with what its use counts towards.
pub(crate) struct Lease {
    place: Place,
    pub(crate) server: InFlight,
}

enum Place {
    /// A connection of its own, with the right to use one.
    Http1(Box<ServerConnection>, Permit),
    /// One stream of many; the right belongs to the connection.
    Http2(Box<Http2Stream>),
}

/// Why a request was not answered.
pub(crate) enum SendFault {
    /// Nothing of it was written, or the server says that it did nothing with it: it may go elsewhere, whatever it is.
    Unsent {
        /// The request, as it was.
        request: Box<Request<RequestBody>>,
        /// What happened to the connection.
        error: codec::Error,
    },
    /// The connection failed after some of it was written.
    Failed(codec::Error),
    /// The server took too long.
    Late(Error),
}

/// How long a request may wait for its response's head.
pub(crate) struct Patience {
    /// For everything.
    pub(crate) deadline: Instant,
    /// From the last byte of the request.
    pub(crate) first_byte: Duration,
}

impl Lease {
    /// A connection over HTTP/1.1.
    pub(crate) fn http1(connection: Box<ServerConnection>, permit: Permit, server: InFlight) -> Self {
        Self { place: Place::Http1(connection, permit), server }
    }

    /// A stream over HTTP/2.
    pub(crate) fn http2(stream: Http2Stream, server: InFlight) -> Self {
        Self { place: Place::Http2(Box::new(stream)), server }
    }

    /// True if the connection served a request before: the server may be closing it right now.
    pub(crate) fn is_reused(&self) -> bool {
        match &self.place {
            Place::Http1(connection, _) => connection.is_reused(),
            Place::Http2(stream) => stream.is_reused(),
        }
    }

    /// True if some of the answer to a request has come: what failed after that is not sent again.
    pub(crate) fn is_answer_begun(&self) -> bool {
        match &self.place {
            Place::Http1(connection, _) => connection.is_answer_begun(),
            // A head comes whole, or not at all.
            Place::Http2(_) => false,
        }
    }

    /// Moves bytes; ready when the connection has ended.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.place {
            Place::Http1(connection, _) => connection.drive(cx),
            Place::Http2(stream) => {
                stream.drive(cx);
                // The end of a stream is seen where it is read.
                Poll::Pending
            }
        }
    }

    /// Sends a request and waits for the head of its response. A lease whose request failed is dropped by the caller.
    pub(crate) async fn send(
        &mut self,
        request: Request<RequestBody>,
        upload: Option<&Rc<Upload>>,
        patience: Patience,
    ) -> Result<Response<Incoming>, SendFault> {
        let waiting = Waiting { upload, patience, is_first_byte_due: false };
        match &mut self.place {
            Place::Http1(connection, _) => connection.send(request, waiting).await,
            Place::Http2(stream) => stream.send(request, waiting).await,
        }
    }

    /// Gives the place back after a whole response.
    pub(crate) fn give_back(self) {
        // Dropping a stream gives it back; if its request's body was not wanted to its end, it is reset.
        if let Place::Http1(mut connection, permit) = self.place {
            if connection.is_kept() {
                self.server.server().pool.put(connection, Instant::now());
            }
            drop(permit);
        }
    }
}

/// The wait for the head of a response.
struct Waiting<'a> {
    upload: Option<&'a Rc<Upload>>,
    patience: Patience,
    /// The request is sent, so the server's time runs.
    is_first_byte_due: bool,
}

impl Waiting<'_> {
    /// What the timer is set to when the request is sent.
    fn first_deadline(&mut self) -> Instant {
        self.is_first_byte_due = self.is_sent();
        if self.is_first_byte_due { self.first_byte_by() } else { self.patience.deadline }
    }

    /// Ready when it has lasted too long.
    fn poll_late(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<Error> {
        if !self.is_first_byte_due && self.is_sent() {
            self.is_first_byte_due = true;
            timer.as_mut().reset(self.first_byte_by());
        }
        timer.poll(cx).map(|()| {
            let is_over = Instant::now() >= self.patience.deadline;
            if is_over { Error::RequestTimeout } else { Error::FirstByteTimeout }
        })
    }

    fn is_sent(&self) -> bool {
        self.upload.is_none_or(|upload| upload.is_complete())
    }

    fn first_byte_by(&self) -> Instant {
        self.patience.deadline.min(Instant::now() + self.patience.first_byte)
    }
}

/// Connects to `address` (`host:port`) within `limit`.
async fn connect(address: &str, limit: Duration) -> Result<TcpStream, Error> {
    let connected = timeout(limit, TcpStream::connect(address)).await.map_err(|_| Error::ConnectTimeout)?;
    let stream = connected.map_err(Error::Connect)?;
    stream.set_nodelay(true).map_err(Error::Connect)?;
    Ok(stream)
}

impl Server {
    /// A usable idle connection over HTTP/1.1, newest first.
    pub(crate) fn idle_connection(&self) -> Option<Box<ServerConnection>> {
        self.pool.take(Instant::now(), ServerConnection::is_usable)
    }
}
