//! The codec towards servers: one HTTP/1.1 connection, polled inside the task of the client that it serves.
//!
//! This is the seam: nothing outside this file, `body` and `server_body` knows that hyper speaks to the servers.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Request, Response};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use crate::body::{RequestBody, Upload};
use crate::codec::{self, Incoming};
use crate::error::Error;
use crate::gate::Permit;
use crate::stream::SharedStream;
use crate::upstream::{InFlight, Server};

/// A connection to a server. Between requests nobody polls it.
pub(crate) struct ServerConnection {
    sender: http1::SendRequest<RequestBody>,
    /// `None` when the connection has ended.
    driver: Option<http1::Connection<TokioIo<SharedStream>, RequestBody>>,
    stream: SharedStream,
    served: u64,
}

impl ServerConnection {
    /// Connects to `address` (`host:port`) within `limit`.
    pub(crate) async fn open(address: &str, limit: Duration) -> Result<Self, Error> {
        let connected = timeout(limit, TcpStream::connect(address)).await.map_err(|_| Error::ConnectTimeout)?;
        let stream = connected.map_err(Error::Connect)?;
        stream.set_nodelay(true).map_err(Error::Connect)?;
        let stream = SharedStream::new(stream);
        let (sender, driver) = http1::handshake(TokioIo::new(stream.clone()))
            .await
            .map_err(|error| Error::ServerClosed(codec::Error::Http1(error)))?;
        Ok(Self { sender, driver: Some(driver), stream, served: 0 })
    }

    /// True if the next request may go here: the server has neither closed the connection nor sent anything unasked.
    pub(crate) fn is_usable(&self) -> bool {
        self.driver.is_some() && self.sender.is_ready() && self.stream.is_silent()
    }

    /// Moves bytes; ready when the connection has ended.
    fn drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(driver) = &mut self.driver else { return Poll::Ready(()) };
        match pin!(driver).poll(cx) {
            Poll::Pending => Poll::Pending,
            // What went wrong reaches the request through its own channel.
            Poll::Ready(_ended) => {
                self.driver = None;
                Poll::Ready(())
            }
        }
    }
}

/// A connection in use, with what its use counts towards.
pub(crate) struct Lease {
    pub(crate) connection: Box<ServerConnection>,
    pub(crate) server: InFlight,
    pub(crate) permit: Permit,
}

/// Why a request was not answered.
pub(crate) enum SendFault {
    /// Nothing of it was written: it may go elsewhere, whatever it is.
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
    /// True if the connection served a request before: the server may be closing it right now.
    pub(crate) fn is_reused(&self) -> bool {
        self.connection.served > 0
    }

    /// Moves bytes; ready when the connection has ended.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.connection.drive(cx)
    }

    /// Sends a request and waits for the head of its response. A lease whose request failed is dropped by the caller.
    pub(crate) async fn send(
        &mut self,
        request: Request<RequestBody>,
        upload: Option<&Rc<Upload>>,
        patience: Patience,
    ) -> Result<Response<Incoming>, SendFault> {
        self.connection.served += 1;
        let mut response = pin!(self.connection.sender.try_send_request(request));
        let is_sent = || upload.is_none_or(|upload| upload.is_complete());
        let first_byte_by = || patience.deadline.min(Instant::now() + patience.first_byte);
        let mut waits_for_first_byte = is_sent();
        let first_deadline = if waits_for_first_byte { first_byte_by() } else { patience.deadline };
        let mut timer = pin!(sleep_until(first_deadline));
        poll_fn(|cx| {
            let driven = self.connection.drive(cx);
            // Only driving makes the response ready, so it is asked right after, and nobody needs to be woken.
            if let Poll::Ready(result) = response.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                let result = result.map(|response| response.map(Incoming::Http1));
                return Poll::Ready(result.map_err(|mut error| {
                    let request = error.take_message();
                    let error = codec::Error::Http1(error.into_error());
                    match request {
                        Some(request) => SendFault::Unsent { request: Box::new(request), error },
                        None => SendFault::Failed(error),
                    }
                }));
            }
            debug_assert!(driven.is_pending(), "a connection that ended answers its request");
            if !waits_for_first_byte && is_sent() {
                waits_for_first_byte = true;
                timer.as_mut().reset(first_byte_by());
            }
            timer.as_mut().poll(cx).map(|()| {
                let is_over = Instant::now() >= patience.deadline;
                Err(SendFault::Late(if is_over { Error::RequestTimeout } else { Error::FirstByteTimeout }))
            })
        })
        .await
    }

    /// Gives the connection back after a whole response. It is closed if it cannot take another request, for example
    /// because the request's body was not wanted to its end.
    pub(crate) fn give_back(self) {
        let Self { mut connection, server, permit } = self;
        if !connection.sender.is_ready() {
            // hyper may need one more turn to see that both directions are done. It is asked without a waker: nobody
            // waits for an idle connection.
            let _ended = connection.drive(&mut Context::from_waker(Waker::noop()));
        }
        if connection.driver.is_some() && connection.sender.is_ready() {
            server.server().pool.put(connection, Instant::now());
        }
        drop(permit);
    }
}

impl Server {
    /// A usable idle connection, newest first.
    pub(crate) fn idle_connection(&self) -> Option<Box<ServerConnection>> {
        self.pool.take(Instant::now(), ServerConnection::is_usable)
    }
}
