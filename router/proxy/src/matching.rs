//! Step of the path: which route a request takes.

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
    match exchange.snapshot().policy.find_match(&request) {
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
