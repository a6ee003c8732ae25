//! The SDK's bindings with the macro's work done: what `wit_bindgen::generate!` would make of the contract.

use std::path::Path;

use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};
use wit_bindgen_rust::Opts;

use crate::Result;

/// The macro's name where the SDK uses it; it is the last thing in its file.
const MACRO: &str = "wit_bindgen::generate!(";

/// The file, with the macro replaced. Its options are repeated here, and checked against the file's own text, so that a
/// change there cannot go unseen.
pub(crate) fn generate(contract: &Path, file: &str) -> Result<String> {
    let (head, options) = file.split_once(MACRO).ok_or("the bindings are made by a macro")?;
    let wanted = r#"{
    path: "../wit",
    world: "plugin",
    pub_export_macro: true,
    default_bindings_module: "sluice_plugin::bindings",
    additional_derives: [PartialEq, Eq],
});"#;
    if options.trim_end() != wanted {
        return Err("the options of the macro in the SDK have changed: change router/build/bindings.rs too".into());
    }
    let generator = Opts {
        format: true,
        pub_export_macro: true,
        default_bindings_module: Some("sluice_plugin::bindings".to_owned()),
        additional_derive_attributes: vec!["PartialEq".to_owned(), "Eq".to_owned()],
        ..Opts::default()
    };
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(contract)?;
    let world = resolve.select_world(&[package], Some("plugin"))?;
    let mut files = Files::default();
    generator.build().generate(&mut resolve, world, &mut files)?;
    let (_, text) = files.iter().next().ok_or("wit-bindgen writes one file")?;
    // Lints do not look into a macro, but into this.
    let allowance = "#![allow(clippy::all, reason = \"generated\")]";
    Ok(format!("{head}{allowance}\n\n{}", std::str::from_utf8(text)?))
}
