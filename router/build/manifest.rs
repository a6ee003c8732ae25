//! The SDK's Cargo.toml for a place outside of this workspace.

use toml::{Table, Value};

use crate::Result;

/// The feature of wit-bindgen that brings its macro: see [`crate::bindings`].
const MACRO: &str = "macros";

/// Everything spelled out that the SDK inherits; the lints stay here.
pub(crate) fn standalone(mut sdk: Table, workspace: &Table) -> Result<String> {
    sdk.remove("lints");
    let shared = workspace.get("workspace").and_then(Value::as_table).ok_or("a workspace")?;
    for section in ["package", "dependencies"] {
        let base = shared.get(section).and_then(Value::as_table).ok_or(section)?;
        for (key, value) in sdk.get_mut(section).and_then(Value::as_table_mut).ok_or(section)?.iter_mut() {
            inherit(value, base.get(key));
        }
    }
    Ok(toml::to_string(&sdk)?)
}

/// Replaces `{ workspace = true, .. }` by what the workspace says; features add up.
fn inherit(value: &mut Value, base: Option<&Value>) {
    let Some((own, base)) = value.as_table().filter(|own| own.contains_key("workspace")).zip(base) else { return };
    let more = own.get("features").and_then(Value::as_array).cloned().unwrap_or_default();
    *value = base.clone();
    let Some(table) = value.as_table_mut() else { return };
    if let Some(features) = table.entry("features").or_insert_with(|| Value::Array(Vec::new())).as_array_mut() {
        features.extend(more);
        features.retain(|feature| feature.as_str() != Some(MACRO));
    }
}
