//! Cross-origin resource sharing (Fetch standard, section 3.3), with the settings of the Gateway API's `HTTPCORSFilter`.
//!
//! The router alone speaks of it on a route that has it: what a server says is replaced. Who may not read a response gets
//! no field at all, and the browser does the rest; the request itself is never refused for its origin.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use sluice_policy::filter::{Cors, OriginPattern, announced_method};
use sluice_snapshot::Reason;

use crate::answer::Answer;
use crate::exchange::Exchange;
use crate::head::{Head, tokens};
use crate::respond;

const ANY: HeaderValue = HeaderValue::from_static("*");
const TRUE: HeaderValue = HeaderValue::from_static("true");
/// Methods that need no permission (Fetch standard, section 2.2.1).
const SAFELISTED_METHODS: &str = "GET, HEAD, POST";
/// What only the router says on a route with CORS.
const OWN: [HeaderName; 6] = [
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
];

/// What a request on a route with CORS asked for.
#[derive(Clone, Debug)]
pub(crate) struct CrossOrigin {
    /// The origin that may read the response, as it is told.
    allowed: Option<HeaderValue>,
    /// It asks whether another request would be allowed.
    is_preflight: bool,
}

/// Notes who asks, for the response.
pub(crate) fn note(exchange: &Exchange, head: &Head) {
    let cors = exchange.route_policy().ok().and_then(|route| route.filters.cors.as_ref());
    if let (Some(cors), Some(line)) = (cors, exchange.line()) {
        exchange.set_cross_origin(CrossOrigin {
            allowed: origin(&head.headers).and_then(|origin| told(cors, origin)),
            is_preflight: announced_method(&line.method, &head.headers).is_some(),
        });
    }
}

/// Answers a preflight, so that neither plugins nor servers see it. Any other `OPTIONS` passes.
pub(crate) fn preflight(exchange: &Exchange) -> Option<Answer> {
    exchange.cross_origin().filter(|cross| cross.is_preflight)?;
    Some(respond::by_policy(exchange, Reason::CorsPreflight, StatusCode::NO_CONTENT))
}

/// Puts on what a browser has to know, in place of what a server said.
pub(super) fn to_client(cors: &Cors, cross: &CrossOrigin, headers: &mut HeaderMap) {
    for name in OWN {
        headers.remove(name);
    }
    vary(headers, "origin");
    if cross.is_preflight {
        vary(headers, "access-control-request-method");
        vary(headers, "access-control-request-headers");
    }
    let Some(allowed) = &cross.allowed else { return };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed.clone());
    if cors.credentials {
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
    }
    if cross.is_preflight {
        let methods = std::iter::once(SAFELISTED_METHODS).chain(cors.methods.iter().map(Method::as_str));
        put_list(headers, header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        put_list(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, cors.headers.iter().map(HeaderName::as_str));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(cors.max_age_seconds));
    } else {
        put_list(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, cors.expose.iter().map(HeaderName::as_str));
    }
}

/// The one origin that a request names.
fn origin(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut lines = headers.get_all(header::ORIGIN).iter();
    lines.next().filter(|_| lines.next().is_none())
}

/// What an origin that may read responses is told: `*` where that is for everybody, and never with credentials.
fn told(cors: &Cors, origin: &HeaderValue) -> Option<HeaderValue> {
    let text = origin.to_str().ok()?.to_ascii_lowercase();
    let is_for_all = cors.origins.contains(&OriginPattern::Any) && !cors.credentials;
    let is_allowed = cors.origins.iter().any(|pattern| pattern.matches(&text));
    is_allowed.then(|| if is_for_all { ANY } else { origin.clone() })
}

/// Adds a name to `Vary`, unless it is there.
fn vary(headers: &mut HeaderMap, name: &'static str) {
    let is_named = |token: &[u8]| token == b"*" || token.eq_ignore_ascii_case(name.as_bytes());
    let is_known = headers.get_all(header::VARY).iter().any(|line| tokens(line.as_bytes()).any(is_named));
    if !is_known {
        headers.append(header::VARY, HeaderValue::from_static(name));
    }
}

/// Writes a list as one line, or nothing if it is empty.
fn put_list<'a>(headers: &mut HeaderMap, name: HeaderName, items: impl Iterator<Item = &'a str>) {
    let items: Vec<&str> = items.collect();
    if let Ok(list) = HeaderValue::from_str(&items.join(", "))
        && !items.is_empty()
    {
        headers.insert(name, list);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[OriginPattern], credentials: bool) -> Cors {
        let (methods, headers, expose) = (Vec::new(), Vec::new(), Vec::new());
        Cors { origins: origins.to_vec(), methods, headers, expose, credentials, max_age_seconds: 5 }
    }

    #[test]
    fn an_origin_is_told_itself_or_a_star_but_no_star_with_credentials() {
        let said = |cors: &Cors, origin| {
            told(cors, &HeaderValue::from_static(origin)).map(|value| value.to_str().unwrap().to_owned())
        };
        let wildcard = OriginPattern::Wildcard { before: "https://".to_owned(), after: ".example.org".to_owned() };
        let some = cors(&[OriginPattern::Exact("https://a.test".to_owned()), wildcard], true);
        assert_eq!(said(&some, "https://a.test").as_deref(), Some("https://a.test"));
        assert_eq!(said(&some, "HTTPS://x.Example.org").as_deref(), Some("HTTPS://x.Example.org"));
        for other in
            ["http://a.test", "https://a.test:8443", "https://example.org", "https://evil.test/.example.org", "null"]
        {
            assert_eq!(said(&some, other), None, "{other}");
        }
        assert_eq!(said(&cors(&[OriginPattern::Any], false), "https://b.test").as_deref(), Some("*"));
        assert_eq!(said(&cors(&[OriginPattern::Any], true), "https://b.test").as_deref(), Some("https://b.test"));
    }

    #[test]
    fn vary_names_everything_once() {
        let mut headers = HeaderMap::from_iter([(header::VARY, HeaderValue::from_static("accept, Origin"))]);
        vary(&mut headers, "origin");
        assert_eq!(headers.get_all(header::VARY).iter().count(), 1);
        vary(&mut headers, "access-control-request-method");
        assert_eq!(headers.get_all(header::VARY).iter().count(), 2);
    }
}
