//! The plugin host of Sluice: compiles plugin files, runs them under limits, checks every answer they give.
//!
//! It stands between the request path, which asks ([`Instance`]), and the plugin folder, which loads ([`Engine`] ->
//! [`Artifact`] -> [`Instance`]). The contract is `plugins/wit/plugin.wit`. This is the only crate that names wasmtime,
//! and none of its types shows in the interface. It reads and writes no file but those of its cache of compiled plugins,
//! spawns one thread (the clock of the CPU deadline) and trusts nothing that a plugin says. `unsafe` stands in one place,
//! `cache/trusted.rs`: to load code that this program compiled before.

mod activation;
mod allowance;
mod artifact;
pub mod bounds;
mod cache;
mod call_error;
mod contract;
mod deadline;
mod digest;
mod edit;
mod engine;
mod exports;
mod field_syntax;
pub mod fields;
mod grants;
mod host;
mod inspect;
mod instance;
mod load_error;
mod log;
mod manifest;
mod memory;
mod outcome;
mod verdict;
mod wasi;
mod wire;

pub use activation::{Activation, ActivationFault, Phases};
pub use artifact::Artifact;
pub use call_error::{CallError, FailureKind, Trap};
pub use contract::ContractVersion;
pub use digest::Digest;
pub use edit::{Edit, EditFault};
pub use engine::{Engine, EngineError};
pub use inspect::{ExportSeen, FileKind, ITEMS_MAX, Import, ImportAccess, Inspection, inspect};
pub use instance::Instance;
pub use load_error::{ExportFault, LoadError};
pub use manifest::{Manifest, ManifestError, Needs};
pub use outcome::{AlertEffect, Effect, Outcome, OutcomeFault, Response};
pub use sluice_model::plugin::{Grants, Limits};
pub use verdict::{Decision, Verdict, VerdictFault};
pub use wire::{Level, SizeUnit};
