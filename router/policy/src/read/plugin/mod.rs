//! `[plugins.NAME]`: file and config here; what it may do and use, and how it fails and is released, beside.

pub(crate) mod failure;
pub(crate) mod grants;
pub(crate) mod limits;
pub(crate) mod release;

use serde_json::{Map, Number, Value as Json};
use sluice_document::keys::Keys;
use sluice_document::reader::{Named, Reader, Value, quoted};
use sluice_document::shape::{Form, Key, Shape};
use sluice_document::values::{expected, text, unless_false};
use toml::de::DeValue;

use super::Scope;
use crate::plugin::{Plugin, PluginBreaker};

/// Largest config, as JSON; it is copied into every instance.
pub(crate) const CONFIG_BYTES_MAX: usize = 64 << 10;

pub(crate) const SHAPE: Shape = Shape::new(
    "[plugins.NAME]",
    &[
        Key::required("file", Form::Text("a file name", r"^[^./\\][^/\\]*\.wasm$"), "File in the plugin folder"),
        Key::default("config", Form::Anything, "{}", "What the plugin receives, as it defines it"),
        Key::default("grants", Form::Table(&grants::SHAPE), "{}", "What it may do"),
        Key::default("limits", Form::Table(&limits::SHAPE), "{}", "What one instance may use"),
        Key::default(
            "on_failure",
            failure::ON_FAILURE,
            "\"closed\"",
            "What becomes of a request when it fails: goes on, or is answered; by cause",
        ),
        Key::default(
            "breaker",
            Form::Either(&[Form::Table(&failure::BREAKER), Form::False]),
            "{}",
            "When it is quarantined: not called, its requests treated as if it had trapped",
        ),
        Key::default("release", Form::Table(&release::SHAPE), "{}", "How a new file takes over"),
    ],
);

/// A plugin whose granted rollouts are not yet known to exist.
pub(crate) struct PluginDraft {
    pub(crate) plugin: Plugin,
    rollouts: Vec<Named>,
}

impl PluginDraft {
    pub(crate) fn resolve(self, reader: &mut Reader<'_>, scope: &Scope) -> Plugin {
        for rollout in &self.rollouts {
            scope.rollouts.resolve(reader, "rollout", rollout);
        }
        self.plugin
    }
}

pub(crate) fn read<'d>(reader: &mut Reader<'_>, name: Named, value: &'d Value<'d>) -> Option<PluginDraft> {
    let mut keys = Keys::of(reader, value, &SHAPE)?;
    let file = keys.required(reader, "file", "write file = \"NAME.wasm\"", file);
    let config = keys.optional(reader, "config", config).unwrap_or_else(|| Json::Object(Map::new()));
    let (grants, rollouts) = keys.optional(reader, "grants", grants::read).unwrap_or_default();
    let limits = keys.optional(reader, "limits", limits::read).unwrap_or_default();
    let on_failure = keys.optional(reader, "on_failure", failure::on_failure).unwrap_or_default();
    let breaker = keys.optional(reader, "breaker", |reader, value| unless_false(reader, value, failure::breaker));
    let breaker = breaker.unwrap_or_else(|| Some(PluginBreaker::default()));
    let release = keys.optional(reader, "release", release::read).unwrap_or_default();
    keys.finish(reader);
    let plugin = Plugin { name: name.text, file: file?, config, grants, limits, on_failure, breaker, release };
    Some(PluginDraft { plugin, rollouts })
}

/// A file directly inside the plugin folder.
fn file(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<String> {
    let Named { text, place } = text(reader, value)?;
    let is_plain = !text.contains(['/', '\\']) && !text.starts_with('.') && !text.chars().any(char::is_control);
    if is_plain && text.strip_suffix(".wasm").is_some_and(|stem| !stem.is_empty()) {
        return Some(text);
    }
    let hint = "write the name of a file in the plugin folder, e.g. \"canary.wasm\"";
    reader.fault(&place, format!("{} is no plugin file", quoted(&text)), hint);
    None
}

pub(crate) fn config<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Json> {
    let place = reader.place_of(value);
    if !matches!(value.get_ref(), DeValue::Table(_)) {
        return expected(reader, &place, "a table", value.get_ref());
    }
    let config = json(reader, value)?;
    if config.to_string().len() > CONFIG_BYTES_MAX {
        reader.fault(&place, format!("the config is larger than {CONFIG_BYTES_MAX} bytes as JSON"), "shorten it");
        return None;
    }
    Some(config)
}

/// The JSON that `value` means; depth is bounded by the TOML parser.
pub(crate) fn json(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Json> {
    let number = match value.get_ref() {
        DeValue::String(text) => return Some(Json::String(text.as_ref().to_owned())),
        DeValue::Boolean(boolean) => return Some(Json::Bool(*boolean)),
        DeValue::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| json(reader, item)).collect();
            return items.into_iter().collect::<Option<Vec<_>>>().map(Json::Array);
        }
        DeValue::Table(table) => {
            let entries: Vec<_> =
                table.iter().map(|(key, value)| Some((key.get_ref().to_string(), json(reader, value)?))).collect();
            return entries.into_iter().collect::<Option<Map<_, _>>>().map(Json::Object);
        }
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(Number::from),
        DeValue::Float(float) => float.as_str().parse().ok().and_then(Number::from_f64),
        DeValue::Datetime(_) => None,
    };
    if number.is_none() {
        reader.fault(&reader.place_of(value), "a config is JSON, which has no such value", "write it as a string");
    }
    number.map(Json::Number)
}
