//! `[plugins.NAME]`: file, config, grants, limits, failure policy.

use serde_json::{Map, Number, Value as Json};
use toml::de::DeValue;

use super::Scope;
use super::keys::Keys;
use super::reader::{Named, Place, Reader, Value, choice_hint, quoted};
use super::shape::{Form, Key, Shape};
use super::values::{TEXT_BYTES_MAX, boolean, duration, expected, integer, list, size, text, unique};
use crate::plugin::{
    CPU_MAX, CPU_MIN, FailurePolicy, Grants, Limits, LoadFailure, MEMORY_BYTES_MAX, MEMORY_BYTES_MIN, OnFailure,
    Plugin, PluginBreaker, Release,
};
use sluice_model::plugin::memory_soft;

/// Largest config, as JSON; it is copied into every instance.
pub(crate) const CONFIG_BYTES_MAX: usize = 64 << 10;
/// Most state patterns granted to one plugin.
pub(crate) const STATE_GRANTS_MAX: usize = 64;
/// Statuses that a request may be answered with because a plugin failed.
const CLOSED_STATUS_RANGE: std::ops::RangeInclusive<u64> = 400..=599;
/// What a state key begins with.
const STATE_KINDS: [&str; 3] = ["flag", "flags", "rollout"];

pub(crate) const SHAPE: Shape = Shape::new(
    "[plugins.NAME]",
    &[
        Key::required("file", Form::Text("a file name", r"^[^./\\][^/\\]*\.wasm$"), "File in the plugin folder"),
        Key::default("config", Form::Anything, "{}", "What the plugin receives, as it defines it"),
        Key::default("grants", Form::Table(&GRANTS), "{}", "What it may do"),
        Key::default("limits", Form::Table(&LIMITS), "{}", "What one instance may use"),
        Key::default(
            "on_failure",
            Form::Either(&[Form::Words(&["open", "closed"]), Form::Table(&CLOSED)]),
            "\"closed\"",
            "What becomes of a request when it fails: goes on, or is answered 503",
        ),
    ],
);
const GRANTS: Shape = Shape::new(
    "grants",
    &[
        Key::default(
            "state",
            Form::List(
                &Form::Text("`flag:NAME`, `rollout:NAME`, ..", r"^(\*|(flag|flags|rollout):.+)$"),
                0,
                STATE_GRANTS_MAX,
            ),
            "[]",
            "State that it may read; `*` at the end stands for any",
        ),
        Key::default("alerts", Form::Boolean, "false", "Raise alerts"),
        Key::default("abort", Form::Boolean, "false", "Abort a rollout"),
        Key::default("counters", Form::Boolean, "false", "Add to counters"),
        Key::default("tags", Form::Boolean, "false", "Tag requests"),
        Key::default("log", Form::Boolean, "false", "Write to its log"),
        Key::default("edits", Form::Boolean, "false", "Edit requests and responses"),
        Key::default("body", Form::Boolean, "false", "See request bodies"),
    ],
);
const LIMITS: Shape = Shape::new(
    "limits of a plugin",
    &[
        Key::default("memory", Form::Size(MEMORY_BYTES_MIN..=MEMORY_BYTES_MAX), "\"16MiB\"", "Memory of an instance"),
        Key::default("cpu", Form::Duration(CPU_MIN..=CPU_MAX), "\"5ms\"", "CPU time of a call in the request path"),
        Key::default("state_cpu", Form::Duration(CPU_MIN..=CPU_MAX), "\"50ms\"", "CPU time to take in new state"),
        Key::default("init_cpu", Form::Duration(CPU_MIN..=CPU_MAX), "\"500ms\"", "CPU time to begin"),
    ],
);
const CLOSED: Shape =
    Shape::new("on_failure", &[Key::required("closed", Form::Integer(CLOSED_STATUS_RANGE), "Status of the answer")]);

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
    let (grants, rollouts) = keys.optional(reader, "grants", grants).unwrap_or_default();
    let limits = keys.optional(reader, "limits", limits).unwrap_or_default();
    let on_failure = keys.optional(reader, "on_failure", on_failure).unwrap_or_default();
    keys.finish(reader);
    let on_failure =
        OnFailure { trap: on_failure, deadline: on_failure, memory: on_failure, load: LoadFailure::LastGood };
    let (breaker, release) = (Some(PluginBreaker::default()), Release::default());
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

