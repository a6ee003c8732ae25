//! From a commit to a release that serves: gates, bare repositories, health, switch, rollback.
//!
//! [`operator`] is where commits are made: a clean checkout, the gates, one release commit, a push to each droplet.
//! [`droplet`] is what the hooks of the bare repository there run: it takes nothing without a seal, starts the release
//! beside the one that serves, and switches by leases. Between them are git, ssh, and the words of a [`note`].
//! Nothing here is on the way of a request, and nothing here decides how many droplets there are.

pub mod droplet;
mod git;
pub mod note;
pub mod operator;

pub use git::GitError;

/// The one branch of the bare repository on a droplet.
pub const RELEASE_REF: &str = "refs/heads/release";
/// Digits of a commit that people are shown, and leases name.
pub const SHORT_DIGITS: usize = 12;

/// A line for whoever waits for the outcome.
pub type Say<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// A commit as people are shown it.
#[must_use]
pub fn short(commit: &str) -> &str {
    commit.get(..SHORT_DIGITS).unwrap_or(commit)
}

/// A fault with its causes, in one line.
#[must_use]
pub fn described(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
