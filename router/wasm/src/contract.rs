//! Versions of the contract, `plugins/wit`. Breaking it makes a new version; the ones before keep loading.

use std::fmt;

/// A version of the contract that this host speaks. What differs between them stands in `wire/v0_1.rs` and `exports.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContractVersion {
    /// Without edits and without the body-chunk phase.
    V0_1,
    /// The newest.
    V0_2,
}

impl ContractVersion {
    /// Every version, oldest first.
    pub const ALL: [Self; 2] = [Self::V0_1, Self::V0_2];

    /// As a manifest spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V0_1 => "0.1",
            Self::V0_2 => "0.2",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == text)
    }

    /// All of them, for a message.
    pub(crate) fn known() -> String {
        Self::ALL.map(Self::as_str).join(" and ")
    }
}

impl fmt::Display for ContractVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_read_back() {
        for version in ContractVersion::ALL {
            assert_eq!(ContractVersion::parse(version.as_str()), Some(version));
        }
        assert_eq!(ContractVersion::parse("0.3"), None);
        assert_eq!(ContractVersion::known(), "0.1 and 0.2");
    }
}
