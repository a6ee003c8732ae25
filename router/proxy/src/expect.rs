//! `Expect: 100-continue`, from end to end (RFC 9110 section 10.1.1): the server is asked first, and the body is taken
//! from the client when the server wants it.
//!
//! hyper tells the client to continue when its body is first asked for; so asking is what is held back here.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Request, StatusCode, header};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::body::{RequestBody, Upload};

/// How long a server may leave an expectation unanswered until it gets the body all the same: it may know no
/// expectations. As long as curl waits (`CURLOPT_EXPECT_100_TIMEOUT_MS`).
const WAIT_MAX: Duration = Duration::from_secs(1);
const CONTINUE: HeaderValue = HeaderValue::from_static("100-continue");

/// What keeps a body back.
#[derive(Debug)]
pub(crate) struct Hold {
    /// Set where the response is parsed, which is on this worker; hyper asks for `Sync` all the same.
    is_asked_for: Arc<AtomicBool>,
    patience: Option<Pin<Box<Sleep>>>,
    /// The server answered without it.
    is_spared: bool,
}

/// Sends the expectation along with the request, and keeps its body back until it is met.
pub(crate) fn hold_back(request: &mut Request<RequestBody>, upload: &Rc<Upload>) {
    let is_asked_for = Arc::new(AtomicBool::new(false));
    upload.hold(Hold { is_asked_for: Arc::clone(&is_asked_for), patience: None, is_spared: false });
    request.headers_mut().insert(header::EXPECT, CONTINUE);
    hyper::ext::on_informational(request, move |response| {
        if response.status() == StatusCode::CONTINUE {
            is_asked_for.store(true, Ordering::Relaxed);
        }
    });
}

impl Hold {
    /// The server asks for it.
    pub(crate) fn ask(&self) {
        self.is_asked_for.store(true, Ordering::Relaxed);
    }

    /// The server has answered: unless it asked for the body before, it does not get it any more.
    pub(crate) fn answered(&mut self) {
        self.is_spared = !self.is_asked_for.load(Ordering::Relaxed);
    }

    /// Ready when the body may be sent.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_spared {
            return Poll::Pending;
        }
        if self.is_asked_for.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        let patience = self.patience.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + WAIT_MAX)));
        patience.as_mut().poll(cx)
    }
}
