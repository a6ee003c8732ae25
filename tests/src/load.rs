//! A steady stream of requests that runs beside a test, and the tally of what came back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Error, Result, ensure};
use reqwest::{Client, StatusCode};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::{client, eventually};

/// How many clients send, and how fast. One third keeps HTTP/1.1 connections, one third keeps an HTTP/2 connection each,
/// the rest opens a connection for each request.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Clients.
    pub clients: u32,
    /// From one request of a client to its next, at least.
    pub pause: Duration,
}

impl Shape {
    /// 900 requests a second, which leaves the machine to what is tested.
    pub const STEADY: Self = Self { clients: 9, pause: Duration::from_millis(10) };
    /// As many as the machine can bear.
    pub const FULL: Self = Self { clients: 48, pause: Duration::from_micros(1) };
}

/// Failures whose text is kept; more say nothing that the first ones did not.
const FAILURES_MAX: usize = 20;

/// The running stream. Ends when it is dropped.
pub struct Load {
    answered: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    clients: JoinSet<Vec<Error>>,
}

impl Load {
    /// Starts a steady one: `GET url`, each client as another user.
    #[must_use]
    pub fn start(url: &str) -> Self {
        Self::start_with(url, Shape::STEADY)
    }

    /// [`Load::start`] in another shape.
    #[must_use]
    pub fn start_with(url: &str, shape: Shape) -> Self {
        let (answered, stop) = (Arc::default(), Arc::default());
        let mut clients = JoinSet::new();
        for uid in 0..shape.clients {
            clients.spawn(send(url.to_owned(), uid, shape.pause, Arc::clone(&answered), Arc::clone(&stop)));
        }
        Self { answered, stop, clients }
    }

    /// Waits until `more` requests have been answered from now on.
    pub async fn answers(&self, more: u64) {
        let wanted = self.answered.load(Ordering::Relaxed) + more;
        eventually("the stream of requests goes on", async || {
            let answered = self.answered.load(Ordering::Relaxed);
            ensure!(answered >= wanted, "{answered} of {wanted} were answered");
            Ok(())
        })
        .await;
    }

    /// Ends it and tells how many requests were answered with 200 by a server of a variant.
    ///
    /// # Errors
    /// If any request was not.
    pub async fn finish(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        let failures: Vec<Error> = self.clients.join_all().await.into_iter().flatten().collect();
        ensure!(failures.is_empty(), "requests failed: {failures:#?}");
        Ok(self.answered.load(Ordering::Relaxed))
    }

    /// Waits until every client is refused, as nobody listens any more; tells how many requests were answered before.
    ///
    /// # Errors
    /// If a request failed in any other way.
    pub async fn finish_refused(self) -> Result<u64> {
        let mut failures = self.clients.join_all().await.into_iter().flatten();
        let is_refused = |error: &Error| error.downcast_ref().is_some_and(reqwest::Error::is_connect);
        let other = failures.find(|error| !is_refused(error));
        ensure!(other.is_none(), "a request failed while the router drained: {other:#?}");
        Ok(self.answered.load(Ordering::Relaxed))
    }
}

async fn send(url: String, uid: u32, pause: Duration, answered: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> Vec<Error> {
    let client = match uid % 3 {
        0 => client::keep_alive(),
        1 => client::http2(),
        _ => client::http(),
    };
    let mut failures = Vec::new();
    let mut pace = interval(pause);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !stop.load(Ordering::Relaxed) && failures.len() < FAILURES_MAX {
        pace.tick().await;
        match request(&client, &url, uid).await {
            Ok(()) => _ = answered.fetch_add(1, Ordering::Relaxed),
            Err(failure) => failures.push(failure),
        }
    }
    failures
}

async fn request(client: &Client, url: &str, uid: u32) -> Result<()> {
    let response = client::as_user(client.get(url), uid).send().await?;
    let (status, variant) = (response.status(), client::variant(&response));
    let body = response.text().await?;
    ensure!(status == StatusCode::OK && variant.is_some(), "{status}, variant {variant:?}: {body}");
    Ok(())
}
