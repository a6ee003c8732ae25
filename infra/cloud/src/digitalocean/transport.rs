//! Sends one call, once: in its turn, with the token, bounded in time and size.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url, redirect, retry};
use tokio::time::{Instant, sleep};

use super::call::Call;
use super::fault;
use super::pace::{HOUR, Pace};
use super::settings::Checked;
use super::within;
use crate::error::CloudError;
use crate::simulator::Simulator;

/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Longest wait for a whole answer. DigitalOcean's own gateway gives up after 60 s; lists of 200 droplets take about 2 s.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// Longest answer: 200 droplets with everything are about 1 MB.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Longest wait for our turn: the burst window. Whoever must wait for the hour is told so.
pub(super) const TURN_MAX: Duration = Duration::from_secs(61);
/// How long a 429 holds that does not say it: DigitalOcean's burst window is a minute.
const AGAIN_IN: Duration = Duration::from_secs(60);
/// How we call ourselves.
const USER_AGENT: &str = concat!("sluice-infra/", env!("CARGO_PKG_VERSION"));

/// What came of a call.
#[derive(Debug)]
pub(super) enum Answer {
    /// The body of a success.
    Body(Vec<u8>),
    /// 404, as an error for those who need it to be there.
    Missing(CloudError),
}

/// Where calls go.
#[derive(Debug)]
enum Way {
    /// Over HTTP.
    Http(Client),
    /// To a simulator in this process.
    Within(Simulator),
}

/// Sends calls.
#[derive(Debug)]
pub(super) struct Transport {
    cloud: &'static str,
    way: Way,
    base: Url,
    authorization: HeaderValue,
    answer_max: Duration,
    pace: Mutex<Pace>,
}

impl Transport {
    pub(super) fn new(cloud: &'static str, checked: Checked) -> Result<Self, CloudError> {
        let Checked { base, authorization, is_loopback } = checked;
        // A redirect would carry the token elsewhere, and a request that is repeated below us is a droplet too many.
        let mut client = Client::builder()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .connect_timeout(CONNECT_MAX)
            .user_agent(USER_AGENT)
            .https_only(!is_loopback);
        if is_loopback {
            // A proxy would read it.
            client = client.no_proxy();
        }
        let client = client.build().map_err(|error| CloudError::Machine { message: format!("set up TLS: {error}") })?;
        Ok(Self::by(cloud, Way::Http(client), base, authorization))
    }

    /// To a simulator in this process.
    pub(super) fn within(cloud: &'static str, simulator: Simulator) -> Self {
        let base = Url::parse(within::BASE).expect("invariant: the constant is a URL");
        Self::by(cloud, Way::Within(simulator), base, HeaderValue::from_static(within::TOKEN))
    }

    fn by(cloud: &'static str, way: Way, base: Url, authorization: HeaderValue) -> Self {
        Self { cloud, way, base, authorization, answer_max: ANSWER_MAX, pace: Mutex::default() }
    }

    pub(super) const fn answer_within(&mut self, longest: Duration) {
        self.answer_max = longest;
    }

    pub(super) const fn cloud(&self) -> &'static str {
        self.cloud
    }

    pub(super) const fn base(&self) -> &Url {
        &self.base
    }

    /// Sends the call once, to its own address or, for a later page of a listing, to `at`.
    ///
    /// Cancel safe for calls that read; a write that is dropped may have been done.
    pub(super) async fn send(&self, call: &Call, at: Option<&Url>) -> Result<Answer, CloudError> {
        let client = match &self.way {
            Way::Http(client) => client,
            Way::Within(simulator) => return within::send(simulator, &self.base, call, at).await,
        };
        let url = at.map_or_else(|| call.url(&self.base), |url| Ok(url.clone()))?;
        self.turn().await?;
        let mut request = client.request(call.method.clone(), url).timeout(self.answer_max);
        request = request.header(AUTHORIZATION, self.authorization.clone());
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| fault::of_transport(call, error))?;
        let (status, again_in) = (answer.status(), self.learn(&answer));
        match body(call, answer).await {
            Ok(body) if status.is_success() => Ok(Answer::Body(body)),
            Err(error) if status.is_success() => Err(error),
            // Of an error the status is enough.
            end => {
                let body = end.unwrap_or_default();
                let error = self.without_token(fault::of_status(self.cloud, call, status, &body, again_in));
                if status == StatusCode::NOT_FOUND { Ok(Answer::Missing(error)) } else { Err(error) }
            }
        }
    }

    /// Waits until neither limit is in the way.
    async fn turn(&self) -> Result<(), CloudError> {
        let begin = Instant::now();
        loop {
            let taken = self.pace().take(Instant::now());
            let Err(wait) = taken else { return Ok(()) };
            if begin.elapsed() + wait > TURN_MAX {
                return Err(CloudError::RateLimited { after: wait });
            }
            tracing::debug!(wait_ms = wait.as_millis(), "waiting for a turn at the cloud");
            sleep(wait).await;
        }
    }

    /// Takes note of what an answer says of the limits; how long to wait, if it says so.
    fn learn(&self, answer: &Response) -> Option<Duration> {
        let headers = answer.headers();
        let now = Instant::now();
        let left = number(headers, "ratelimit-remaining");
        let reset = number(headers, "ratelimit-reset").map(|reset| until(reset, server_seconds(headers)));
        if let (Some(left), Some(reset)) = (left, reset) {
            self.pace().learn(now, left, reset);
        }
        if answer.status() != StatusCode::TOO_MANY_REQUESTS {
            return None;
        }
        // Only a burst says `retry-after`; the hour says when its oldest request expires.
        let after = number(headers, "retry-after").map(Duration::from_secs).or(reset).unwrap_or(AGAIN_IN).min(HOUR);
        self.pace().shut(now, after);
        Some(after)
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        // Counts and instants: sound after any panic.
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same error: an answer that repeats our token does not get it into a log.
    fn without_token(&self, error: CloudError) -> CloudError {
        let token =
            self.authorization.to_str().ok().and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        let clean = |message: String| message.replace(token, "[token]");
        match error {
            CloudError::Unauthorized { cloud, message } => CloudError::Unauthorized { cloud, message: clean(message) },
            CloudError::Quota { message } => CloudError::Quota { message: clean(message) },
            CloudError::Transient { message } => CloudError::Transient { message: clean(message) },
            CloudError::Unclear { message } => CloudError::Unclear { message: clean(message) },
            CloudError::Invalid { message, request_id } => {
                CloudError::Invalid { message: clean(message), request_id: request_id.map(clean) }
            }
            CloudError::Answer { call, message } => CloudError::Answer { call, message: clean(message) },
            CloudError::RateLimited { .. } | CloudError::Machine { .. } => error,
        }
    }
}

/// The whole body, within bounds.
async fn body(call: &Call, mut answer: Response) -> Result<Vec<u8>, CloudError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| fault::of_transport(call, error))? {
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(fault::of_answer(call, "it is too long"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// Seconds since the Unix epoch, by the clock that `ratelimit-reset` is told by, where the answer says it.
fn server_seconds(headers: &HeaderMap) -> i64 {
    let date = headers.get("date").and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    date.map_or_else(Timestamp::now, |date| date.timestamp()).as_second()
}

fn until(reset: u64, now: i64) -> Duration {
    Duration::from_secs(reset.saturating_sub(u64::try_from(now).unwrap_or_default()))
}
