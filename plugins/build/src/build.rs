//! The whole way from source to `NAME.wasm`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::process::CommandError;
use crate::replace::{ReplaceError, replace};
use crate::wasm_std::{self, MissingStd, Rung};
use crate::{ComponentError, Progress, Workspace, cargo, componentize};

/// Bytes of the unit in which sizes are told.
const KIB: usize = 1024;

/// What to build, and where to.
#[derive(Clone, Copy, Debug)]
pub struct Build<'a> {
    /// The workspace of the plugins.
    pub workspace: &'a Workspace,
    /// Which of its packages.
    pub names: &'a [String],
    /// The folder that gets `NAME.wasm`; made if it is not there.
    pub out: &'a Path,
    /// Take the standard library from there only, instead of the first that works.
    pub rung: Option<Rung>,
}

/// A plugin that is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Name of its package.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
    /// The file's content.
    pub component: Vec<u8>,
    /// Whether the file was written; else it had this very content before.
    pub is_new: bool,
}

/// Why a plugin was not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Nothing to compile with.
    #[error(transparent)]
    Std(#[from] MissingStd),
    /// It does not compile; cargo has said why.
    #[error(transparent)]
    Cargo(CommandError),
    /// Cargo made no module.
    #[error("read {}", path.display())]
    Module {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It is no plugin.
    #[error("make a component of {name}")]
    Component {
        /// Which one.
        name: String,
        /// Why not.
        #[source]
        source: ComponentError,
    },
    /// Its file cannot be written.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
}

impl Build<'_> {
    /// Builds them all. Files are replaced in one step and only if they changed, so a router may watch the folder.
    ///
    /// # Errors
    /// At the first that fails; those before it are in place.
    pub fn run(&self, progress: &dyn Progress) -> Result<Vec<Built>, BuildError> {
        progress.step(&"looking for the standard library of the plugins");
        let compiler = wasm_std::find(self.rung, progress)?;
        progress.step(&format_args!("building the plugins {}", self.names.join(", ")));
        cargo::build(&compiler, self.workspace, self.names).map_err(BuildError::Cargo)?;
        self.names.iter().map(|name| self.finish(name, progress)).collect()
    }

    /// Core module -> component -> file.
    fn finish(&self, name: &str, progress: &dyn Progress) -> Result<Built, BuildError> {
        let path = cargo::module(self.workspace, name);
        let module = fs::read(&path).map_err(|source| BuildError::Module { path, source })?;
        let component =
            componentize(&module).map_err(|source| BuildError::Component { name: name.to_owned(), source })?;
        let file = self.out.join(format!("{name}.wasm"));
        let is_new = replace(&file, &component)?;
        let change = if is_new { "new" } else { "unchanged" };
        progress.note(&format_args!("{name}.wasm, {} KiB, {change}", component.len().div_ceil(KIB)));
        Ok(Built { name: name.to_owned(), file, component, is_new })
    }
}
