//! What the store tells the control plane.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sluice_model::alert::Alert;
use sluice_model::audit::AuditEntry;
use sluice_model::flag::parse_switch;
use sluice_model::lease::Lease;
use sluice_model::rollout::Rollout;
use sluice_model::silence::Silence;
use tokio::sync::oneshot;

/// Longest part of a nonsensical switch value that is shown, in characters.
const SHOWN_CHARS_MAX: usize = 64;

/// One thing that is so from now on.
#[derive(Debug)]
pub enum Event {
    /// A switch has this value.
    Switch {
        /// Its name.
        name: String,
        /// What it holds.
        value: SwitchValue,
    },
    /// A rollout stands so.
    Rollout {
        /// Its name.
        name: String,
        /// Where it stands.
        rollout: Rollout,
    },
    /// All servers that hold a lease, by id: the complete list. Who is not in it has left; nobody else's clock counts.
    Servers(Vec<Lease>),
    /// A set of flag definitions has this document, or is gone.
    Flags {
        /// Its name.
        set: String,
        /// The document; `None` = there is none.
        document: Option<FlagDocument>,
    },
    /// What stands where a set is expected is none, and the document before counts. The next [`Event::Flags`] of this set
    /// ends that.
    FlagsRefused {
        /// Name of the set.
        set: String,
        /// What is wrong with it, for people.
        reason: String,
    },
    /// All silences: the complete list.
    Silences(Vec<Silence>),
    /// An entry of the audit log, of this router or another. Only those made after the store was opened.
    Audit(AuditEntry),
    /// A new alert, of this router or another. Only those raised after the store was opened.
    Alert(Alert),
    /// How the store fares. Also ends the first content.
    Health(Health),
    /// Everything before this has been sent; answer it (`let _ = sender.send(())`) once it is applied.
    Fence(oneshot::Sender<()>),
}

/// A set of flag definitions, as text: who reads it says whether it makes sense.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlagDocument {
    /// JSON in flagd's format.
    pub text: Arc<str>,
    /// Raised by each write through a router; a raw `SET` does not.
    pub version: u64,
}

/// What a switch holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SwitchValue {
    /// On.
    On,
    /// Off.
    Off,
    /// There is no such key; counts as off.
    Missing,
    /// Neither on nor off (the text, or what stands there instead). Keep the last value and raise a fault.
    Invalid(String),
}

impl SwitchValue {
    /// A switch of this value.
    #[must_use]
    pub const fn of(on: bool) -> Self {
        if on { Self::On } else { Self::Off }
    }

    /// Reads what a key holds; `None` = there is no key.
    #[must_use]
    pub fn parse(content: Option<&[u8]>) -> Self {
        let Some(content) = content else { return Self::Missing };
        let text = String::from_utf8_lossy(content);
        parse_switch(&text).map_or_else(|| Self::Invalid(text.chars().take(SHOWN_CHARS_MAX).collect()), Self::of)
    }

    /// True while on.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        matches!(self, Self::On)
    }
}

/// How the store fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// What we have is what the store has. Otherwise we serve the last content we saw.
    pub connected: bool,
    /// Since when, ms since the Unix epoch.
    pub since_ms: u64,
    /// When what we have was last known to be what the store has, ms since the Unix epoch; `None` = never. While
    /// connected that is now.
    pub confirmed_ms: Option<u64>,
    /// What is wrong, for people.
    pub error: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_is_on_off_missing_or_nonsense() {
        assert_eq!(SwitchValue::parse(Some(b"TRUE\n")), SwitchValue::On);
        assert_eq!(SwitchValue::parse(Some(b"0")), SwitchValue::Off);
        assert_eq!(SwitchValue::parse(None), SwitchValue::Missing);
        assert_eq!(SwitchValue::parse(Some(b"maybe")), SwitchValue::Invalid("maybe".into()));
        let long = vec![b'x'; 1_000_000];
        assert_eq!(SwitchValue::parse(Some(&long)), SwitchValue::Invalid("x".repeat(SHOWN_CHARS_MAX)));
    }
}
