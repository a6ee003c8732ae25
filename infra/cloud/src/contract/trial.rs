//! One run of the suite: the cloud, what is wanted of it, and the tag by which it is all removed again.

use std::time::Duration;

use crate::cloud::Cloud;
use crate::error::CloudError;
use crate::types::{CreateDroplet, Droplet, DropletId};

/// How long a cloud may take to do what it accepted. DigitalOcean's droplets are active after about a minute, and gone
/// within two of their deletion.
const PATIENCE: Duration = Duration::from_secs(180);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// DigitalOcean's limit is 250 requests a minute; looks become rarer, so that the suite stays far below.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(2);

/// A promise that a cloud does not keep.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// It answers otherwise than promised.
    #[error("{clause}: {what}")]
    Promise {
        /// Which promise.
        clause: &'static str,
        /// What it does instead.
        what: String,
    },
    /// It fails where it must not.
    #[error("{clause}: the call failed")]
    Call {
        /// Which promise.
        clause: &'static str,
        /// How it failed.
        #[source]
        source: CloudError,
    },
}

/// One run of the suite.
pub(super) struct Trial<'c> {
    pub(super) cloud: &'c dyn Cloud,
    /// Unique to this run; in names and tags.
    pub(super) word: String,
    wanted: CreateDroplet,
}

impl<'c> Trial<'c> {
    pub(super) fn new(cloud: &'c dyn Cloud, wanted: CreateDroplet) -> Self {
        Self { cloud, word: format!("{:08x}", rand::random::<u32>()), wanted }
    }

    /// On every droplet of this run.
    pub(super) fn tag(&self) -> String {
        format!("contract:{}", self.word)
    }

    /// A droplet to ask for, with a name and a tag that no other has.
    pub(super) fn wanted(&self, suffix: &str) -> CreateDroplet {
        let mut wanted = self.wanted.clone();
        wanted.name = format!("{}-{}-{suffix}", wanted.name, self.word);
        wanted.tags.extend([self.tag(), self.own_tag(suffix)]);
        wanted
    }

    /// On the droplet of this suffix only.
    pub(super) fn own_tag(&self, suffix: &str) -> String {
        format!("contract:{}:{suffix}", self.word)
    }

    /// Asks for a droplet.
    pub(super) async fn create(&self, clause: &'static str, wanted: &CreateDroplet) -> Result<Droplet, Broken> {
        self.cloud.create_droplet(wanted).await.map_err(failed(clause))
    }

    /// Waits until the droplet is as it should be: `fit` sees what the cloud says of it.
    pub(super) async fn until(
        &self,
        clause: &'static str,
        id: &DropletId,
        fit: impl Fn(Option<&Droplet>) -> bool,
    ) -> Result<Option<Droplet>, Broken> {
        let begin = tokio::time::Instant::now();
        let mut pause = LOOK_EVERY;
        loop {
            let found = self.cloud.droplet(id).await.map_err(failed(clause))?;
            if fit(found.as_ref()) {
                return Ok(found);
            }
            if begin.elapsed() > PATIENCE {
                return Err(broken(clause, format!("after {PATIENCE:?} droplet {id} is {found:?}")));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_EVERY_MAX);
        }
    }

    /// Removes what this run left.
    pub(super) async fn sweep(&self) -> Result<(), Broken> {
        const CLAUSE: &str = "what has the tag can be removed";
        for droplet in self.cloud.droplets(&self.tag()).await.map_err(failed(CLAUSE))? {
            self.cloud.delete_droplet(&droplet.id).await.map_err(failed(CLAUSE))?;
        }
        for firewall in self.cloud.firewalls(&self.firewall_prefix()).await.map_err(failed(CLAUSE))? {
            self.cloud.delete_firewall(&firewall.id).await.map_err(failed(CLAUSE))?;
        }
        Ok(())
    }

    /// Names of the firewalls of this run begin so.
    pub(super) fn firewall_prefix(&self) -> String {
        format!("contract-{}-", self.word)
    }
}

/// A promise is broken.
pub(super) fn broken(clause: &'static str, what: impl Into<String>) -> Broken {
    Broken::Promise { clause, what: what.into() }
}

/// A call failed that must not.
pub(super) fn failed(clause: &'static str) -> impl Fn(CloudError) -> Broken {
    move |source| Broken::Call { clause, source }
}

/// A promise is kept, or `what` happens instead.
pub(super) fn promised(kept: bool, clause: &'static str, what: impl FnOnce() -> String) -> Result<(), Broken> {
    if kept { Ok(()) } else { Err(broken(clause, what())) }
}
