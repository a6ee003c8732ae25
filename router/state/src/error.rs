//! Errors of the store, by stage: opening it, writing to it.

use std::path::PathBuf;

use sluice_model::rollout::Refused;

use crate::redis::secrets::SecretFault;
use crate::redis::url::UrlFault;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A name in the config cannot be a part of keys.
    #[error("{what} `{name}` is not valid: use 1 to {bytes_max} letters, digits and _ . -")]
    Name {
        /// `edge` or `switch`.
        what: &'static str,
        /// As it was given.
        name: String,
        /// Longest name.
        bytes_max: usize,
    },
    /// The URL cannot be understood. It is not shown, for it may carry a password.
    #[error("the store URL is not valid")]
    Url(#[source] UrlFault),
    /// A password or a certificate that the URL points to cannot be had.
    #[error("what the store URL points to cannot be had")]
    Secret(#[from] SecretFault),
    /// A certificate or its key cannot be used.
    #[error("the certificates that the store URL names cannot be used")]
    Certificates(#[source] redis::RedisError),
    /// Another router has the embedded store open.
    #[error("{} is in use by another router; each embedded store belongs to one", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The embedded file cannot be opened.
    #[error("cannot open the embedded store {}", path.display())]
    Embedded {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<redb::Error>,
    },
    /// The embedded file holds something that this version cannot read.
    #[error("the embedded store {} holds a document that cannot be read", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The runtime ended while the store was being opened.
    #[error("opening the store was interrupted")]
    Interrupted,
}

/// Why a call on the store failed. Unless it says otherwise, nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store does not answer, or lost its data; the router keeps what it has. Try again later.
    #[error("the store is away: {reason}")]
    Unavailable {
        /// What is known of it.
        reason: String,
    },
    /// No such rollout in the store.
    #[error("the store holds no rollout `{0}`")]
    NotFound(String),
    /// The state of the rollout does not allow the command.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Others changed the rollout each time in between.
    #[error("rollout `{0}` was changed by others too often meanwhile")]
    Contended(String),
    /// Someone else changed it since it was read.
    #[error("`{key}` was changed meanwhile: it has version {found}, not {expected}")]
    Conflict {
        /// What.
        key: String,
        /// The version that the caller has seen.
        expected: u64,
        /// The version that it has.
        found: u64,
    },
    /// The caller leads no more: another router has taken over.
    #[error("another router leads `{0}` by now")]
    Fenced(String),
    /// A name, a server or an alert that cannot be stored.
    #[error("{0}")]
    Invalid(String),
    /// A bound of the store is reached.
    #[error("the store is full: at most {max} {what}")]
    Full {
        /// What it is full of.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// Written, but this router did not act on it in time.
    #[error("it is written, but this router has not acted on it yet")]
    Unconfirmed,
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
    /// The embedded file failed.
    #[error("the embedded store failed")]
    Embedded(#[source] Box<redb::Error>),
    /// Redis answered with an error.
    #[error("Redis refused")]
    Redis(#[source] redis::RedisError),
    /// A document in the store cannot be read or written.
    #[error("a document of the store cannot be read")]
    Document(#[from] serde_json::Error),
}
