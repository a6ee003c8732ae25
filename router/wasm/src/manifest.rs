//! The static manifest: who a plugin is and what it needs, read from its file before anything of it runs.

use serde::Deserialize;
use wasmparser::{Parser, Payload};

use crate::bounds::{MANIFEST_BYTES_MAX, NAME_BYTES_MAX, NAMES_MAX};
use crate::contract::ContractVersion;

/// Name of the custom section.
const SECTION: &str = "sluice:plugin";

/// What a plugin says of itself. Unknown keys are refused: a need that is not understood cannot be granted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name its author gave it; the policy may call it otherwise.
    pub name: String,
    /// Version of the plugin.
    pub version: String,
    /// Version of the contract, such as `0.2`.
    pub contract: String,
    /// What it needs granted.
    #[serde(default)]
    pub needs: Needs,
}

/// What a plugin needs. The policy must grant it, and the activation must stay within it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Needs {
    /// State keys, or prefixes of keys that end in `*`.
    pub state: Vec<String>,
    /// Raises alerts.
    pub alerts: bool,
    /// Its alerts may stop the route's rollout.
    pub abort: bool,
    /// Adds to counters.
    pub counters: bool,
    /// Tags requests.
    pub tags: bool,
    /// Writes to its log.
    pub log: bool,
    /// Edits requests and responses.
    pub edits: bool,
    /// Sees request bodies.
    pub body: bool,
}

/// Why a file has no usable manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// No section of that name.
    #[error("no manifest: the custom section `sluice:plugin` is missing")]
    Missing,
    /// Several sections: which one counts?
    #[error("two manifests: the custom section `sluice:plugin` stands there more than once")]
    Twice,
    /// Longer than [`MANIFEST_BYTES_MAX`].
    #[error("the manifest has {bytes} bytes, at most {MANIFEST_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not the JSON document of the contract.
    #[error("the manifest is not valid: {reason}")]
    Syntax {
        /// What is wrong, with line and column.
        reason: String,
    },
    /// Another contract.
    #[error("the plugin speaks contract {contract:?}, this router {}", ContractVersion::known())]
    Contract {
        /// The version it speaks.
        contract: String,
    },
    /// A name or a list is out of bounds.
    #[error("the manifest's {what} is empty, too long, or has control characters")]
    Bounds {
        /// Which one.
        what: &'static str,
    },
    /// The file is cut off or damaged.
    #[error("the file is damaged: {reason}")]
    Damaged {
        /// Where and how.
        reason: String,
    },
}

impl Manifest {
    /// Reads the manifest of a component; the section may stand in the component or in a module inside.
    pub(crate) fn read(file: &[u8]) -> Result<Self, ManifestError> {
        Self::parse(section(file)?)
    }

