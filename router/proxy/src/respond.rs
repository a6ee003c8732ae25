//! Step of the path: the answer becomes the response that the client gets. The one place where an error becomes a status.

use std::rc::Rc;

use http::{HeaderMap, HeaderValue, Response, StatusCode, Version, header};
use http_body::Body;
use sluice_snapshot::Reason;

use crate::answer::{Answer, Content, ResponseBody};
use crate::error::Error;
use crate::exchange::Exchange;
use crate::server_timing::SERVER_TIMING;
use crate::{error_page, headers, limits};

const PLAIN_TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const CLOSE: HeaderValue = HeaderValue::from_static("close");
/// When a client may come again after a 503: what it waits for (a lease, a fresh plugin) takes about this long. Seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// What an error means to the client, to the log, and to proxies in front (RFC 9209 section 2.3).
struct Meaning {
    status: StatusCode,
    reason: Reason,
    proxy_error: &'static str,
}

/// The reason code of an error.
pub(crate) fn reason(error: &Error) -> Reason {
    meaning(error).reason
}

fn meaning(error: &Error) -> Meaning {
    let of = |status, reason, proxy_error| Meaning { status, reason, proxy_error };
    match error {
        Error::Host => of(StatusCode::BAD_REQUEST, Reason::InvalidHost, "http_request_error"),
        Error::Target => of(StatusCode::BAD_REQUEST, Reason::InvalidTarget, "http_request_error"),
        Error::TargetTooLong => of(StatusCode::URI_TOO_LONG, Reason::TargetTooLong, "http_request_error"),
        Error::Path(_) => of(StatusCode::BAD_REQUEST, Reason::InvalidPath, "http_request_error"),
        Error::FieldName => of(StatusCode::BAD_REQUEST, Reason::InvalidFieldName, "http_request_error"),
        Error::Framing => of(StatusCode::BAD_REQUEST, Reason::InvalidFraming, "http_request_error"),
        Error::BodyBroken => of(StatusCode::BAD_REQUEST, Reason::BodyBroken, "http_request_error"),
        Error::BodyIdle => of(StatusCode::REQUEST_TIMEOUT, Reason::BodyIdle, "http_request_error"),
        Error::Expectation => of(StatusCode::EXPECTATION_FAILED, Reason::UnknownExpectation, "http_request_error"),
        Error::Method => of(StatusCode::NOT_IMPLEMENTED, Reason::MethodRefused, "http_request_denied"),
        Error::Coding => of(StatusCode::NOT_IMPLEMENTED, Reason::UnknownCoding, "http_request_error"),
        Error::Loop => of(StatusCode::LOOP_DETECTED, Reason::LoopDetected, "proxy_loop_detected"),
        Error::Panicked => of(StatusCode::INTERNAL_SERVER_ERROR, Reason::Panicked, "proxy_internal_error"),
        Error::BodyTooLarge => of(StatusCode::PAYLOAD_TOO_LARGE, Reason::BodyTooLarge, "http_request_error"),
        Error::RateLimited { .. } => of(StatusCode::TOO_MANY_REQUESTS, Reason::RateLimited, "http_request_error"),
        Error::RouteBusy => of(StatusCode::SERVICE_UNAVAILABLE, Reason::RouteBusy, "connection_limit_reached"),
        Error::HeadTooLarge => {
            of(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, Reason::HeadTooLarge, "http_request_error")
        }
        Error::Overloaded => of(StatusCode::SERVICE_UNAVAILABLE, Reason::Overloaded, "connection_limit_reached"),
        Error::NoRoute => of(StatusCode::NOT_FOUND, Reason::NoRoute, "destination_not_found"),
        Error::Plugin { status } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            of(status, Reason::PluginFailed, "proxy_internal_error")
        }
        Error::NoServer => of(StatusCode::SERVICE_UNAVAILABLE, Reason::NoHealthyServer, "destination_unavailable"),
        Error::BreakerOpen { .. } => {
            of(StatusCode::SERVICE_UNAVAILABLE, Reason::BreakerOpen, "destination_unavailable")
        }
        Error::Busy => of(StatusCode::SERVICE_UNAVAILABLE, Reason::UpstreamBusy, "connection_limit_reached"),
        Error::Connect(_) => of(StatusCode::SERVICE_UNAVAILABLE, Reason::ConnectionRefused, "connection_refused"),
        Error::ConnectTimeout => of(StatusCode::GATEWAY_TIMEOUT, Reason::ConnectionTimeout, "connection_timeout"),
        Error::ServerClosed(_) => of(StatusCode::BAD_GATEWAY, Reason::ConnectionTerminated, "connection_terminated"),
        Error::ServerMalformed => of(StatusCode::BAD_GATEWAY, Reason::MalformedResponse, "http_protocol_error"),
        Error::FirstByteTimeout => of(StatusCode::GATEWAY_TIMEOUT, Reason::FirstByteTimeout, "http_response_timeout"),
        Error::TryTimeout => of(StatusCode::GATEWAY_TIMEOUT, Reason::PerTryTimeout, "http_response_timeout"),
        Error::RequestTimeout => of(StatusCode::GATEWAY_TIMEOUT, Reason::RequestTimeout, "http_response_timeout"),
    }
}

