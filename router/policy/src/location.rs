//! Where a redirect leads: the address of the request with the redirect's parts in place of its own.
//!
//! Rules of the Gateway API's `HTTPRequestRedirectFilter`.

use crate::filter::{Redirect, Scheme};
use crate::route::PathPattern;

/// The address of a request that is redirected.
#[derive(Clone, Copy, Debug)]
pub struct Address<'a> {
    /// Scheme by which it came.
    pub scheme: Scheme,
    /// Lower case, without port.
    pub host: &'a str,
    /// The port that the client named.
    pub port: Option<u16>,
    /// In normal form.
    pub path: &'a str,
    /// What follows the `?`.
    pub query: Option<&'a str>,
}

impl Scheme {
    /// As written in an address.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that an address without one means (RFC 9110 section 4.2).
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Redirect {
    /// `Location` for a request at `from` whose match found `found`. The port is the redirect's; else, if it names a
    /// scheme, that scheme's; else the one that the client named. The default port of a scheme is left out.
    #[must_use]
    pub fn location(&self, from: &Address<'_>, found: &PathPattern) -> String {
        let scheme = self.scheme.unwrap_or(from.scheme);
        let host = self.host.as_deref().unwrap_or(from.host);
        let mut location = format!("{}://{host}", scheme.as_str());
        let port = self.port.or_else(|| from.port.filter(|_| self.scheme.is_none()));
        if let Some(port) = port.filter(|port| *port != scheme.default_port()) {
            location += &format!(":{port}");
        }
        match &self.path {
            Some(change) => location += &change.apply(from.path, found),
            None => location += from.path,
        }
        if let Some(query) = from.query {
            location.push('?');
            location += query;
        }
        location
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::PathChange;

    fn redirect(scheme: Option<Scheme>, host: Option<&str>, port: Option<u16>) -> Redirect {
        Redirect { scheme, host: host.map(ToOwned::to_owned), port, path: None, status: 302 }
    }

    fn location(redirect: &Redirect, host: &str, port: u16, path: &str, query: Option<&str>) -> String {
        let from = Address { scheme: Scheme::Http, host, port: Some(port), path, query };
        redirect.location(&from, &PathPattern::Prefix("/a".into()))
    }

    #[test]
    fn the_port_follows_the_scheme_unless_it_is_named() {
        let (http, https) = (Some(Scheme::Http), Some(Scheme::Https));
        for (redirect, expected) in [
            (redirect(https, None, None), "https://a.example/"),
            (redirect(https, None, Some(443)), "https://a.example/"),
            (redirect(https, None, Some(8443)), "https://a.example:8443/"),
            (redirect(https, None, Some(80)), "https://a.example:80/"),
            (redirect(http, None, None), "http://a.example/"),
            (redirect(None, Some("b.example"), None), "http://b.example:8080/"),
            (redirect(None, None, Some(80)), "http://a.example/"),
            (redirect(None, None, None), "http://a.example:8080/"),
        ] {
            assert_eq!(location(&redirect, "a.example", 8080, "/", None), expected, "{redirect:?}");
        }
        assert_eq!(location(&redirect(None, None, None), "[::1]", 80, "/", None), "http://[::1]/");
    }

    #[test]
    fn the_path_is_kept_or_replaced_and_the_query_kept() {
        let with = |path| Redirect { path, ..redirect(Some(Scheme::Https), None, None) };
        for (path, expected) in [
            (None, "https://h/a/b?q=1"),
            (Some(PathChange::Full("/x".into())), "https://h/x?q=1"),
            (Some(PathChange::Prefix("/x".into())), "https://h/x/b?q=1"),
            (Some(PathChange::Prefix("/".into())), "https://h/b?q=1"),
        ] {
            assert_eq!(location(&with(path), "h", 80, "/a/b", Some("q=1")), expected);
        }
    }
}
