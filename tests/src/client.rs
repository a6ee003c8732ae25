//! HTTP clients of the tests.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No request of a test may hang longer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A client with fresh connections, so that requests reach every worker.
///
/// # Panics
/// Never in practice: the settings are constant.
#[must_use]
pub fn http() -> Client {
    let built = Client::builder().timeout(REQUEST_TIMEOUT).pool_max_idle_per_host(0).no_proxy().build();
    built.expect("invariant: constant settings build a client")
}

/// A client that keeps its connections.
///
/// # Panics
/// Never in practice: the settings are constant.
#[must_use]
pub fn keep_alive() -> Client {
    let built = Client::builder().timeout(REQUEST_TIMEOUT).no_proxy().build();
    built.expect("invariant: constant settings build a client")
}

/// A client that keeps an HTTP/2 connection, without TLS and by prior knowledge (RFC 9113 section 3.3).
///
/// # Panics
/// Never in practice: the settings are constant.
#[must_use]
pub fn http2() -> Client {
    let built = Client::builder().timeout(REQUEST_TIMEOUT).http2_prior_knowledge().no_proxy().build();
    built.expect("invariant: constant settings build a client")
}

/// Sends and reads JSON; anything but 2xx is an error that shows the body.
///
/// # Errors
/// If there is no 2xx answer with JSON.
pub async fn json(request: RequestBuilder) -> Result<Value> {
    let response = request.send().await?;
    let status = response.status();
    let body = response.text().await?;
    if !status.is_success() {
        bail!("{status}: {body}");
    }
    Ok(if body.is_empty() { Value::Null } else { serde_json::from_str(&body)? })
}

/// A request of the user `uid`, known by the cookie of the demo.
pub fn as_user(request: RequestBuilder, uid: u32) -> RequestBuilder {
    request.header("cookie", format!("uid={uid}"))
}

/// A header as text.
#[must_use]
pub fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned)
}

/// The variant that the router says it used.
#[must_use]
pub fn variant(response: &Response) -> Option<String> {
    header(response, "x-sluice-variant")
}

/// The whole answer to `GET target`, sent exactly as written: other clients tidy a path before they send it.
///
/// # Errors
/// If there is no answer that is text.
pub async fn get_raw(base: &str, target: &str) -> Result<String> {
    let address = base.strip_prefix("http://").context("a plain http URL")?;
    let mut connection = TcpStream::connect(address).await?;
    let head = format!("GET {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    connection.write_all(head.as_bytes()).await?;
    let mut answer = String::new();
    timeout(REQUEST_TIMEOUT, connection.read_to_string(&mut answer)).await??;
    Ok(answer)
}
