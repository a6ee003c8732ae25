//! The admin port of a running router as the commands use it: one question, one JSON answer, and errors that say what
//! to try next.

use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::events::EventReader;

/// An admin port that takes longer is not well either. A rollback compiles plugins, so it is a long one.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// How long a command listens at the most: a year has no end that anybody sees.
const EVENTS_WAIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Where a router listens for its operator unless its settings say otherwise.
pub(crate) const ADDRESS_DEFAULT: &str = "http://127.0.0.1:9900";

/// Which router, and as whom.
#[derive(Debug, clap::Args)]
pub(crate) struct AdminArgs {
    /// Admin address of the router; `sluice run` prints it when it is ready.
    #[arg(long, value_name = "URL", env = "SLUICE_ADMIN", default_value = ADDRESS_DEFAULT)]
    pub(crate) admin: String,
    #[command(flatten)]
    pub(crate) token: TokenArgs,
}

/// As whom.
#[derive(Debug, clap::Args)]
pub(crate) struct TokenArgs {
    /// Token of the admin port, if it asks for one.
    #[arg(long, env = "SLUICE_ADMIN_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
}

impl AdminArgs {
    pub(crate) fn client(&self) -> anyhow::Result<AdminClient> {
        AdminClient::new(&self.admin, self.token.token.as_deref())
    }
}

/// A document with what tells it from any other.
pub(crate) struct Document {
    pub(crate) text: String,
    pub(crate) tag: String,
}

/// One router.
pub(crate) struct AdminClient {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl AdminClient {
    /// The router whose admin port is at `address`, with or without `http://`.
    pub(crate) fn new(address: &str, token: Option<&str>) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start a runtime")?;
        let client =
            reqwest::Client::builder().timeout(ANSWER_WAIT).no_proxy().build().context("make an HTTP client")?;
        let scheme = if address.contains("://") { "" } else { "http://" };
        let base = format!("{scheme}{}", address.trim_end_matches('/'));
        Ok(Self { runtime, client, base, token: token.map(ToOwned::to_owned) })
    }

    /// `GET`.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.ask(self.client.get(format!("{}{path}", self.base)))
    }

    /// `POST` with a JSON body.
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        self.ask(self.client.post(format!("{}{path}", self.base)).json(body))
    }

    /// Waits before the next question.
    pub(crate) fn wait(&self, wait: Duration) {
        self.runtime.block_on(tokio::time::sleep(wait));
    }

    /// `DELETE`.
    pub(crate) fn delete<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.ask(self.client.delete(format!("{}{path}", self.base)))
    }

    /// `PUT` with a JSON body.
    pub(crate) fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        self.ask(self.client.put(format!("{}{path}", self.base)).json(body))
    }

    /// A document as it is, with its `ETag`; `None` = there is none.
    pub(crate) fn document(&self, path: &str) -> anyhow::Result<Option<Document>> {
        let (status, tag, body) = self.exchange(self.client.get(format!("{}{path}", self.base)))?;
        if status == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !status.is_success() {
            bail!("{}", refusal(status, &body));
        }
        let text = String::from_utf8(body).with_context(|| format!("read the document {path}"))?;
        Ok(Some(Document { text, tag: tag.unwrap_or_default() }))
    }

    /// Writes a document, if it still has this `ETag`; `None` = if there is none yet.
    pub(crate) fn put_document<T: DeserializeOwned>(
        &self,
        path: &str,
        text: String,
        tag: Option<&str>,
    ) -> anyhow::Result<T> {
        let request = self.client.put(format!("{}{path}", self.base)).body(text);
        self.ask(match tag {
            Some(tag) => request.header(reqwest::header::IF_MATCH, tag),
            None => request.header(reqwest::header::IF_NONE_MATCH, "*"),
        })
    }

    /// Reads server-sent events until the router ends them, or `told` has enough: the name and data of each.
    pub(crate) fn events(
        &self,
        path: &str,
        mut told: impl FnMut(&str, &str) -> anyhow::Result<ControlFlow<()>>,
    ) -> anyhow::Result<()> {
        let request = self.client.get(format!("{}{path}", self.base)).timeout(EVENTS_WAIT);
        self.runtime.block_on(async {
            let mut response = match self.authorized(request).send().await {
                Ok(response) => response,
                Err(error) => return Err(self.unreachable(error)),
            };
            let status = response.status();
            if !status.is_success() {
                bail!("{}", refusal(status, &response.bytes().await.unwrap_or_default()));
            }
            let mut reader = EventReader::default();
            while let Some(chunk) = response.chunk().await.with_context(|| format!("listen to {}", self.base))? {
                for event in reader.read(&chunk) {
                    if told(&event.name, &event.data)?.is_break() {
                        return Ok(());
                    }
                }
            }
            Ok(())
        })
    }

    fn ask<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> anyhow::Result<T> {
        let (status, _, body) = self.exchange(request)?;
        if !status.is_success() {
            bail!("{}", refusal(status, &body));
        }
        serde_json::from_slice(&body)
            .with_context(|| format!("read the answer of {}: is it the admin port of this version?", self.base))
    }

    /// Status, `ETag` and body.
    fn exchange(
        &self,
        request: reqwest::RequestBuilder,
    ) -> anyhow::Result<(reqwest::StatusCode, Option<String>, Vec<u8>)> {
        self.runtime.block_on(async {
            let response = match self.authorized(request).send().await {
                Ok(response) => response,
                Err(error) => return Err(self.unreachable(error)),
            };
            let status = response.status();
            let tag =
                response.headers().get(reqwest::header::ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
            let body = response.bytes().await.with_context(|| format!("read the answer of {}", self.base))?;
            Ok((status, tag, body.to_vec()))
        })
    }

    fn authorized(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    fn unreachable(&self, error: reqwest::Error) -> anyhow::Error {
        let hint = if error.is_connect() {
            "\n  hint: start a router with `sluice run`; its ready line names the admin address ([admin] address in \
             sluice.toml); name another one with --admin or in SLUICE_ADMIN"
        } else {
            ""
        };
        let cause = anyhow::Error::new(error.without_url());
        anyhow!("cannot ask the router at {}: {cause:#}{hint}", self.base)
    }
}

/// What the router says when it does not do it.
fn refusal(status: reqwest::StatusCode, body: &[u8]) -> String {
    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
    let plain = || String::from_utf8_lossy(body).trim().to_owned();
    let message = parsed.pointer("/error/message").and_then(Value::as_str).map_or_else(plain, ToOwned::to_owned);
    let hint = match status.as_u16() {
        401 => "\n  hint: give the token with --token, or better in SLUICE_ADMIN_TOKEN",
        403 => "\n  hint: reading needs the read-only token, changing the operator's",
        _ => "",
    };
    format!("the router says no ({status}): {message}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_words_of_the_router() {
        let body = br#"{"error":{"code":"unauthorized","message":"send a token"}}"#;
        let told = refusal(reqwest::StatusCode::UNAUTHORIZED, body);
        assert!(told.contains("send a token") && told.contains("SLUICE_ADMIN_TOKEN"), "{told}");
        assert!(refusal(reqwest::StatusCode::BAD_GATEWAY, b"down").ends_with("down"));
    }

    #[test]
    fn an_address_needs_no_scheme() {
        let client = AdminClient::new("127.0.0.1:1/", None).unwrap();
        assert_eq!(client.base, "http://127.0.0.1:1");
        let told = format!("{:#}", client.get::<Value>("/v1/status").unwrap_err());
        assert!(told.contains("sluice run") && told.contains("127.0.0.1:1"), "{told}");
    }
}
