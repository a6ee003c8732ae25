//! Step of the path: the request goes to a server, and the head of its response comes back.
//!
//! What may be tried again: connecting, at once and elsewhere; a request of which nothing was written; a request that is
//! idempotent and has no body, as long as no byte of a response came (RFC 9110 section 9.2.2). Nothing else is ever sent
//! twice.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use http::{HeaderMap, Method, Request, Response, Version};
use rustix::io::Errno;
use sluice_policy::Route;
use tokio::time::{Instant, timeout_at};

use crate::answer::{Answer, Content};
use crate::body::{RequestBody, Upload};
use crate::client::{Lease, Patience, SendFault, ServerConnection};
use crate::codec::{self, Incoming};
use crate::error::Error;
use crate::exchange::Exchange;
use crate::headers;
use crate::pick::Choice;
use crate::server_body::ServerBody;

/// Servers that one attempt may try to connect to.
const SERVERS_TRIED_MAX: usize = 4;
/// How often a request of which nothing was written may go elsewhere: once from an old connection to a fresh one, and
/// once more if that one closes at once.
const UNSENT_MAX: u32 = 2;

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
    let mut attempts_left = route.retries.attempts;
    let mut unsent_left = UNSENT_MAX;
    let mut wants_fresh = false;
    loop {
        let mut lease = acquire(exchange, route, &mut choice, wants_fresh, deadline).await?;
        let is_reused = lease.is_reused();
        let copy = copy_if_replayable(&request, upload);
        let patience = Patience { deadline, first_byte: route.timeouts.first_byte };
        let fault = match lease.send(request, upload, patience).await {
            Ok(response) => return from_server(exchange, response, lease, deadline),
            Err(fault) => fault,
        };
        if let Some(stop) = upload.and_then(|upload| upload.take_stop()) {
            return stop;
        }
        // A pooled connection that failed says nothing of its server, but every pooled one may be as old.
        if !is_reused {
            choice.set_failed(lease.server.server());
        }
        wants_fresh = true;
        request = match (fault, copy) {
            (SendFault::Unsent { request, .. }, _) if unsent_left > 0 => {
                unsent_left -= 1;
                *request
            }
            (SendFault::Failed(_), Some(copy)) if attempts_left > 0 => {
                attempts_left -= 1;
                copy
            }
            (SendFault::Unsent { error, .. } | SendFault::Failed(error), _) => return Err(Error::from_failed(error)),
            (SendFault::Late(error), _) => return Err(error),
        };
        exchange.connection.worker.counters().retries.fetch_add(1, Ordering::Relaxed);
    }
}

/// A copy for a second attempt, if a second attempt does no harm.
fn copy_if_replayable(request: &Request<RequestBody>, upload: Option<&Rc<Upload>>) -> Option<Request<RequestBody>> {
    let is_idempotent =
        matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE);
    if upload.is_some() || !is_idempotent {
        return None;
    }
    let mut copy = Request::new(RequestBody(None));
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = HeaderMap::clone(request.headers());
    Some(copy)
}

/// A connection to some server of the choice: an idle one, or a fresh one if that is wanted or none is idle. A server
/// that cannot be connected to is left for the next one at once.
async fn acquire(
    exchange: &Exchange,
    route: &Route,
    choice: &mut Choice,
    wants_fresh: bool,
    deadline: Instant,
) -> Result<Lease, Error> {
    let counters = exchange.connection.worker.counters();
    let mut last = Error::NoServer;
    for _ in 0..SERVERS_TRIED_MAX {
        let Some(server) = choice.next_server(exchange) else { break };
        let now = Instant::now();
        if now >= deadline {
            return Err(Error::RequestTimeout);
        }
        let patience = route.timeouts.connect.min(deadline - now);
        let connections_max = exchange.snapshot().policy.upstreams[choice.upstream].connections_max;
        let entered = timeout_at(now + patience, choice.group(exchange).gate.enter(connections_max)).await;
        let permit = entered.map_err(|_| Error::Busy)?.map_err(|_| Error::Busy)?;
        let in_flight = server.enter();
        if !wants_fresh && let Some(connection) = server.idle_connection() {
            return Ok(Lease { connection, server: in_flight, permit });
        }
        counters.upstream_connects.fetch_add(1, Ordering::Relaxed);
        match ServerConnection::open(&server.address, patience).await {
            Ok(connection) => {
                server.connected();
                return Ok(Lease { connection: Box::new(connection), server: in_flight, permit });
            }
            Err(error) => {
                tracing::debug!(
                    server = &*server.address,
                    error = &error as &dyn std::error::Error,
                    "connecting failed"
                );
                if !is_ours(&error) {
                    server.failed(Instant::now());
                }
                choice.set_unreachable(&server);
                counters.retries.fetch_add(1, Ordering::Relaxed);
                last = error;
            }
        }
    }
    Err(last)
}

/// True if this machine could not connect, whatever the server (`connect(2)`, `socket(2)`).
fn is_ours(error: &Error) -> bool {
    let Error::Connect(error) = error else { return false };
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::ADDRNOTAVAIL | Errno::NOBUFS | Errno::NOMEM)
    )
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
    parts.version = Version::HTTP_11;
    headers::to_client(&mut parts.headers);
    let idle_max = exchange.connection.worker.settings.body_idle;
    let body = ServerBody::new(incoming, lease, idle_max, deadline);
    Ok(Answer { position: None, response: Response::from_parts(parts, Content::Streamed(Box::new(body))) })
}

impl Error {
    fn from_failed(error: codec::Error) -> Self {
        if error.is_malformed() { Self::ServerMalformed } else { Self::ServerClosed(error) }
    }
}
