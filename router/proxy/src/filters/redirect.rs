//! Redirects: the router answers with another address of the same thing.
//!
//! `Location` is put together from parts that were checked: the policy's own, the host and the normal path of the request,
//! and a query that is part of a valid target.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use sluice_policy::filter::Scheme;
use sluice_policy::location::Address;
use sluice_snapshot::Reason;

use crate::answer::Answer;
use crate::error::Error;
use crate::exchange::Exchange;
use crate::head::Head;
use crate::respond;

/// Answers with the redirect of the route.
pub(crate) fn answer(exchange: &Exchange, head: &Head) -> Result<Answer, Error> {
    let redirect = exchange.route_policy()?.filters.redirect.as_ref().ok_or(Error::NoRoute)?;
    let target = &exchange.line().ok_or(Error::Target)?.target;
    let from = Address {
        scheme: Scheme::Http,
        host: head.host.name(),
        port: head.host.port(),
        path: target.path(),
        query: target.query(),
    };
    let location = redirect.location(&from, exchange.path_pattern()?);
    let location = HeaderValue::from_maybe_shared(Bytes::from(location)).map_err(|_| Error::Target)?;
    let status = StatusCode::from_u16(redirect.status).unwrap_or(StatusCode::FOUND);
    let mut answer = respond::by_policy(exchange, Reason::Redirect, status);
    answer.response.headers_mut().insert(header::LOCATION, location);
    Ok(answer)
}
