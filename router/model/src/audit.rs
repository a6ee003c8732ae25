//! The audit log: who changed what, when and why.

use serde::{Deserialize, Serialize};

/// Longest `old` and `new` that an entry keeps, in bytes; of a longer one the beginning.
pub const AUDIT_VALUE_BYTES_MAX: usize = 4_096;

/// Who makes a change, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Author<'a> {
    /// Who, e.g. `admin at 127.0.0.1`.
    pub by: &'a str,
    /// Why, one line; empty = not said.
    pub reason: &'a str,
}

impl<'a> Author<'a> {
    /// Someone who does not say why.
    #[must_use]
    pub const fn new(by: &'a str) -> Self {
        Self { by, reason: "" }
    }
}

impl<'a> From<&'a str> for Author<'a> {
    fn from(by: &'a str) -> Self {
        Self::new(by)
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Place in the log, `MS-N` as Redis streams have it: later ones sort after it.
    pub id: String,
    /// When, ms since the Unix epoch.
    pub at_ms: u64,
    /// Who.
    pub by: String,
    /// What: `flag:NAME`, `flags:SET`, `rollout:NAME`, `silence:ID`.
    pub key: String,
    /// The value before; `None` = there was none.
    pub old: Option<String>,
    /// The value after; `None` = it is gone.
    pub new: Option<String>,
    /// Why, one line; may be empty.
    pub reason: String,
}
