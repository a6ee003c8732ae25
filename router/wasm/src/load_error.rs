//! Why a plugin does not load. Each is shown to whoever dropped the file; the old plugin stays.

use crate::activation::ActivationFault;
use crate::bounds::{FILE_BYTES_MAX, one_line};
use crate::call_error::CallError;
use crate::manifest::ManifestError;

/// Why a plugin does not load.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Larger than [`FILE_BYTES_MAX`].
    #[error("the file has {bytes} bytes, at most {FILE_BYTES_MAX}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not a WebAssembly file, or only the beginning of one.
    #[error("not a WebAssembly component")]
    NotWasm,
    /// A module that was not made a component.
    #[error("a core module, not a component: `sluice plugin build` makes one")]
    CoreModule,
    /// The static manifest is missing or wrong.
    #[error("the static manifest is not usable")]
    Manifest(#[source] ManifestError),
    /// It does not validate, or uses what this host leaves out.
    #[error("cannot be compiled: {reason}")]
    Compile {
        /// What and where.
        reason: String,
    },
    /// It wants more of its host than the contract has.
    #[error("forbidden imports: {} ({})", .names.join(", "), what_may_be_imported(.names))]
    Imports {
        /// Their names, sorted.
        names: Vec<String>,
    },
    /// It imports something of the contract with another type.
    #[error("an import has another type than in the contract: {reason}")]
    ImportType {
        /// Which, and how it differs.
        reason: String,
    },
    /// An export of the contract is missing or has another type.
    #[error("the export `{name}: {expected}` {fault}")]
    Export {
        /// Its name.
        name: &'static str,
        /// Its type in the contract.
        expected: &'static str,
        /// What is wrong.
        fault: ExportFault,
    },
    /// The policy grants less than the manifest needs.
    #[error("not granted: {}", .missing.join(", "))]
    Grants {
        /// What the policy would have to grant.
        missing: Vec<String>,
    },
    /// Instantiation or `init` failed.
    #[error("cannot start")]
    Start(#[source] CallError),
    /// `init` refused the configuration.
    #[error("the plugin refuses its configuration: {}", one_line(.reason))]
    Config {
        /// The plugin's words.
        reason: String,
    },
    /// `init` returned an activation that is not acceptable.
    #[error("the activation is not acceptable")]
    Activation(#[source] ActivationFault),
}

/// What is wrong with an export.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportFault {
    /// It is not there.
    #[error("is missing")]
    Missing,
    /// The activation declares that it takes part there, and it is not.
    #[error("is missing, though the activation declares it")]
    Declared,
    /// It is something else.
    #[error("is not a function")]
    NotAFunction,
    /// It is a function of another type.
    #[error("has another type: {0}")]
    Type(String),
}

/// What the author of such a plugin would want to know.
fn what_may_be_imported(names: &[String]) -> &'static str {
    let is_any_of = |package: &str| names.iter().any(|name| name.starts_with(package));
    if is_any_of("sluice:plugin/") {
        "of the contract there is `logging`, in versions 0.1.0 and 0.2.0"
    } else if is_any_of("wasi:") {
        "of WASI there are io, clocks, random and cli, in versions 0.2"
    } else {
        "there are `sluice:plugin/logging`, and of WASI 0.2 io, clocks, random and cli"
    }
}
