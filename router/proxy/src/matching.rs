//! Step of the path: which route a request takes. A preflight takes the route of the request that it announces, if that
//! has CORS: a route that matches by method would never see it otherwise.

use std::sync::atomic::Ordering;

use sluice_policy::RequestLine;

use crate::error::Error;
use crate::exchange::Exchange;
use crate::head::Head;

/// Finds the route, and leaves it in the exchange.
pub(crate) fn find(exchange: &Exchange, head: &Head) -> Result<(), Error> {
    let line = exchange.line().ok_or(Error::Target)?;
    let request = RequestLine {
        host: head.host.name(),
        path: line.target.path(),
        query: line.target.query(),
        method: &line.method,
        headers: &head.headers,
    };
    let policy = &exchange.snapshot().policy;
    match policy.find_preflight_too(&request) {
        Some(found) => {
            exchange.set_route(found);
            Ok(())
        }
        None => {
            exchange.connection.worker.counters().unrouted.fetch_add(1, Ordering::Relaxed);
            Err(Error::NoRoute)
        }
    }
}
