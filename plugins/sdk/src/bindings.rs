//! What wit-bindgen generates from the contract: the raw records, and the exports behind [`crate::plugin!`].
//!
//! This is the only code of the SDK that is `unsafe`, and none of it is written by hand. Authors use the types that
//! the crate root re-exports.

#![expect(missing_docs, reason = "generated; the contract's own comments are carried over where it has any")]
#![expect(clippy::mem_forget, reason = "generated; how an owned list crosses the boundary")]

wit_bindgen::generate!({
    path: "../wit",
    world: "plugin",
    pub_export_macro: true,
    default_bindings_module: "sluice_plugin::bindings",
    additional_derives: [PartialEq, Eq],
});
