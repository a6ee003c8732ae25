//! The reference of all keys, as Markdown, made from the shapes that the readers hold to.

use sluice_document::reference::of_shapes;

use crate::read::{SHAPE as ROUTES, plugin_tests, process};

/// What stands before the reference in `docs/policy.md` and `docs/plugin-tests.md`; everything after it is generated.
pub const MARKER: &str =
    "<!-- Generated from the readers by `cargo run -p sluice-policy --example schema`. Edit nothing below. -->";

/// Every key of the files that an operator writes: what it may be, what its absence means, what it is for.
#[must_use]
pub fn markdown() -> String {
    of_shapes(&[&ROUTES, &process::SHAPE])
}

/// Every key of the cases of `sluice plugin test`.
#[must_use]
pub fn plugin_tests() -> String {
    of_shapes(&[&plugin_tests::SHAPE])
}