fn config<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Json> {
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
fn json(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Json> {
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

fn grants<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<(Grants, Vec<Named>)> {
    let mut keys = Keys::of(reader, value, &GRANTS)?;
    let patterns = keys
        .optional(reader, "state", |reader, value| list(reader, value, STATE_GRANTS_MAX, state_pattern))
        .unwrap_or_default();
    let mut may = |reader: &mut Reader<'_>, key| keys.optional(reader, key, boolean).unwrap_or(false);
    let alerts = may(reader, "alerts");
    let abort = may(reader, "abort");
    let counters = may(reader, "counters");
    let tags = may(reader, "tags");
    let log = may(reader, "log");
    let edits = may(reader, "edits");
    let body = may(reader, "body");
    keys.finish(reader);
    unique(reader, &patterns);
    let rollouts = patterns.iter().filter_map(named_rollout).collect();
    let state = patterns.into_iter().map(|pattern| pattern.text).collect();
    Some((Grants { state, alerts, abort, counters, tags, log, edits, body }, rollouts))
}

/// The rollout that `pattern` grants, if it grants exactly one.
fn named_rollout(pattern: &Named) -> Option<Named> {
    let name = pattern.text.strip_prefix("rollout:").filter(|name| !name.ends_with('*'))?;
    Some(Named { text: name.to_owned(), place: pattern.place.clone() })
}

/// `KIND:NAME`, `KIND:PREFIX*` or `*`.
fn state_pattern(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Named> {
    let pattern = text(reader, value)?;
    if pattern.text == "*" {
        return Some(pattern);
    }
    let fault = |reader: &mut Reader<'_>, place: &Place, hint: String| {
        reader.fault(place, format!("{} is no state key", quoted(&pattern.text)), hint);
        None
    };
    let Some((kind, name)) = pattern.text.split_once(':') else {
        return fault(
            reader,
            &pattern.place,
            "write flag:NAME, flags:SET, rollout:NAME or a prefix such as flag:*".into(),
        );
    };
    if !STATE_KINDS.contains(&kind) {
        return fault(reader, &pattern.place, choice_hint(kind, &STATE_KINDS));
    }
    let stem = name.strip_suffix('*').unwrap_or(name);
    if name.is_empty() || stem.contains('*') {
        return fault(reader, &pattern.place, format!("write {kind}:NAME; a `*` may only stand at the end"));
    }
    Some(pattern)
}

fn limits<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Limits> {
    let default = Limits::default();
    let mut keys = Keys::of(reader, value, &LIMITS)?;
    let memory =
        keys.optional(reader, "memory", |reader, value| size(reader, value, &(MEMORY_BYTES_MIN..=MEMORY_BYTES_MAX)));
    let mut cpu = |reader: &mut Reader<'_>, key| {
        keys.optional(reader, key, |reader, value| duration(reader, value, &(CPU_MIN..=CPU_MAX)))
    };
    let call = cpu(reader, "cpu");
    let state = cpu(reader, "state_cpu");
    let init = cpu(reader, "init_cpu");
    keys.finish(reader);
    let memory = memory.unwrap_or(default.memory_bytes_max);
    Some(Limits {
        memory_bytes_max: memory,
        memory_bytes_soft: memory_soft(memory),
        call_cpu_max: call.unwrap_or(default.call_cpu_max),
        state_cpu_max: state.unwrap_or(default.state_cpu_max),
        init_cpu_max: init.unwrap_or(default.init_cpu_max),
        ..default
    })
}

/// `"open"`, `"closed"` or `{ closed = STATUS }`.
fn on_failure<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<FailurePolicy> {
    if let DeValue::String(word) = value.get_ref() {
        match word.as_ref() {
            "open" => return Some(FailurePolicy::Open),
            "closed" => return Some(FailurePolicy::default()),
            other => {
                let hint = choice_hint(&other[..other.floor_char_boundary(TEXT_BYTES_MAX)], &["open", "closed"]);
                reader.fault(&reader.place_of(value), format!("{} is no failure policy", quoted(other)), hint);
                return None;
            }
        }
    }
    let mut keys = Keys::of(reader, value, &CLOSED)?;
    let status = keys.required(reader, "closed", "write { closed = 503 }, \"closed\" or \"open\"", |reader, value| {
        integer(reader, value, &CLOSED_STATUS_RANGE)
    });
    keys.finish(reader);
    Some(FailurePolicy::Closed { status: status? })
}
