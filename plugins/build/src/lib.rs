//! From the source of a plugin to `NAME.wasm`: what `cargo xtask plugins` and `sluice plugin build` share.
//!
//! [`Build`] is the whole way: the standard library of the target ([`wasm_std`]), cargo, a component of the module
//! ([`componentize`]), a file that is replaced in one step. [`append_manifest`] is for components of other languages.
//! Below are what its steps run on (`process`, `toolchain`, `apt`). The crate prints nothing, it tells a [`Progress`], and it
//! knows nothing of a router.

pub mod apt;
mod build;
mod cargo;
mod causes;
mod componentize;
mod manifest;
pub mod process;
mod progress;
mod replace;
pub mod toolchain;
pub mod wasm_std;
mod workspace;

pub use build::{Build, BuildError, Built};
pub use cargo::test;
pub use componentize::{ComponentError, componentize};
pub use manifest::{AppendError, append_manifest};
pub use progress::Progress;
pub use replace::{ReplaceError, replace};
pub use wasm_std::Rung;
pub use workspace::{Workspace, WorkspaceError};
