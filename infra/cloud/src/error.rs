//! Why a cloud did not do it, by what the caller can do about it.

use std::time::Duration;

/// Why a cloud did not do it.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    /// The token is missing, wrong, or may not do this.
    #[error("{cloud} refuses the token: {message}")]
    Unauthorized {
        /// Which cloud.
        cloud: &'static str,
        /// What it says.
        message: String,
    },
    /// A limit of the account: waiting does not help.
    #[error("the account's limit is reached: {message}")]
    Quota {
        /// What it says.
        message: String,
    },
    /// Too many requests; said by how long.
    #[error("too many requests; again in {after:?}")]
    RateLimited {
        /// How long to wait.
        after: Duration,
    },
    /// It did not happen, and may if asked again.
    #[error("the cloud cannot do it now: {message}")]
    Transient {
        /// What it says.
        message: String,
    },
    /// It may have happened or not: look before asking again.
    #[error("unclear whether the cloud did it: {message}")]
    Unclear {
        /// What is known.
        message: String,
    },
    /// The request is wrong, and stays so.
    #[error("the cloud refuses it: {message}")]
    Invalid {
        /// What it says.
        message: String,
        /// The id of the request there, for its support.
        request_id: Option<String>,
    },
    /// The answer makes no sense.
    #[error("the cloud's answer to {call} makes no sense: {message}")]
    Answer {
        /// Which call.
        call: String,
        /// What is wrong with it.
        message: String,
    },
    /// This machine cannot: a program is missing, a folder is not writable.
    #[error("{message}")]
    Machine {
        /// What, and how to put it right.
        message: String,
    },
}
