//! What is found in a file, as data: what `--json` prints and the text is made of.

use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use serde::Serialize;
use sluice_control::{ReadError, chain};
use sluice_policy::{Grants, Plugin};
use sluice_wasm::{Artifact, Engine, FileKind, ImportAccess, Inspection, LoadError, Manifest, ManifestError};

use super::grants::{Rights, grants_line, with_needs};
use super::start::Started;

/// Everything about a file.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    /// Its name.
    pub(super) file: String,
    /// `component`, `core module`, or what else it is.
    pub(super) kind: String,
    pub(super) bytes: usize,
    /// SHA-256, hex.
    pub(super) digest: Option<String>,
    /// What it says of itself.
    pub(super) plugin: Option<Identity>,
    pub(super) imports: Vec<ImportSeen>,
    /// Those that the host may call.
    pub(super) exports: Vec<String>,
    /// Others, which nobody calls.
    pub(super) other_exports: Vec<String>,
    /// How long it took to compile.
    pub(super) compile_ns: Option<u64>,
    /// Why no router would take it, whatever the policy.
    pub(super) refusal: Option<Refusal>,
    /// As which plugins a policy uses it.
    pub(super) uses: Vec<Use>,
    /// How a policy would name it, if none does.
    pub(super) suggestion: Option<String>,
    /// What came of `--init`, if no policy uses it.
    pub(super) started: Option<Started>,
}

/// The static manifest.
#[derive(Debug, Serialize)]
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) contract: String,
    pub(super) needs: Rights,
}

#[derive(Debug, Serialize)]
pub(super) struct ImportSeen {
    pub(super) name: String,
    /// `contract`, `wasi`, `denied` or `refused`.
    pub(super) access: &'static str,
    pub(super) why: &'static str,
}

/// Why it is not taken, and what would help.
#[derive(Debug, Serialize)]
pub(super) struct Refusal {
    pub(super) reason: String,
    pub(super) hint: Option<String>,
}

/// The file as one plugin of a policy.
#[derive(Debug, Serialize)]
pub(super) struct Use {
    /// Name of the plugin.
    pub(super) plugin: String,
    pub(super) granted: Rights,
    /// Needs that are not granted.
    pub(super) missing: Vec<String>,
    /// What to write in `[plugins.NAME]` instead, if anything is missing.
    pub(super) write: Option<String>,
    /// What came of `--init`.
    pub(super) started: Option<Started>,
}

impl Report {
    /// Reads and compiles a file; nothing of it runs.
    ///
    /// # Errors
    /// It cannot be read at all.
    pub(super) fn of_file(engine: &Engine, path: &Path) -> anyhow::Result<(Self, Option<Artifact>)> {
        let file =
            path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
        let bytes = match sluice_control::read_plugin_file(path) {
            Ok(bytes) => bytes,
            Err(error @ ReadError::Io(_)) => return Err(error).with_context(|| format!("read {}", path.display())),
            Err(error) => {
                let refusal = Some(Refusal { reason: chain(&error), hint: None });
                return Ok((Self { file, kind: "not read".to_owned(), refusal, ..Self::default() }, None));
            }
        };
        let mut report = Self::of_inspection(file, sluice_wasm::inspect(&bytes));
        let began = Instant::now();
        match engine.compile(&bytes) {
            Ok(artifact) => {
                report.compile_ns = u64::try_from(began.elapsed().as_nanos()).ok();
                Ok((report, Some(artifact)))
            }
            Err(error) => {
                report.refusal = Some(Refusal { reason: chain(&error), hint: hint(&error, bytes.is_empty()) });
                Ok((report, None))
            }
        }
    }

    fn of_inspection(file: String, seen: Inspection) -> Self {
        let Inspection { kind, bytes_len, digest, damage, manifest, imports, exports } = seen;
        let kind = match kind {
            FileKind::Component => "component",
            FileKind::CoreModule => "core module",
            FileKind::Other => "no WebAssembly",
        };
        let (contract, other): (Vec<_>, Vec<_>) = exports.into_iter().partition(|export| export.is_of_contract);
        let names = |exports: Vec<sluice_wasm::ExportSeen>| exports.into_iter().map(|export| export.name).collect();
        Self {
            suggestion: manifest.as_ref().ok().map(|manifest| suggestion(&file, manifest)),
            file,
            kind: damage.map_or_else(|| kind.to_owned(), |damage| format!("damaged {kind}: {damage}")),
            bytes: bytes_len,
            digest: Some(digest.to_string()),
            plugin: manifest.ok().map(Identity::from),
            imports: imports.into_iter().map(ImportSeen::from).collect(),
            exports: names(contract),
            other_exports: names(other),
            ..Self::default()
        }
    }

