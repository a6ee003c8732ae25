//! Redirects: the router answers with another address of the same thing.
//!
//! Rules of the Gateway API's `HTTPRequestRedirectFilter`. `Location` is put together from parts that were checked: the
//! policy's own, the host and the normal path of the request, and a query that is part of a valid target.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use sluice_policy::filter::{Redirect, Scheme};

use super::rewrite;
use crate::answer::{Answer, Content};
use crate::error::Error;
use crate::exchange::Exchange;
use crate::head::Head;

/// Where the request stands before it is redirected.
struct From<'a> {
    scheme: Scheme,
    /// Lower case, without port.
    host: &'a str,
    /// The port that the client named.
    port: Option<u16>,
}

/// Answers with the redirect of the route.
pub(crate) fn answer(exchange: &Exchange, head: &Head) -> Result<Answer, Error> {
    let redirect = exchange.route_policy()?.filters.redirect.as_ref().ok_or(Error::NoRoute)?;
    let target = &exchange.line().ok_or(Error::Target)?.target;
    let path = redirect.path.as_ref().map(|change| rewrite::path(change, exchange, target)).transpose()?;
    let from = From { scheme: Scheme::Http, host: head.host.name(), port: head.host.port() };
    let mut location = base(redirect, &from);
    location.push_str(path.as_deref().unwrap_or_else(|| target.path()));
    if let Some(query) = target.query() {
        location.push('?');
        location.push_str(query);
    }
    let location = HeaderValue::from_maybe_shared(Bytes::from(location)).map_err(|_| Error::Target)?;
    let mut response = Response::new(Content::Whole(None));
    *response.status_mut() = StatusCode::from_u16(redirect.status).unwrap_or(StatusCode::FOUND);
    response.headers_mut().insert(header::LOCATION, location);
    Ok(Answer { position: None, response })
}

/// Scheme, host and port of the new address. The port is the redirect's; else, if it names a scheme, that scheme's; else
/// the one that the client named. The default port of a scheme is left out.
fn base(redirect: &Redirect, from: &From<'_>) -> String {
    let scheme = redirect.scheme.unwrap_or(from.scheme);
    let host = redirect.host.as_deref().unwrap_or(from.host);
    let port = redirect.port.or_else(|| from.port.filter(|_| redirect.scheme.is_none()));
    let (name, default_port) = match scheme {
        Scheme::Http => ("http", 80),
        Scheme::Https => ("https", 443),
    };
    match port {
        Some(port) if port != default_port => format!("{name}://{host}:{port}"),
        _ => format!("{name}://{host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect(scheme: Option<Scheme>, host: Option<&str>, port: Option<u16>) -> Redirect {
        Redirect { scheme, host: host.map(ToOwned::to_owned), port, path: None, status: 302 }
    }

    #[test]
    fn the_port_follows_the_scheme_unless_it_is_named() {
        let (http, https) = (Some(Scheme::Http), Some(Scheme::Https));
        for (redirect, expected) in [
            (redirect(https, None, None), "https://a.example"),
            (redirect(https, None, Some(443)), "https://a.example"),
            (redirect(https, None, Some(8443)), "https://a.example:8443"),
            (redirect(https, None, Some(80)), "https://a.example:80"),
            (redirect(http, None, None), "http://a.example"),
            (redirect(None, Some("b.example"), None), "http://b.example:8080"),
            (redirect(None, None, Some(80)), "http://a.example"),
            (redirect(None, None, None), "http://a.example:8080"),
        ] {
            let from = From { scheme: Scheme::Http, host: "a.example", port: Some(8080) };
            assert_eq!(base(&redirect, &from), expected, "{redirect:?}");
        }
        let from = From { scheme: Scheme::Http, host: "[::1]", port: Some(80) };
        assert_eq!(base(&redirect(None, None, None), &from), "http://[::1]");
    }
}
