//! JSON Schemas (draft 2020-12) of the files that an operator writes, made from the shapes that the readers hold to.
//!
//! A schema says less than the readers: it knows forms and bounds of values, not what contradicts what. Editors use it;
//! `sluice check` is the judge.

use serde_json::Value;
use sluice_document::schema::document;

use crate::read::{SHAPE as ROUTES, plugin_tests, process};

#[cfg(test)]
mod tests;

/// The schema of a file in `routes.d`.
#[must_use]
pub fn routes() -> Value {
    document(&ROUTES)
}

/// The schema of `sluice.toml`.
#[must_use]
pub fn process() -> Value {
    document(&process::SHAPE)
}

/// The schema of the cases of `sluice plugin test`.
#[must_use]
pub fn plugin_tests() -> Value {
    document(&plugin_tests::SHAPE)
}
