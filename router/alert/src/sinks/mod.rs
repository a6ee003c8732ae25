//! Sinks: where notices go. One call of [`Sink::send`] is one try, and ends within [`SEND_WAIT_MAX`].
//!
//! A sink never learns whether it was told before: the notice's id is the same for every try, and receivers tell by it.

mod post;
mod signature;
mod slack;
mod smtp;
mod webhook;

use std::time::Duration;

use tokio::time::timeout;

pub use signature::{SIGNATURE_HEADER, TIMESTAMP_HEADER, signature};
pub use smtp::{SmtpEncryption, SmtpSettings};

use crate::notice::Notice;
use crate::secret::Secret;
use crate::text::one_line;
use slack::Slack;
use smtp::Smtp;
use webhook::Webhook;

/// Longest try. A mail takes some turns of a second at a busy server; who needs longer is asked again.
pub const SEND_WAIT_MAX: Duration = Duration::from_secs(20);
/// Longest wait that a receiver may ask for (`Retry-After`): its word is not to hold a notice for days.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(5 * 60);
/// Longest reason, in characters.
const REASON_CHARS_MAX: usize = 300;

/// How a sink is told.
#[derive(Clone, Debug)]
pub enum Channel {
    /// By mail.
    Smtp(SmtpSettings),
    /// By a POST of JSON.
    Webhook {
        /// `http://` or `https://`.
        url: String,
        /// Key of the signature; `None` = unsigned.
        secret: Option<Secret>,
    },
    /// By a POST in the form of Slack's incoming webhooks.
    Slack {
        /// Whoever knows it may write into the channel.
        url: Secret,
    },
}

/// Why a sink cannot be used at all. Never holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Not an address of a web server.
    #[error("its URL is not valid: {0}")]
    Url(&'static str),
    /// Not an address of mail.
    #[error("`{0}` is no mail address")]
    Address(String),
    /// Certificates cannot be read, or there are none.
    #[error("the certificates to trust cannot be had: {0}")]
    Certificates(String),
}

/// Why one try failed. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SendError {
    /// Whether another try may do better.
    pub retryable: bool,
    /// Why, one line.
    pub reason: String,
    /// How long the receiver asks to be left alone, at most [`RETRY_AFTER_MAX`].
    pub retry_after: Option<Duration>,
}

impl SendError {
    fn new(retryable: bool, reason: &str) -> Self {
        Self { retryable, reason: one_line(reason, REASON_CHARS_MAX), retry_after: None }
    }

    /// Another try may do better.
    fn passing(reason: &str) -> Self {
        Self::new(true, reason)
    }

    /// Every try would end the same.
    fn lasting(reason: &str) -> Self {
        Self::new(false, reason)
    }
}

/// One sink.
#[derive(Debug)]
pub struct Sink {
    name: String,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Smtp(Box<Smtp>),
    Webhook(Webhook),
    Slack(Slack),
}

impl Sink {
    /// A sink of this name. Reads the certificates of the system, which blocks for a moment.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn new(name: impl Into<String>, channel: &Channel) -> Result<Self, SettingsError> {
        let way = match channel {
            Channel::Smtp(settings) => Way::Smtp(Box::new(Smtp::new(settings)?)),
            Channel::Webhook { url, secret } => Way::Webhook(Webhook::new(url, secret.clone())?),
            Channel::Slack { url } => Way::Slack(Slack::new(url)?),
        };
        Ok(Self { name: name.into(), way })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `smtp`, `webhook` or `slack`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.way {
            Way::Smtp(_) => "smtp",
            Way::Webhook(_) => "webhook",
            Way::Slack(_) => "slack",
        }
    }

    /// Tells it, once. Dropped half way, it may have been told or not.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send(&self, notice: &Notice) -> Result<(), SendError> {
        let sent = timeout(SEND_WAIT_MAX, async {
            match &self.way {
                Way::Smtp(smtp) => smtp.send(notice).await,
                Way::Webhook(webhook) => webhook.send(notice).await,
                Way::Slack(slack) => slack.send(notice).await,
            }
        });
        sent.await.unwrap_or_else(|_late| Err(SendError::passing("it did not take it in time")))
    }
}

#[cfg(test)]
mod tests;
