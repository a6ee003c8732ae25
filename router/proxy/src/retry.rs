//! Whether a request that failed is sent again, and after which pause.
//!
//! What may be tried again: a request of which nothing was written; and an idempotent one of whose body nothing was read,
//! as long as no byte of a response came, or a whole head with a status that the policy lists (RFC 9110 section 9.2.2).
//! Nothing else is ever sent twice.

use std::time::Duration;

use http::{Method, Request};
use sluice_policy::Retries;
use tokio::time::Instant;

use crate::body::RequestBody;
use crate::error::Error;
use crate::upstream::{Group, pause};

/// How often a request of which nothing was written may go elsewhere: once from an old connection to a fresh one, and
/// once more if that one closes at once.
const UNSENT_MAX: u32 = 2;

/// What is left of the attempts of one request.
pub(crate) struct Retry<'a> {
    retries: &'a Retries,
    deadline: Instant,
    attempts: u32,
    unsent: u32,
}

/// One more attempt.
pub(crate) struct Again {
    pub(crate) request: Request<RequestBody>,
    /// Before it.
    pub(crate) pause: Duration,
    /// Why; what went wrong in the end if there is nobody left to try it with.
    pub(crate) cause: Option<Error>,
}

/// Why a request is not sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// Its attempts or its time are used up, or it may not be sent twice.
    Spent,
    /// The upstream's budget is.
    Budget,
}

impl<'a> Retry<'a> {
    pub(crate) const fn new(retries: &'a Retries, deadline: Instant) -> Self {
        Self { retries, deadline, attempts: 0, unsent: 0 }
    }

    /// A copy for one more attempt, if there may be one and it does no harm. It shares the body, so it can be sent only
    /// while nothing of that was read.
    pub(crate) fn copy(&self, request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
        let is_idempotent =
            matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE);
        if self.attempts >= self.retries.attempts || !is_idempotent || request.body().is_begun() {
            return None;
        }
        let mut copy = Request::new(request.body().clone());
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.version_mut() = request.version();
        *copy.headers_mut() = request.headers().clone();
        Some(copy)
    }

    /// True if the route asks for another attempt after this status of a server.
    pub(crate) fn is_wanted_after(&self, status: u16) -> bool {
        self.retries.statuses.contains(&status)
    }

    /// Nothing of the request was written: it may go elsewhere, whatever it is.
    pub(crate) fn unsent(&mut self, request: Request<RequestBody>) -> Result<Again, Denied> {
        if self.unsent >= UNSENT_MAX {
            return Err(Denied::Spent);
        }
        self.unsent += 1;
        Ok(Again { request, pause: Duration::ZERO, cause: None })
    }

    /// A kept connection was lost. That says nothing of its server, so the next attempt costs no budget and no pause.
    pub(crate) fn lost(&mut self, copy: Option<Request<RequestBody>>) -> Result<Again, Denied> {
        let request = self.whole(copy)?;
        self.attempts += 1;
        Ok(Again { request, pause: Duration::ZERO, cause: None })
    }

    /// A server failed: another attempt after a pause, if the upstream's budget has one left.
    pub(crate) fn failed(
        &mut self,
        copy: Option<Request<RequestBody>>,
        group: &Group,
        now: Instant,
        random: u64,
    ) -> Result<Again, Denied> {
        let request = self.whole(copy)?;
        let pause = pause(self.retries.backoff, self.attempts, random);
        if now + pause >= self.deadline || group.closed_for(now).is_some() {
            return Err(Denied::Spent);
        }
        if !group.take_retry(now) {
            return Err(Denied::Budget);
        }
        self.attempts += 1;
        Ok(Again { request, pause, cause: None })
    }

    fn whole(&self, copy: Option<Request<RequestBody>>) -> Result<Request<RequestBody>, Denied> {
        let copy = copy.filter(|copy| !copy.body().is_begun() && self.attempts < self.retries.attempts);
        copy.ok_or(Denied::Spent)
    }
}
