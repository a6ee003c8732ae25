//! HTTP clients of the tests.

use std::time::Duration;

use anyhow::{Result, bail};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;

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

/// The variant that the router says it used.
#[must_use]
pub fn variant(response: &Response) -> Option<String> {
    response.headers().get("x-sluice-variant").and_then(|value| value.to_str().ok()).map(ToOwned::to_owned)
}
