//! Filters of a route: what changes by itself on the way to a server and back. Vocabulary and rules of the Gateway
//! API's `HTTPRouteFilter`.
//!
//! A request is filtered after its plugins have spoken, so what they and the route table saw is what the client asked
//! for; a filter never makes it take another route. A response is filtered last, whoever made it.

pub(crate) mod cors;
pub(crate) mod edits;
pub(crate) mod redirect;
mod rewrite;

use std::rc::Rc;

use http::{Request, Uri, Version};

use crate::answer::Answer;
use crate::body::RequestBody;
use crate::error::Error;
use crate::exchange::Exchange;
use crate::head::Head;
use crate::{expect, headers};

/// The request as the server gets it: edited by its plugins, rewritten and edited by its route, in origin form, with what
/// this router vouches for.
pub(crate) fn to_server(exchange: &Exchange, head: Head) -> Result<Request<RequestBody>, Error> {
    let route = exchange.route_policy()?;
    let line = exchange.line().ok_or(Error::Target)?;
    let own = exchange.chain.take_request_edits();
    let rewrite = route.filters.rewrite.as_ref();
    let rewritten_host = rewrite.and_then(|rewrite| rewrite.host.as_ref());
    let body = exchange.upload().map_or(RequestBody::Empty, |upload| RequestBody::Upload(Rc::clone(upload)));
    let mut request = Request::new(body);
    *request.method_mut() = line.method.clone();
    let change = rewrite.and_then(|rewrite| rewrite.path.as_ref());
    *request.uri_mut() = Uri::from(rewrite::target(own.as_ref(), change, exchange, &line.target)?);
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = head.headers;
    if let Some(own) = &own {
        own.edit_headers(request.headers_mut());
    }
    let hosts = headers::Hosts { asked: head.host.field(), sent: rewritten_host.unwrap_or_else(|| head.host.field()) };
    let edits = &route.filters.request_headers;
    let vouched = headers::Vouched {
        hosts,
        peer: &exchange.connection.peer,
        via: &exchange.connection.worker.pseudonym.entry(exchange.version),
        request_id: &exchange.request_id,
        takes_trailers: head.takes_trailers,
        has_body: exchange.upload().is_some(),
    };
    headers::to_server(request.headers_mut(), &vouched, edits);
    if let Some(upload) = exchange.upload().filter(|_| head.expects_continue) {
        expect::hold_back(&mut request, upload);
    }
    Ok(request)
}

/// The answer as the client gets it, before the router puts on what it says of every response.
pub(crate) fn to_client(exchange: &Exchange, mut answer: Answer) -> Answer {
    if let Ok(route) = exchange.route_policy() {
        let headers = answer.response.headers_mut();
        edits::apply(&route.filters.response_headers, headers);
        if let (Some(cors), Some(cross_origin)) = (&route.filters.cors, exchange.cross_origin()) {
            cors::to_client(cors, cross_origin, headers);
        }
    }
    answer
}
