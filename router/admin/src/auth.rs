//! Who may use the admin port.
//!
//! Without a token it serves loopback only, and only requests that name a loopback host (a page of another site that
//! resolves its name to 127.0.0.1 does not get in). A browser's cross-site requests may not write, with or without a
//! token.

use std::net::{IpAddr, SocketAddr};

use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, Method, header};
use subtle::ConstantTimeEq;

use crate::error::ApiError;
use crate::{Context, Shared, explain, flags, ofrep};

/// The tokens of the admin port. Never logged: `Debug` says only whether they are set.
#[derive(Clone, Default)]
pub struct Tokens {
    /// May read and write.
    pub operator: Option<String>,
    /// May read.
    pub read_only: Option<String>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("operator", &self.operator.is_some())
            .field("read_only", &self.read_only.is_some())
            .finish()
    }
}

/// Who asks for a change, as the log and histories name them. There is one operator's token, so what tells two operators
/// apart is where they are.
pub(crate) fn caller(ConnectInfo(address): ConnectInfo<SocketAddr>) -> String {
    format!("admin at {}", address.ip())
}

/// Stands before every route but assets and probes.
pub(crate) async fn guard(State(context): State<Shared>, request: Request, next: Next) -> Result<Response, ApiError> {
    let (method, path) = (request.method(), request.uri().path());
    let writes = writes(method, path);
    let headers = request.headers();
    is_for_us(&context, headers)?;
    let is_simple = method == Method::GET || method == Method::HEAD;
    if (writes || !is_simple) && is_cross_site(headers) {
        return Err(ApiError::Forbidden("a page of another site may not change anything here"));
    }
    authorize(&context.tokens, headers, writes)?;
    Ok(next.run(request).await)
}

/// Whether a request that changes nothing may be answered. For what does not stand behind [`guard`].
pub(crate) fn may_read(context: &Context, headers: &HeaderMap) -> Result<(), ApiError> {
    is_for_us(context, headers)?;
    authorize(&context.tokens, headers, false)
}

fn is_for_us(context: &Context, headers: &HeaderMap) -> Result<(), ApiError> {
    if context.tokens.operator.is_none() && !host_is_local(headers, context.address.ip()) {
        return Err(ApiError::Forbidden("the Host header must name this machine: localhost, 127.0.0.1 or [::1]"));
    }
    Ok(())
}

/// `GET /on` changes state for the sake of the original system, and a question may come with a body; all else follows
/// RFC 9110 section 9.2.1.
fn writes(method: &Method, path: &str) -> bool {
    let is_question =
        method == Method::POST && (path == explain::PATH || flags::is_question(path) || ofrep::is_question(path));
    !(method == Method::GET || method == Method::HEAD || is_question) || path == "/on"
}

fn authorize(tokens: &Tokens, headers: &HeaderMap, writes: bool) -> Result<(), ApiError> {
    let Some(operator) = &tokens.operator else { return Ok(()) };
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).ok_or(ApiError::Unauthorized)?;
    let same = |token: &String| bool::from(token.as_bytes().ct_eq(given.as_bytes()));
    if same(operator) {
        return Ok(());
    }
    match &tokens.read_only {
        Some(token) if same(token) && writes => Err(ApiError::Forbidden("this token may only read")),
        Some(token) if same(token) => Ok(()),
        Some(_) | None => Err(ApiError::Unauthorized),
    }
}

/// True if `Host` is a loopback name or address, or the address we listen on; the port does not matter.
fn host_is_local(headers: &HeaderMap, bound: IpAddr) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|value| value.to_str().ok()) else { return false };
    let Ok(authority) = host.parse::<http::uri::Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback() || address == bound)
}

/// True if a browser says that another site's page made the request (Fetch Metadata, and Origin as RFC 6454 has it).
fn is_cross_site(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("invalid"));
    let foreign_fetch = text("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
    let foreign_origin = text("origin").is_some_and(|origin| {
        let host = text("host").unwrap_or("");
        origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) != Some(host)
    });
    foreign_fetch || foreign_origin
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_local_hosts_are_served_without_a_token() {
        let bound: IpAddr = "127.0.0.1".parse().unwrap();
        for host in ["localhost:9900", "127.0.0.1", "127.0.0.1:1", "[::1]:9900", "LOCALHOST"] {
            assert!(host_is_local(&headers(&[("host", host)]), bound), "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "", "localhost@evil.example"] {
            assert!(!host_is_local(&headers(&[("host", host)]), bound), "{host}");
        }
        assert!(!host_is_local(&HeaderMap::new(), bound));
    }

    #[test]
    fn cross_site_pages_are_told_by_origin_or_fetch_metadata() {
        let host = ("host", "127.0.0.1:9900");
        assert!(!is_cross_site(&headers(&[host])));
        assert!(!is_cross_site(&headers(&[host, ("origin", "http://127.0.0.1:9900")])));
        assert!(!is_cross_site(&headers(&[host, ("sec-fetch-site", "same-origin")])));
        assert!(!is_cross_site(&headers(&[host, ("sec-fetch-site", "none")])));
        assert!(is_cross_site(&headers(&[host, ("origin", "http://evil.example")])));
        assert!(is_cross_site(&headers(&[host, ("origin", "null")])));
        assert!(is_cross_site(&headers(&[host, ("sec-fetch-site", "cross-site")])));
        assert!(is_cross_site(&headers(&[host, ("sec-fetch-site", "same-site")])));
    }

    #[test]
    fn the_read_token_reads_and_the_operator_token_writes() {
        let tokens = Tokens { operator: Some("op".to_owned()), read_only: Some("ro".to_owned()) };
        let with = |token: &str| headers(&[("authorization", &format!("Bearer {token}"))]);
        assert_eq!(authorize(&tokens, &HeaderMap::new(), false), Err(ApiError::Unauthorized));
        assert_eq!(authorize(&tokens, &with("no"), false), Err(ApiError::Unauthorized));
        assert_eq!(authorize(&tokens, &with("ro"), false), Ok(()));
        assert!(matches!(authorize(&tokens, &with("ro"), true), Err(ApiError::Forbidden(_))));
        assert_eq!(authorize(&tokens, &with("op"), true), Ok(()));
        assert_eq!(authorize(&Tokens::default(), &HeaderMap::new(), true), Ok(()));
    }

    #[test]
    fn debug_hides_the_tokens() {
        let tokens = Tokens { operator: Some("secret".to_owned()), read_only: None };
        assert!(!format!("{tokens:?}").contains("secret"));
    }

    #[test]
    fn the_original_toggle_counts_as_a_write() {
        assert!(writes(&Method::GET, "/on") && writes(&Method::PUT, "/v1/flags/x"));
        assert!(writes(&Method::PUT, "/v1/flags/explain") && writes(&Method::PUT, "/v1/flags/x/explain"));
        assert!(!writes(&Method::POST, "/v1/flags/x/explain") && !writes(&Method::POST, "/v1/explain"));
        assert!(!writes(&Method::GET, "/v1/flags") && !writes(&Method::HEAD, "/metrics"));
    }
}
