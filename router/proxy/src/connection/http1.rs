//! A client connection over HTTP/1.1: hyper parses, this file keeps the time and ends it in a drain.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::time::Sleep;

use super::clock::Due;
use super::timed::TimedStream;
use super::{Connection, Ending};
use crate::codec::Incoming;
use crate::drain::Stage;
use crate::exchange;

/// Serves the connection to its end.
pub(super) async fn serve(connection: &Rc<Connection>, stream: TimedStream, mut timer: Pin<&mut Sleep>) -> Ending {
    let worker = &connection.worker;
    let service = service_fn(|request| exchange::answer(Rc::clone(connection), request.map(Incoming::Http1)));
    let mut http = pin!(worker.http1.serve_connection(TokioIo::new(stream), service));
    let mut is_told = false;
    poll_fn(|cx| {
        // One that waits for a request is told by the answer to it, or when that does not come.
        let is_last = match worker.connections.stage() {
            Stage::Serving => false,
            Stage::LastAnswers => connection.clock.is_busy(),
            Stage::Closing | Stage::Over => true,
        };
        if is_last && !is_told {
            is_told = true;
            http.as_mut().graceful_shutdown();
        }
        if http.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ending::Closed);
        }
        connection.clock.poll_due(cx, timer.as_mut(), &worker.settings).map(|due| match due {
            Due::HeadLate => Ending::HeadLate,
            // The age of such a connection is looked at when it answers.
            Due::Idle | Due::Old => Ending::Idle,
        })
    })
    .await
}
