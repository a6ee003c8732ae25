//! Webhooks: a POST of the alert as JSON, signed if there is a key. `docs/alerts.md` shows how to check it.

use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{HeaderName, HeaderValue};

use super::post::Target;
use super::signature::{SIGNATURE_HEADER, TIMESTAMP_HEADER, signature};
use super::{SendError, SettingsError};
use crate::notice::Notice;
use crate::secret::Secret;

/// Carries the id of the notice, the same for every try (draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// See the module.
#[derive(Debug)]
pub(super) struct Webhook {
    target: Target,
    secret: Option<Secret>,
}

impl Webhook {
    pub(super) fn new(url: &str, secret: Option<Secret>) -> Result<Self, SettingsError> {
        Ok(Self { target: Target::parse(url)?, secret })
    }

    pub(super) async fn send(&self, notice: &Notice) -> Result<(), SendError> {
        let body = notice.document().to_string().into_bytes();
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string();
        let signed = self.secret.as_ref().map(|secret| (SIGNATURE_HEADER, signature(secret, &timestamp, &body)));
        let headers = [(IDEMPOTENCY_KEY, notice.id().to_owned()), (TIMESTAMP_HEADER, timestamp)];
        let header = |(name, value): (&'static str, String)| {
            // Digits, letters and dashes, all of them.
            Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?))
        };
        let sent = self.target.post(headers.into_iter().chain(signed).filter_map(header), body).await;
        sent.map_err(|error| match &self.secret {
            Some(secret) => SendError { reason: secret.hide_in(&error.reason), ..error },
            None => error,
        })
    }
}
