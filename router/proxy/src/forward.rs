//! Step of the path: the request goes to a server, and the head of its response comes back.
//!
//! One attempt after the other: `acquire` a connection, send, judge the server by what came, and ask `retry` whether
//! there is one more attempt.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use http::{Request, Response, StatusCode, Version, header};
use http_body::Body;
use sluice_snapshot::Reason;
use sluice_snapshot::upstream::Failure;
use tokio::time::{Instant, sleep};

use crate::acquire::{Acquired, acquire};
use crate::answer::{Answer, Content};
use crate::body::RequestBody;
use crate::client::{Lease, Patience, SendFault};
use crate::codec::{self, Incoming};
use crate::error::Error;
use crate::exchange::Exchange;
use crate::pick::Choice;
use crate::retry::{Again, Denied, Retry};
use crate::server_body::ServerBody;
use crate::upstream::Outcome;
use crate::{headers, respond};

/// Chunks of an unwanted answer that are read, if they are here already, to keep its connection.
const DISCARDED_CHUNKS_MAX: usize = 4;

/// Sends the request where `choice` says, and returns the answer of the server; or that of a plugin that stopped the
/// upload on its way.
pub(crate) async fn forward(
    exchange: &Exchange,
    mut request: Request<RequestBody>,
    mut choice: Choice,
) -> Result<Answer, Error> {
    let route = exchange.route_policy()?;
    let upload = exchange.upload();
    let deadline = exchange.started + route.timeouts.request;
    let mut retry = Retry::new(&route.retries, deadline);
    let mut wants_fresh = false;
    let mut cause = None;
    choice.group(exchange).count_request(Instant::now());
    loop {
        let acquired = acquire(exchange, route, &mut choice, wants_fresh, deadline).await;
        let mut attempt = acquired.map_err(|error| cause.take().unwrap_or(error))?;
        choice.group(exchange).stats().requests.fetch_add(1, Ordering::Relaxed);
        let copy = retry.copy(&request);
        let try_deadline = deadline.min(attempt.lease.server.began() + route.timeouts.per_try);
        let patience = Patience { deadline: try_deadline, first_byte: route.timeouts.first_byte };
        let sent = attempt.lease.send(request, upload, patience).await;
        if sent.is_err()
            && let Some(stop) = upload.and_then(|upload| upload.take_stop())
        {
            return stop;
        }
        if let Err(fault) = &sent {
            exchange.trail.failed(reason(fault));
        }
        let again = match sent {
            Ok(response) => {
                let status = response.status();
                exchange.trail.answered(status.as_u16());
                choice.group(exchange).stats().latency.observe(attempt.lease.server.began().elapsed());
                judge(exchange, &mut choice, &mut attempt, outcome(status));
                if !retry.is_wanted_after(status.as_u16()) {
                    return from_server(exchange, response, attempt.lease, deadline);
                }
                match again(exchange, &choice, &mut retry, copy) {
                    Ok(again) => {
                        discard(exchange, response, attempt.lease, deadline);
                        again
                    }
                    Err(_) => return from_server(exchange, response, attempt.lease, deadline),
                }
            }
            Err(fault) => {
                wants_fresh |= !matches!(fault, SendFault::Late(_));
                after(fault, exchange, &mut choice, &mut retry, attempt, copy)?
            }
        };
        exchange.connection.worker.counters().retries.fetch_add(1, Ordering::Relaxed);
        choice.group(exchange).stats().retries.fetch_add(1, Ordering::Relaxed);
        if !again.pause.is_zero() {
            sleep(again.pause).await;
        }
        request = again.request;
        cause = again.cause;
    }
}

/// What the status of an answer says of its server.
fn outcome(status: StatusCode) -> Outcome {
    match status {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Outcome::Failed(Failure::Status)
        }
        _ => Outcome::Answered,
    }
}

/// Tells the upstream how its server did; one that failed is not the next to be asked.
fn judge(exchange: &Exchange, choice: &mut Choice, attempt: &mut Acquired, outcome: Outcome) {
    let (group, now) = (choice.group(exchange), Instant::now());
    group.judge(&attempt.lease.server, outcome, now);
    group.settle(attempt.pass.take(), outcome, now);
    if outcome != Outcome::Answered {
        choice.set_failed(attempt.lease.server.server());
    }
}

