//! One HTTP/1.1 connection to a server, polled inside the task of the client that it serves.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Request, Response};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::sleep_until;

use super::server_stream::ServerStream;
use super::{SendFault, Waiting, connect};
use crate::body::RequestBody;
use crate::codec::{self, Incoming};
use crate::error::Error;
use crate::stream::SharedStream;

/// A connection. Between requests nobody polls it.
pub(crate) struct ServerConnection {
    sender: http1::SendRequest<RequestBody>,
    /// `None` when the connection has ended.
    driver: Option<http1::Connection<TokioIo<ServerStream>, RequestBody>>,
    stream: SharedStream,
    /// The server has sent something since the last request.
    is_heard: Rc<Cell<bool>>,
    served: u64,
}

impl ServerConnection {
    /// Connects to `address` (`host:port`) within `limit`.
    pub(crate) async fn open(address: &str, limit: Duration) -> Result<Self, Error> {
        let stream = SharedStream::new(connect(address, limit).await?);
        let is_heard = Rc::new(Cell::new(false));
        let io = TokioIo::new(ServerStream::new(stream.clone(), Rc::clone(&is_heard)));
        let shaken = http1::handshake(io).await;
        let (sender, driver) = shaken.map_err(|error| Error::ServerClosed(codec::Error::Http1(error)))?;
        Ok(Self { sender, driver: Some(driver), stream, is_heard, served: 0 })
    }

    /// True if the next request may go here: the server has neither closed the connection nor sent anything unasked.
    pub(crate) fn is_usable(&self) -> bool {
        self.driver.is_some() && self.sender.is_ready() && self.stream.is_silent()
    }

    /// True if it served a request before.
    pub(super) fn is_reused(&self) -> bool {
        self.served > 0
    }

    /// True if some of the answer to the last request has come.
    pub(super) fn is_answer_begun(&self) -> bool {
        self.is_heard.get()
    }

    /// Moves bytes; ready when the connection has ended.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
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

    /// Sends a request and waits for the head of its response.
    pub(super) async fn send(
        &mut self,
        request: Request<RequestBody>,
        mut waiting: Waiting<'_>,
    ) -> Result<Response<Incoming>, SendFault> {
        self.served += 1;
        self.is_heard.set(false);
        let mut response = pin!(self.sender.try_send_request(request));
        let mut timer = pin!(sleep_until(waiting.first_deadline()));
        poll_fn(|cx| {
            let driven = self.drive(cx);
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
            waiting.poll_late(cx, timer.as_mut()).map(|error| Err(SendFault::Late(error)))
        })
        .await
    }

    /// True if it can take another request after a whole response: not, for example, if the request's body was not
    /// wanted to its end.
    pub(super) fn is_kept(&mut self) -> bool {
        if !self.sender.is_ready() {
            // hyper may need one more turn to see that both directions are done. It is asked without a waker: nobody
            // waits for an idle connection.
            let _ended = self.drive(&mut Context::from_waker(Waker::noop()));
        }
        self.driver.is_some() && self.sender.is_ready()
    }
}
