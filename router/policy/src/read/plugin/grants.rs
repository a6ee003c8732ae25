//! `grants` of a plugin: what it may do, and which state it may be told.

use sluice_document::keys::Keys;
use sluice_document::reader::{Named, Place, Reader, Value, choice_hint, quoted};
use sluice_document::shape::{Form, Key, Shape};
use sluice_document::values::{boolean, list, text, unique};

use crate::plugin::Grants;

/// Most state patterns granted to one plugin.
pub(crate) const STATE_GRANTS_MAX: usize = 64;
/// What a state key begins with.
const STATE_KINDS: [&str; 3] = ["flag", "flags", "rollout"];

pub(crate) const SHAPE: Shape = Shape::new(
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

/// The grants, and the rollouts that they name.
pub(crate) fn read<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<(Grants, Vec<Named>)> {
    let mut keys = Keys::of(reader, value, &SHAPE)?;
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

/// Checks that `key` is one state key; another text is a fault.
pub(crate) fn state_key(reader: &mut Reader<'_>, key: &Named) -> bool {
    let kind =
        key.text.split_once(':').filter(|(_, name)| !name.is_empty() && !name.contains('*')).map(|(kind, _)| kind);
    let is_key = kind.is_some_and(|kind| STATE_KINDS.contains(&kind));
    if !is_key {
        let hint = match kind {
            Some(kind) => choice_hint(kind, &STATE_KINDS),
            None => "write flag:NAME, flags:SET or rollout:NAME".to_owned(),
        };
        reader.fault(&key.place, format!("{} is no state key", quoted(&key.text)), hint);
    }
    is_key
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
