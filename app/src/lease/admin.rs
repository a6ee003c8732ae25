//! The lease through a router's admin address: `PUT` and `DELETE` of `/v1/servers/{id}`.

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url, redirect};

use super::{LeaseError, Registrar, Server};

/// Holds the token of an admin address that asks for one.
pub(super) const TOKEN_VARIABLE: &str = "SLUICE_ADMIN_TOKEN";
/// Most of a refusal that is logged.
const REASON_BYTES_MAX: usize = 200;

/// The admin address of one router.
pub(super) struct Admin {
    client: Client,
    base: Url,
}

impl Admin {
    pub(super) fn new(base: Url, token: Option<String>) -> Result<Self, LeaseError> {
        if base.cannot_be_a_base() {
            return Err(LeaseError::AdminUrl);
        }
        let mut headers = HeaderMap::new();
        if let Some(token) = token.filter(|token| !token.is_empty()) {
            let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| LeaseError::Token)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        // No proxy: the environment's proxy is for the outside, and must not see the token. Nor must a redirect.
        let client =
            Client::builder().default_headers(headers).no_proxy().redirect(redirect::Policy::none()).build()?;
        Ok(Self { client, base })
    }

    fn server_url(&self, id: &str) -> Url {
        let mut url = self.base.clone();
        url.path_segments_mut().expect("invariant: checked in new").pop_if_empty().extend(["v1", "servers", id]);
        url
    }
}

#[async_trait]
impl Registrar for Admin {
    async fn put(&self, server: &Server) -> Result<(), LeaseError> {
        let answer = self.client.put(self.server_url(&server.id)).json(server).send().await?;
        if answer.status().is_success() { Ok(()) } else { Err(refused(answer).await) }
    }

    async fn delete(&self, id: &str) -> Result<(), LeaseError> {
        let answer = self.client.delete(self.server_url(id)).send().await?;
        let gone = answer.status().is_success() || answer.status() == StatusCode::NOT_FOUND;
        if gone { Ok(()) } else { Err(refused(answer).await) }
    }
}

/// The start of the answer is enough to see why.
async fn refused(mut answer: Response) -> LeaseError {
    let status = answer.status().as_u16();
    let mut reason = Vec::new();
    while let (true, Ok(Some(chunk))) = (reason.len() < REASON_BYTES_MAX, answer.chunk().await) {
        reason.extend_from_slice(&chunk);
    }
    reason.truncate(REASON_BYTES_MAX);
    LeaseError::Refused { status, reason: String::from_utf8_lossy(&reason).trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::extract::{Path, Request, State};
    use tokio::sync::watch;
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::lease::hold;
    use crate::release::Release;
    use crate::testing::eventually;

    /// Each request an admin address got: method, id, authorization, body.
    type Seen = Arc<Mutex<Vec<(String, String, String, serde_json::Value)>>>;

    async fn see(State(seen): State<Seen>, Path(id): Path<String>, request: Request) -> StatusCode {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 4096).await.unwrap();
        let authorization = head.headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let request = (head.method.to_string(), id, authorization.unwrap_or_default(), body);
        seen.lock().unwrap().push(request);
        StatusCode::NO_CONTENT
    }

    /// An admin address that takes note of what it gets.
    async fn start_admin(tasks: &TaskTracker) -> (Url, Seen) {
        let seen = Seen::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let router = Router::new().route("/v1/servers/{id}", axum::routing::any(see)).with_state(Arc::clone(&seen));
        tasks.spawn(crate::serve::serve(listener, router, CancellationToken::new(), tasks.clone()));
        (url, seen)
    }

    #[tokio::test]
    async fn the_lease_is_taken_renewed_at_drain_and_given_back() {
        let tasks = TaskTracker::new();
        let (url, seen) = start_admin(&tasks).await;
        let server = Server::new(&"meow-1".parse().unwrap(), "127.0.0.1:8001".to_owned(), Release::Canary);
        let admin = Admin::new(url, Some("sesame".to_owned())).unwrap();
        let (draining, stop) = (watch::Sender::new(false), CancellationToken::new());
        let holding = tasks.spawn(hold(Box::new(admin), server, draining.subscribe(), stop.clone()));

        eventually(async || seen.lock().unwrap().len() == 1).await;
        draining.send_replace(true);
        eventually(async || seen.lock().unwrap().len() == 2).await;
        stop.cancel();
        holding.await.unwrap();

        let seen = seen.lock().unwrap();
        let methods: Vec<&str> = seen.iter().map(|(method, ..)| method.as_str()).collect();
        assert_eq!(methods, ["PUT", "PUT", "DELETE"]);
        assert!(seen.iter().all(|(_, id, token, _)| id == "meow-1" && token == "Bearer sesame"));
        let body = &seen[0].3;
        assert_eq!((&body["addr"], &body["variant"]), (&"127.0.0.1:8001".into(), &"canary".into()));
        assert_eq!((&body["app"], &body["roles"]), (&"meow".into(), &serde_json::json!(["app"])));
        assert_eq!((&body["draining"], &seen[1].3["draining"]), (&false.into(), &true.into()));
    }

    #[tokio::test]
    async fn a_refusal_carries_status_and_a_bounded_reason() {
        let tasks = TaskTracker::new();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: Url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let router = Router::new().fallback(async || (StatusCode::UNAUTHORIZED, "no ".repeat(5000)));
        tasks.spawn(crate::serve::serve(listener, router, CancellationToken::new(), tasks.clone()));
        let refusal = Admin::new(url, None).unwrap().delete("meow-1").await.unwrap_err();
        let LeaseError::Refused { status: 401, reason } = refusal else { panic!("{refusal:?}") };
        assert!(reason.starts_with("no no") && reason.len() <= REASON_BYTES_MAX);
    }

    #[test]
    fn a_base_path_is_kept() {
        let admin = Admin::new("http://127.0.0.1:9900/edge/".parse().unwrap(), None).unwrap();
        assert_eq!(admin.server_url("a").as_str(), "http://127.0.0.1:9900/edge/v1/servers/a");
    }
}
