//! What is told while a plan is carried out: to progress bars, logs, or a script.

use std::time::Duration;

use serde::Serialize;
use sluice_infra_cloud::DropletId;

use crate::state::Kind;

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// To what.
    #[serde(flatten)]
    pub subject: Subject,
    /// What.
    #[serde(flatten)]
    pub happening: Happening,
}

/// What an operation is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Subject {
    /// What is done.
    pub kind: &'static str,
    /// Its pool; empty for firewalls and keys.
    pub pool: String,
    /// Name of the droplet, firewall or key.
    pub name: String,
}

impl Subject {
    /// Of an operation.
    #[must_use]
    pub fn new(kind: Kind, pool: &str, name: &str) -> Self {
        let kind = match kind {
            Kind::CreateDroplet => "create",
            Kind::DeleteDroplet => "delete",
            Kind::PutFirewall => "put firewall",
            Kind::DeleteFirewall => "delete firewall",
            Kind::PutSshKey => "put key",
            Kind::DeleteSshKey => "delete key",
        };
        Self { kind, pool: pool.to_owned(), name: name.to_owned() }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Happening {
    /// It is in the journal and is being sent.
    Sent,
    /// The cloud took it.
    Accepted {
        /// The droplet.
        droplet: DropletId,
    },
    /// The answer was unclear, and the cloud has it.
    Adopted {
        /// The droplet.
        droplet: DropletId,
    },
    /// It is looked for, because the answer was unclear.
    Looking {
        /// What is known.
        reason: String,
    },
    /// It is sent again after a pause.
    Again {
        /// Why.
        reason: String,
        /// After how long.
        after: Duration,
    },
    /// It did not get ready and is made anew.
    Anew {
        /// Why.
        reason: String,
    },
    /// It is done.
    Done,
    /// It is not.
    Failed {
        /// Why.
        reason: String,
    },
}

/// Who is told. Called from within the work: it must not block for long.
pub trait Events: Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event);
}

/// Nobody is told.
#[derive(Clone, Copy, Debug)]
pub struct Quiet;

impl Events for Quiet {
    fn event(&self, _event: &Event) {}
}
