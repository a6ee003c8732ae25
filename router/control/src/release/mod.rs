//! Releases of plugins: which digest of a plugin serves, on trial or under watch, and the way back.
//!
//! `ledger` remembers the digests of one plugin, `ledgers` keeps that on disk; `choice` holds the rules by which a build
//! picks one, `judge` those by which a new one has failed; `course` follows it while it is tried and watched. Nothing
//! here publishes: the builder does (`builder/plugins.rs`).

pub(crate) mod choice;
pub(crate) mod course;
pub(crate) mod judge;
pub(crate) mod ledger;
pub(crate) mod ledgers;

pub use ledger::{DIGESTS_KEPT_MAX, DigestOutcome, Hold, KeptDigest};
