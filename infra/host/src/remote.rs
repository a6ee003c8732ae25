//! Reaching a machine from the operator's side: commands and files, over the system's `ssh`.
//!
//! [`Remote`] is what configure, deploy and scale ask; [`Ssh`] is how. No secret ever stands in an argument.

mod quote;
mod ssh;
mod upload;

use std::path::Path;

use async_trait::async_trait;

use crate::layout::Layout;

pub use quote::{command_line, quoted};
pub use ssh::{Ssh, SshSettings};
pub(crate) use upload::is_digest;
pub use upload::{Digest, sha256_of};

/// What a command left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its status.
    pub status: i32,
    /// What it printed, at most 1 MiB.
    pub stdout: Vec<u8>,
    /// What it complained of, at most 1 MiB.
    pub stderr: String,
}

/// Why a machine was not reached.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// ssh did not get through.
    #[error("{host} is not reached: {message}")]
    Away {
        /// Which machine.
        host: String,
        /// What ssh says.
        message: String,
    },
    /// The command ended with a fault.
    #[error("`{command}` on {host} ended with {status}: {stderr}")]
    Failed {
        /// Which machine.
        host: String,
        /// Program and first argument: no secret stands in argv.
        command: String,
        /// Its status.
        status: i32,
        /// The end of what it complained of.
        stderr: String,
    },
    /// A file of ours cannot be read.
    #[error("{path} cannot be read")]
    File {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A machine, as the operator reaches it.
#[async_trait]
pub trait Remote: Send + Sync {
    /// Its name, for people.
    fn name(&self) -> &str;

    /// Where things are there.
    fn layout(&self) -> &Layout;

    /// Runs a program with arguments (each quoted for the shell there); secrets go into `stdin`. A status other than 0 is
    /// no error here.
    ///
    /// # Errors
    /// [`RemoteError::Away`]
    async fn run(&self, arguments: &[&str], stdin: &[u8]) -> Result<Output, RemoteError>;

    /// Makes sure that the blob of this SHA-256 lies in [`crate::Layout::blobs`]; true if it had to be sent.
    ///
    /// # Errors
    /// [`RemoteError`]
    async fn upload(&self, file: &Path, sha256: &str) -> Result<bool, RemoteError>;
}
