//! The one place where code from a file is believed: the only `unsafe` of this crate.
#![expect(unsafe_code, reason = "wasmtime runs serialised code as it is; who may write it is checked before")]

use wasmtime::Engine;
use wasmtime::component::Component;

use super::envelope::Verified;

/// Loads compiled code. Code of an engine that differs from `engine` is an error, told by wasmtime's own header.
///
/// # Errors
/// Why this engine cannot use it.
pub(super) fn load(engine: &Engine, code: &Verified) -> Result<Component, String> {
    // SAFETY: the bytes must be those of an earlier `Component::serialize`. `Verified` can be made in one way only: from
    // an `OwnFile`, a regular file that our own user owns and nobody else may write, in a folder of which the same is
    // true, and by its digest unchanged since this program wrote the output of `serialize` under this name. They were
    // read into our own memory before they were checked, so nobody changes them now.
    let component = unsafe { Component::deserialize(engine, code.code()) };
    component.map_err(|error| format!("this engine cannot use it: {error:#}"))
}