    /// Reads the JSON document of a manifest.
    ///
    /// # Errors
    /// It is not what the contract has.
    pub fn parse(document: &[u8]) -> Result<Self, ManifestError> {
        if document.len() > MANIFEST_BYTES_MAX {
            return Err(ManifestError::TooLong { bytes: document.len() });
        }
        let manifest: Self =
            serde_json::from_slice(document).map_err(|error| ManifestError::Syntax { reason: error.to_string() })?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The version that it names.
    pub(crate) fn contract_version(&self) -> Result<ContractVersion, ManifestError> {
        let contract = || ManifestError::Contract { contract: self.contract.clone() };
        ContractVersion::parse(&self.contract).ok_or_else(contract)
    }

    fn check(&self) -> Result<(), ManifestError> {
        self.contract_version()?;
        // They are shown in lines and columns.
        let is_line = |text: &str| !text.chars().any(char::is_control);
        let fits = |text: &String| !text.is_empty() && text.len() <= NAME_BYTES_MAX && is_line(text);
        if !fits(&self.name) {
            return Err(ManifestError::Bounds { what: "name" });
        }
        if !fits(&self.version) {
            return Err(ManifestError::Bounds { what: "version" });
        }
        if self.needs.state.len() > NAMES_MAX || !self.needs.state.iter().all(fits) {
            return Err(ManifestError::Bounds { what: "list of state needs" });
        }
        Ok(())
    }
}

/// The one section of that name, at whatever depth.
fn section(file: &[u8]) -> Result<&[u8], ManifestError> {
    let mut found = None;
    for payload in Parser::new(0).parse_all(file) {
        let payload = payload.map_err(|error| ManifestError::Damaged { reason: error.to_string() })?;
        if let Payload::CustomSection(section) = payload
            && section.name() == SECTION
            && found.replace(section.data()).is_some()
        {
            return Err(ManifestError::Twice);
        }
    }
    found.ok_or(ManifestError::Missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = r#"{"name":"a","version":"1","contract":"0.1"}"#;

    fn read(sections: &[&str]) -> Result<Manifest, ManifestError> {
        let sections: String = sections
            .iter()
            .map(|json| format!("(@custom \"{SECTION}\" \"{}\")", json.replace('\n', "").replace('"', "\\\"")))
            .collect();
        Manifest::read(&wat::parse_str(format!("(component (core module {sections}))")).unwrap())
    }

    fn syntax(json: &str) -> String {
        match read(&[json]) {
            Err(ManifestError::Syntax { reason }) => reason,
            other => panic!("{json}: {other:?}"),
        }
    }

    #[test]
    fn a_manifest_in_a_module_inside_is_found() {
        let manifest = read(&[r#"{"name":"canary","version":"0.1.0","contract":"0.1",
            "needs":{"state":["rollout:*"],"alerts":true}}"#])
        .unwrap();
        assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("canary", "0.1.0"));
        let needs = Needs { state: vec!["rollout:*".to_owned()], alerts: true, ..Needs::default() };
        assert_eq!(manifest.needs, needs);
        assert_eq!(read(&[LEAST]).unwrap().needs, Needs::default(), "missing needs mean none");
    }

    #[test]
    fn exactly_one_manifest() {
        assert_eq!(read(&[]), Err(ManifestError::Missing));
        assert_eq!(read(&[LEAST, LEAST]), Err(ManifestError::Twice));
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        assert!(syntax(r#"{"name":"a","version":"1","contract":"0.1","nees":{}}"#).contains("`nees`"));
        assert!(syntax(r#"{"name":"a","version":"1","contract":"0.1","needs":{"alert":true}}"#).contains("`alert`"));
        assert!(syntax(r#"{"name":"a","version":"1"}"#).contains("`contract`"));
        assert!(syntax("{").contains("EOF"));
    }

    #[test]
    fn another_contract_is_refused() {
        assert!(read(&[r#"{"name":"a","version":"1","contract":"0.2"}"#]).is_ok());
        let other = read(&[r#"{"name":"a","version":"1","contract":"0.3"}"#]).unwrap_err();
        assert_eq!(other.to_string(), "the plugin speaks contract \"0.3\", this router 0.1 and 0.2");
    }

    #[test]
    fn a_manifest_holds_at_its_bounds_and_not_past_them() {
        let padded = |bytes: usize| format!("{LEAST}{}", " ".repeat(bytes - LEAST.len()));
        assert!(read(&[&padded(MANIFEST_BYTES_MAX)]).is_ok());
        assert_eq!(
            read(&[&padded(MANIFEST_BYTES_MAX + 1)]),
            Err(ManifestError::TooLong { bytes: MANIFEST_BYTES_MAX + 1 })
        );
        let named = |bytes: usize| format!(r#"{{"name":"{}","version":"1","contract":"0.1"}}"#, "n".repeat(bytes));
        assert!(read(&[&named(NAME_BYTES_MAX)]).is_ok());
        for bytes in [0, NAME_BYTES_MAX + 1] {
            assert_eq!(read(&[&named(bytes)]), Err(ManifestError::Bounds { what: "name" }));
        }
    }

    #[test]
    fn what_is_shown_in_lines_has_no_control_characters() {
        for (name, version, what) in [("a\\u001b[8m", "1", "name"), ("a", "1\\nok", "version")] {
            let document = format!(r#"{{"name":"{name}","version":"{version}","contract":"0.1"}}"#);
            assert_eq!(Manifest::parse(document.as_bytes()), Err(ManifestError::Bounds { what }));
        }
    }

    #[test]
    fn a_file_cut_off_is_damaged() {
        let whole = wat::parse_str(r#"(component (core module (@custom "x" "0123456789")))"#).unwrap();
        let cut = Manifest::read(&whole[..whole.len() - 4]);
        assert!(matches!(cut, Err(ManifestError::Damaged { .. })), "{cut:?}");
    }
}