/// After a failure of a server: one more attempt, if there may be one.
fn again(
    exchange: &Exchange,
    choice: &Choice,
    retry: &mut Retry<'_>,
    copy: Option<Request<RequestBody>>,
) -> Result<Again, Denied> {
    let random = exchange.connection.worker.random();
    let again = retry.failed(copy, choice.group(exchange), Instant::now(), random);
    if again.as_ref().is_err_and(|denied| *denied == Denied::Budget) {
        exchange.record.broke_off(Reason::RetryBudgetExhausted);
    }
    again
}

/// After a request that was not answered: one more attempt, or what went wrong.
fn after(
    fault: SendFault,
    exchange: &Exchange,
    choice: &mut Choice,
    retry: &mut Retry<'_>,
    mut attempt: Acquired,
    copy: Option<Request<RequestBody>>,
) -> Result<Again, Error> {
    // A pooled connection that was lost says nothing of its server, but every pooled one may be as old.
    let is_reused = attempt.is_reused;
    let is_answer_begun = attempt.lease.is_answer_begun();
    let error = match fault {
        SendFault::Unsent { request, error } => {
            if !is_reused {
                judge(exchange, choice, &mut attempt, Outcome::Failed(Failure::Closed));
            }
            return retry.unsent(*request).map_err(|_| Error::from_failed(error));
        }
        SendFault::Failed(error) => match Error::from_failed(error) {
            error @ Error::ServerMalformed => {
                judge(exchange, choice, &mut attempt, Outcome::Failed(Failure::Malformed));
                error
            }
            error if is_reused && !is_answer_begun => return retry.lost(copy).map_err(|_| error),
            error => {
                judge(exchange, choice, &mut attempt, Outcome::Failed(Failure::Closed));
                error
            }
        },
        SendFault::Late(error) => {
            // Who has not sent its request yet cannot blame the server.
            if exchange.upload().is_none_or(|upload| upload.is_complete()) {
                judge(exchange, choice, &mut attempt, Outcome::Failed(Failure::Timeout));
            }
            let is_over = Instant::now() >= exchange.started + exchange.route_policy()?.timeouts.request;
            if is_over || !matches!(error, Error::RequestTimeout) {
                return Err(error);
            }
            Error::TryTimeout
        }
    };
    drop(attempt);
    if is_answer_begun {
        return Err(error);
    }
    match again(exchange, choice, retry, copy) {
        Ok(again) => Ok(Again { cause: Some(error), ..again }),
        Err(_) => Err(error),
    }
}

/// Reads what has come of an answer that nobody wants: if that is all of it, its connection is kept, else closed.
fn discard(exchange: &Exchange, response: Response<Incoming>, lease: Lease, deadline: Instant) {
    let mut body =
        ServerBody::new(response.into_body(), lease, exchange.connection.worker.settings.body_idle, deadline);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..DISCARDED_CHUNKS_MAX {
        if !matches!(Pin::new(&mut body).poll_frame(&mut cx), Poll::Ready(Some(Ok(_)))) {
            return;
        }
    }
}

/// The server's response as the client gets it.
fn from_server(
    exchange: &Exchange,
    response: Response<Incoming>,
    lease: Lease,
    deadline: Instant,
) -> Result<Answer, Error> {
    let (mut parts, incoming) = response.into_parts();
    if parts.status.is_informational() {
        // hyper passes over interim responses; what is left is a 101 that nobody asked for.
        return Err(Error::ServerMalformed);
    }
    let via = exchange.connection.worker.pseudonym.entry(parts.version);
    parts.version = Version::HTTP_11;
    headers::to_client(&mut parts.headers, via)?;
    if let Some(upload) = exchange.upload() {
        upload.answered();
    }
    let idle_max = exchange.connection.worker.settings.body_idle;
    let body = ServerBody::new(incoming, lease, idle_max, deadline);
    let content = if parts.status == StatusCode::RESET_CONTENT {
        // There is none, whatever the server sends (RFC 9110 section 15.3.6).
        parts.headers.remove(header::CONTENT_LENGTH);
        Content::Whole(None)
    } else {
        Content::Streamed(Box::new(body))
    };
    Ok(Answer { position: None, response: Response::from_parts(parts, content) })
}

/// Why an attempt was not enough.
fn reason(fault: &SendFault) -> Reason {
    match fault {
        SendFault::Unsent { error, .. } | SendFault::Failed(error) if error.is_malformed() => Reason::MalformedResponse,
        SendFault::Unsent { .. } | SendFault::Failed(_) => Reason::ConnectionTerminated,
        SendFault::Late(error) => respond::reason(error),
    }
}

impl Error {
    fn from_failed(error: codec::Error) -> Self {
        if error.is_malformed() { Self::ServerMalformed } else { Self::ServerClosed(error) }
    }
}