    /// True if a router would take it.
    pub(super) fn is_good(&self) -> bool {
        let starts = |started: &Option<Started>| started.as_ref().is_none_or(Started::is_good);
        let serves = |using: &Use| using.missing.is_empty() && starts(&using.started);
        self.refusal.is_none() && starts(&self.started) && self.uses.iter().all(serves)
    }
}

impl Use {
    /// `artifact` as the plugin `spec`.
    pub(super) fn of(artifact: &Artifact, spec: &Plugin) -> Self {
        let needs = &artifact.manifest().needs;
        let missing = needs.missing(&spec.grants);
        Self {
            plugin: spec.name.clone(),
            granted: Rights::from(&spec.grants),
            write: (!missing.is_empty()).then(|| grants_line(&with_needs(&spec.grants, needs))),
            missing,
            started: None,
        }
    }
}

impl From<Manifest> for Identity {
    fn from(manifest: Manifest) -> Self {
        let Manifest { name, version, contract, needs } = manifest;
        Self { name, version, contract, needs: Rights::from(&needs.as_grants()) }
    }
}

impl From<sluice_wasm::Import> for ImportSeen {
    fn from(import: sluice_wasm::Import) -> Self {
        let (access, why) = match import.access {
            ImportAccess::Contract => ("contract", "of the contract"),
            ImportAccess::Wasi => ("wasi", "WASI, given"),
            ImportAccess::Denied => ("denied", "WASI, granted to nobody: a call of it traps"),
            ImportAccess::Refused => ("refused", "neither of the contract nor of the part of WASI 0.2 that is given"),
        };
        Self { name: import.name, access, why }
    }
}

/// The table of a policy that uses the file.
fn suggestion(file: &str, manifest: &Manifest) -> String {
    let grants = with_needs(&Grants::default(), &manifest.needs);
    let line = if grants == Grants::default() { String::new() } else { format!("\n{}", grants_line(&grants)) };
    format!("[plugins.{}]\nfile = {}{line}", key(&manifest.name), super::grants::quoted(file))
}

/// A key as TOML writes it.
fn key(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !name.is_empty() && name.bytes().all(is_bare) { name.to_owned() } else { super::grants::quoted(name) }
}

/// What would help.
fn hint(error: &LoadError, is_empty: bool) -> Option<String> {
    const OF_THE_CONTRACT: &str =
        "plugins/wit/plugin.wit has the exports; `sluice plugin new NAME` begins with a plugin that has them";
    let hint = match error {
        LoadError::NotWasm if is_empty => "the file is empty: is it still being written?",
        LoadError::NotWasm => "a plugin begins with `\\0asm`; is this the right file, and whole?",
        LoadError::CoreModule => {
            "`sluice plugin build` makes a component of a Rust crate; for other languages, make a component with their \
             tools, then `sluice plugin pack`"
        }
        LoadError::Manifest(ManifestError::Missing) => {
            "`sluice plugin pack FILE --manifest manifest.json` writes one into the file; the Rust SDK does it by itself"
        }
        LoadError::Manifest(ManifestError::Contract { .. }) => "build it against a contract that this router speaks",
        LoadError::Manifest(ManifestError::Damaged { .. }) | LoadError::Compile { .. } => {
            "the file is cut off or damaged: copy or build it again, and move it into place when it is whole"
        }
        LoadError::Imports { .. } => {
            "leave out what needs them; `sluice plugin inspect` lists each import with its reason"
        }
        LoadError::ImportType { .. } | LoadError::Export { .. } => OF_THE_CONTRACT,
        LoadError::Manifest(_)
        | LoadError::TooLarge { .. }
        | LoadError::Grants { .. }
        | LoadError::Start(_)
        | LoadError::Config { .. }
        | LoadError::Activation(_) => return None,
    };
    Some(hint.to_owned())
}
