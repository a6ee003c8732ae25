//! Slack's incoming webhooks, and whatever speaks their form (Mattermost, Rocket.Chat): the URL is the secret.

use super::post::Target;
use super::{SendError, SettingsError};
use crate::notice::Notice;
use crate::secret::Secret;

/// See the module.
#[derive(Debug)]
pub(super) struct Slack {
    target: Target,
    /// The part of the URL that is the secret.
    path: Secret,
}

impl Slack {
    pub(super) fn new(url: &Secret) -> Result<Self, SettingsError> {
        let target = Target::parse(url.expose())?;
        let path = Secret::new(target.path().trim_matches('/'));
        Ok(Self { target, path })
    }

    pub(super) async fn send(&self, notice: &Notice) -> Result<(), SendError> {
        let sent = self.target.post([], notice.slack_document().to_string().into_bytes()).await;
        sent.map_err(|error| SendError { reason: self.path.hide_in(&error.reason), ..error })
    }
}