/// When the client may come again.
fn retry_after(error: &Error) -> HeaderValue {
    match error {
        // Whole seconds, rounded up: who comes early is refused again.
        Error::BreakerOpen { retry_after } => HeaderValue::from(retry_after.as_secs() + 1),
        _ => RETRY_AFTER_SECONDS,
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
        reason = reason.as_str(),
        error = error as &dyn std::error::Error,
        "refused"
    );
    exchange.record.refused(reason);
    let mut response = text(status, format!("{} {error}\n", status.as_u16()));
    error_page::put(exchange, reason, &mut response);
    let fields = response.headers_mut();
    if let Ok(said) = HeaderValue::from_str(&format!("sluice; error={proxy_error}; details=\"{}\"", reason.as_str())) {
        fields.insert(headers::PROXY_STATUS, said);
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        fields.insert(header::RETRY_AFTER, retry_after(error));
    }
    limits::tell(exchange, error, fields);
    if is_framing_lost(error) {
        fields.insert(header::CONNECTION, CLOSE);
    }
    Answer { position: None, response }
}

/// An answer that the policy gives in place of a server, for this reason.
pub(crate) fn by_policy(exchange: &Exchange, reason: Reason, status: StatusCode) -> Answer {
    exchange.record.refused(reason);
    let mut response = Response::new(Content::Whole(None));
    *response.status_mut() = status;
    if let Ok(said) = HeaderValue::from_str(&format!("sluice; details=\"{}\"", reason.as_str())) {
        response.headers_mut().insert(headers::PROXY_STATUS, said);
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
    if let Some(timing) = exchange.chain.server_timing() {
        // Beside what the server says of its own times.
        fields.append(SERVER_TIMING, timing);
    }
    // The answer is early: whether the rest of the body is read to its end is not sure, so nothing may follow it.
    let is_early = exchange.upload().is_some_and(|upload| !upload.is_complete());
    let connection = &exchange.connection;
    if (is_early && !connection.is_http2()) || connection.is_last_answer(exchange.started) {
        fields.insert(header::CONNECTION, CLOSE);
    }
    if exchange.version == Version::HTTP_10 && is_unframed(fields, &content) {
        // hyper would promise to keep the connection, and then close it.
        fields.insert(header::CONNECTION, CLOSE);
    }
    let is_unchanged = parts.status == StatusCode::NOT_MODIFIED;
    let body = if is_unchanged || exchange.is_head || parts.status == StatusCode::NO_CONTENT {
        ResponseBody::bare(content, exchange, is_unchanged && parts.headers.contains_key(header::CONTENT_LENGTH))
    } else {
        ResponseBody::new(content, exchange)
    };
    Response::from_parts(parts, body)
}

/// True if only the end of the connection ends this body, for a client that knows no chunks.
fn is_unframed(fields: &HeaderMap, content: &Content) -> bool {
    match content {
        Content::Whole(_) => false,
        Content::Streamed(body) => !fields.contains_key(header::CONTENT_LENGTH) && !body.is_end_stream(),
    }
}
