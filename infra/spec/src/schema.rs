//! The JSON Schema and the reference of `infra.toml`, made from the shapes that its reader holds to.

use serde_json::Value;

use crate::read::SHAPE;

/// What stands before the reference in `docs/infra.md`; everything after it is generated.
pub const MARKER: &str =
    "<!-- Generated from the reader by `cargo run -p sluice-infra-spec --example schema`. Edit nothing below. -->";

/// The JSON Schema.
#[must_use]
pub fn infra() -> Value {
    sluice_document::schema::document(&SHAPE)
}

/// Every key, as Markdown.
#[must_use]
pub fn reference() -> String {
    sluice_document::reference::of_shapes(&[&SHAPE])
}
