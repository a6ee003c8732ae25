//! Where the API is and who asks: checked before anything is sent.

use reqwest::Url;
use reqwest::header::HeaderValue;
use std::net::IpAddr;

use crate::error::CloudError;

/// Longer is no token: DigitalOcean's have 71 letters.
const TOKEN_BYTES_MAX: usize = 512;

/// Where the API is and who asks.
#[derive(Clone)]
pub struct DigitalOceanSettings {
    /// `https://HOST`; `http://` only on this machine.
    pub url: String,
    /// A personal access token.
    pub token: String,
}

impl std::fmt::Debug for DigitalOceanSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DigitalOceanSettings").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The same, fit for use.
#[derive(Debug)]
pub(super) struct Checked {
    /// Scheme, host and port.
    pub(super) base: Url,
    /// `Bearer TOKEN`, marked so that its `Debug` does not show it.
    pub(super) authorization: HeaderValue,
    /// True if the host is this machine.
    pub(super) is_loopback: bool,
}

impl DigitalOceanSettings {
    pub(super) fn check(self, cloud: &'static str) -> Result<Checked, CloudError> {
        let invalid = |message: String| CloudError::Invalid { message, request_id: None };
        // The address is not repeated: it may hold a password.
        let base = Url::parse(&self.url).map_err(|reason| invalid(format!("the cloud's url: {reason}")))?;
        if base.path() != "/" || base.query().is_some() || base.fragment().is_some() {
            return Err(invalid("the cloud's url is https://HOST, and nothing behind it".to_owned()));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(invalid("the cloud's url holds no user: the token says who asks".to_owned()));
        }
        let is_loopback = is_loopback(&base);
        match base.scheme() {
            "https" => {}
            "http" if is_loopback => {}
            _ => return Err(invalid("the cloud's url begins with https://; http:// is for 127.0.0.1".to_owned())),
        }
        Ok(Checked { base, authorization: authorization(cloud, &self.token)?, is_loopback })
    }
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn authorization(cloud: &'static str, token: &str) -> Result<HeaderValue, CloudError> {
    let refused = |message: &str| CloudError::Unauthorized { cloud, message: message.to_owned() };
    if token.is_empty() {
        return Err(refused("the token is empty"));
    }
    if token.len() > TOKEN_BYTES_MAX || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(refused("the token holds what no token does: a space, a line end, or too much"));
    }
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| refused("the token is no header"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, token: &str) -> Result<Checked, CloudError> {
        DigitalOceanSettings { url: url.to_owned(), token: token.to_owned() }.check("digitalocean")
    }

    #[test]
    fn the_token_travels_in_the_clear_on_this_machine_only() {
        for url in
            ["https://api.example", "http://127.0.0.1:80", "http://127.3.2.1", "http://[::1]:1", "http://localhost"]
        {
            check(url, "t").unwrap();
        }
        for url in [
            "http://api.example",
            "http://127.0.0.1.example",
            "ftp://127.0.0.1",
            "https://user:secret@api.example",
            "https://api.example/v2",
            "https://api.example?a",
            "api.example",
            "",
        ] {
            let message = check(url, "t").unwrap_err().to_string();
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn a_token_is_one_word() {
        check("https://api.example", &"t".repeat(TOKEN_BYTES_MAX)).unwrap();
        for token in ["", "a b", "a\r\nx: y", "ä", &"t".repeat(TOKEN_BYTES_MAX + 1)] {
            assert!(matches!(check("https://api.example", token), Err(CloudError::Unauthorized { .. })), "{token}");
        }
    }

    #[test]
    fn nothing_shows_the_token() {
        let settings = DigitalOceanSettings { url: "https://api.example".into(), token: "canary-token".into() };
        assert!(!format!("{settings:?}").contains("canary"));
        assert!(!format!("{:?}", settings.check("digitalocean").unwrap()).contains("canary"));
    }
}
