//! Step of the path: the answer becomes the response that the client gets. The one place where an error becomes a status.

use std::rc::Rc;

use http::{HeaderValue, Response, StatusCode, header};

use crate::answer::{Answer, Content, ResponseBody};
use crate::drain::Stage;
use crate::error::Error;
use crate::exchange::Exchange;
use crate::{error_page, headers, limits};

const PLAIN_TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const CLOSE: HeaderValue = HeaderValue::from_static("close");
/// When a client may come again after a 503: what it waits for (a lease, a fresh plugin) takes about this long. Seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// What an error means to the client, to the log, and to proxies in front (RFC 9209 section 2.3).
struct Meaning {
    status: StatusCode,
    reason: &'static str,
    proxy_error: &'static str,
}

fn meaning(error: &Error) -> Meaning {
    let of = |status, reason, proxy_error| Meaning { status, reason, proxy_error };
    match error {
        Error::Host => of(StatusCode::BAD_REQUEST, "invalid_host", "http_request_error"),
        Error::Target => of(StatusCode::BAD_REQUEST, "invalid_target", "http_request_error"),
        Error::Path(_) => of(StatusCode::BAD_REQUEST, "invalid_path", "http_request_error"),
        Error::Framing => of(StatusCode::BAD_REQUEST, "invalid_framing", "http_request_error"),
        Error::BodyBroken => of(StatusCode::BAD_REQUEST, "body_broken", "http_request_error"),
        Error::BodyIdle => of(StatusCode::REQUEST_TIMEOUT, "body_idle", "http_request_error"),
        Error::Expectation => of(StatusCode::EXPECTATION_FAILED, "unknown_expectation", "http_request_error"),
        Error::Method => of(StatusCode::NOT_IMPLEMENTED, "method_refused", "http_request_denied"),
        Error::Coding => of(StatusCode::NOT_IMPLEMENTED, "unknown_coding", "http_request_error"),
        Error::BodyTooLarge => of(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "http_request_error"),
        Error::RateLimited { .. } => of(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "http_request_error"),
        Error::RouteBusy => of(StatusCode::SERVICE_UNAVAILABLE, "route_busy", "connection_limit_reached"),
        Error::NoRoute => of(StatusCode::NOT_FOUND, "no_route", "destination_not_found"),
        Error::Plugin { status } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            of(status, "plugin_failed", "proxy_internal_error")
        }
        Error::NoServer => of(StatusCode::SERVICE_UNAVAILABLE, "no_healthy_server", "destination_unavailable"),
        Error::Busy => of(StatusCode::SERVICE_UNAVAILABLE, "upstream_busy", "connection_limit_reached"),
        Error::Connect(_) => of(StatusCode::SERVICE_UNAVAILABLE, "connection_refused", "connection_refused"),
        Error::ConnectTimeout => of(StatusCode::GATEWAY_TIMEOUT, "connection_timeout", "connection_timeout"),
        Error::ServerClosed(_) => of(StatusCode::BAD_GATEWAY, "connection_terminated", "connection_terminated"),
        Error::ServerMalformed => of(StatusCode::BAD_GATEWAY, "malformed_response", "http_protocol_error"),
        Error::FirstByteTimeout => of(StatusCode::GATEWAY_TIMEOUT, "first_byte_timeout", "http_response_timeout"),
        Error::RequestTimeout => of(StatusCode::GATEWAY_TIMEOUT, "request_timeout", "http_response_timeout"),
    }
}

/// True if what the client sends next cannot be told from what it sent: the connection ends.
fn is_framing_lost(error: &Error) -> bool {
    matches!(error, Error::Framing | Error::Coding | Error::Method | Error::BodyBroken | Error::BodyIdle)
}

/// The answer to a request that failed. It repeats nothing that the client sent.
pub(crate) fn failure(exchange: &Exchange, error: &Error) -> Answer {
    let Meaning { status, reason, proxy_error } = meaning(error);
    tracing::debug!(
        request_id = exchange.request_id_text(),
        reason,
        error = error as &dyn std::error::Error,
        "refused"
    );
    exchange.record.refused(reason);
    let mut response = text(status, format!("{} {error}\n", status.as_u16()));
    error_page::put(exchange, reason, &mut response);
    let fields = response.headers_mut();
    if let Ok(said) = HeaderValue::from_str(&format!("sluice; error={proxy_error}")) {
        fields.insert(headers::PROXY_STATUS, said);
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        fields.insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS);
    }
    limits::tell(exchange, error, fields);
    if is_framing_lost(error) {
        fields.insert(header::CONNECTION, CLOSE);
    }
    Answer { position: None, response }
}

/// The answer to `OPTIONS *`: the router is there (RFC 9110 section 9.3.7).
pub(crate) fn options() -> Answer {
    let mut response = Response::new(Content::Whole(None));
    *response.status_mut() = StatusCode::NO_CONTENT;
    Answer { position: None, response }
}

/// A response of text made here.
pub(crate) fn text(status: StatusCode, text: String) -> Response<Content> {
    let mut response = Response::new(Content::whole(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, PLAIN_TEXT);
    response
}

/// Puts on what the router says of every response, and hands the exchange over to its body.
pub(crate) fn finish(exchange: Rc<Exchange>, answer: Answer) -> Response<ResponseBody> {
    let (mut parts, content) = answer.response.into_parts();
    exchange.record.set_status(parts.status.as_u16());
    let fields = &mut parts.headers;
    fields.insert(headers::REQUEST_ID, exchange.request_id.clone());
    if let Some(variant) = exchange.variant_field() {
        fields.insert(headers::VARIANT, variant.clone());
    }
    if let Some(tag) = exchange.tag() {
        fields.insert(headers::TAG, tag);
    }
    // The answer is early: whether the rest of the body is read to its end is not sure, so nothing may follow it.
    let is_early = exchange.upload().is_some_and(|upload| !upload.is_complete());
    if is_early || exchange.connection.worker.connections.stage() > Stage::Serving {
        fields.insert(header::CONNECTION, CLOSE);
    }
    let is_bare = exchange.is_head || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    Response::from_parts(parts, ResponseBody::new(content, exchange, is_bare))
}
