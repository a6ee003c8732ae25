//! The cases of `sluice plugin test`: config, grants, limits and rollouts here, requests and expectations beside.

pub(crate) mod expect;
pub(crate) mod request;

use std::collections::HashMap;

use serde_json::{Map, Value as Json};
use sluice_document::keys::{Keys, entries};
use sluice_document::names::Names;
use sluice_document::reader::{Named, Reader, Value, quoted};
use sluice_document::shape::{FIELD, Form, Key, Shape};
use sluice_document::values::{expected, filled_list, integer, list, text};
use sluice_model::field::Field;
use sluice_model::weight::BasisPoints;
use toml::de::DeValue;

use super::fields;
use super::plugin::grants::state_key;
use super::plugin::{self, grants, limits};
use crate::plugin::Plugin;
use crate::plugin_tests::{NOW_MS_DEFAULT, PluginCase, PluginTests};
use crate::policy::{Policy, Rollout};

/// Most cases of one file.
pub(crate) const CASES_MAX: usize = 1_000;
/// Most rollouts of one file.
pub(crate) const ROLLOUTS_MAX: usize = 16;
/// Most state keys that one case changes; a plugin reads no more (`plugin.wit`).
pub(crate) const STATE_MAX: usize = 16;
/// What TOML can write of an unsigned number.
const NUMBER_RANGE: std::ops::RangeInclusive<u64> = 0..=i64::MAX as u64;

pub(crate) const SHAPE: Shape = Shape::new(
    "plugin tests",
    &[
        Key::default("config", Form::Anything, "{}", "What `init` receives"),
        Key::optional("grants", Form::Table(&grants::SHAPE), "What it may do; what its manifest needs without this"),
        Key::default("limits", Form::Table(&limits::SHAPE), "{}", "What an instance may use"),
        Key::default(
            "rollouts",
            Form::Map(&Form::OneOrMore(&FIELD, fields::KEY_FIELDS_MAX), ROLLOUTS_MAX),
            "{}",
            "The sticky key of each rollout, for the field `rollout-key:NAME`",
        ),
        Key::required("case", Form::List(&Form::Table(&CASE), 1, CASES_MAX), "Requests, and what must come of them"),
    ],
);
const CASE: Shape = Shape::new(
    "[[case]]",
    &[
        Key::required("name", Form::text("text"), "What the case is about; unique, also as the name of a golden file"),
        Key::default(
            "state",
            Form::Anything,
            "{}",
            "State keys that change before it, with any value; later cases keep them",
        ),
        Key::default(
            "state_gone",
            Form::List(&Form::text("a state key"), 0, STATE_MAX),
            "[]",
            "State keys that go before it",
        ),
        Key::required("request", Form::Table(&request::REQUEST), "The request"),
        Key::optional("body", Form::Table(&request::BODY), "Its body; what it is decides which phases come"),
        Key::optional(
            "response",
            Form::Table(&request::RESPONSE),
            "What a server answers: tries the response phase too",
        ),
        Key::default("now_ms", Form::Integer(NUMBER_RANGE), "1700000000000", "Unix time that the plugin is told"),
        Key::default("random", Form::Integer(NUMBER_RANGE), "0", "Random number that the plugin is told"),
        Key::default("expect", Form::Table(&expect::SHAPE), "{}", "What must come of it; without it no call may fail"),
    ],
);

pub(crate) fn read<'d>(reader: &mut Reader<'_>, mut keys: Keys<'d>) -> Option<PluginTests> {
    let config = keys.optional(reader, "config", plugin::config).unwrap_or_else(|| Json::Object(Map::new()));
    let grants = keys.optional(reader, "grants", grants::read).map(|(grants, _)| grants);
    let limits = keys.optional(reader, "limits", limits::read).unwrap_or_default();
    let mut rollouts = Vec::new();
    if let Some(table) = keys.find("rollouts") {
        entries(reader, table, ROLLOUTS_MAX, |reader, name, value| {
            rollouts.extend(fields::key(reader, value, "sticky key").map(|key| rollout(name, key)));
        });
    }
    let (mut names, mut files) = (Names::default(), HashMap::new());
    let hint = "write [[case]] with a name and a request";
    let cases = keys.required(reader, "case", hint, |reader, value| {
        filled_list(reader, value, CASES_MAX, |reader, value| case(reader, &mut names, &mut files, value))
    });
    keys.finish(reader);
    let plugin = Plugin {
        config,
        limits,
        grants: grants.clone().unwrap_or_default(),
        ..Plugin::new(String::new(), String::new())
    };
    Some(PluginTests { plugin, grants, policy: Policy { rollouts, ..Policy::empty() }, cases: cases? })
}

/// A rollout as far as its sticky key goes.
fn rollout(name: Named, key: Vec<Field>) -> Rollout {
    let Named { text: name, .. } = name;
    Rollout {
        name,
        key,
        stable: "stable".to_owned(),
        canary: "canary".to_owned(),
        variants: Vec::new(),
        initial: BasisPoints::ZERO,
        overrides: Vec::new(),
        plan: sluice_model::plan::Plan::default(),
    }
}

fn case<'d>(
    reader: &mut Reader<'_>,
    names: &mut Names,
    files: &mut HashMap<String, String>,
    value: &'d Value<'d>,
) -> Option<PluginCase> {
    let mut keys = Keys::of(reader, value, &CASE)?;
    let name = keys.required(reader, "name", "write name = \"..\", what the case is about", text);
    if let Some(name) = &name {
        names.declare(reader, "case", name);
        check_file(reader, files, name);
    }
    let mut state = keys.optional(reader, "state", state).unwrap_or_default();
    let gone = keys.optional(reader, "state_gone", |reader, value| {
        list(reader, value, STATE_MAX, |reader, value| {
            let key = text(reader, value)?;
            state_key(reader, &key).then_some((key.text, None))
        })
    });
    state.extend(gone.unwrap_or_default());
    let hint = "write request = { url = \"http://example.org/\" }";
    let request = keys.required(reader, "request", hint, request::request);
    let body = keys.optional(reader, "body", request::body);
    let response = keys.optional(reader, "response", request::response);
    let now_ms = keys.optional(reader, "now_ms", |reader, value| integer(reader, value, &NUMBER_RANGE));
    let random = keys.optional(reader, "random", |reader, value| integer(reader, value, &NUMBER_RANGE));
    let expect = keys.optional(reader, "expect", expect::read).unwrap_or_default();
    keys.finish(reader);
    Some(PluginCase {
        state,
        body,
        response,
        now_ms: now_ms.unwrap_or(NOW_MS_DEFAULT),
        random: random.unwrap_or_default(),
        expect,
        ..PluginCase::new(name?.text, request?)
    })
}

/// Reports a name whose golden file would be that of another case.
fn check_file(reader: &mut Reader<'_>, files: &mut HashMap<String, String>, name: &Named) {
    let file = crate::plugin_tests::file_stem(&name.text);
    match files.get(&file) {
        Some(other) if *other != name.text => {
            let message =
                format!("{} and {} would share the golden file `{file}.json`", quoted(&name.text), quoted(other));
            reader.fault(&name.place, message, "rename one of the two");
        }
        _ => {
            files.insert(file, name.text.clone());
        }
    }
}

/// State keys, each with any value as JSON.
fn state<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Vec<(String, Option<String>)>> {
    let place = reader.place_of(value);
    let DeValue::Table(table) = value.get_ref() else {
        return expected(reader, &place, "a table of state keys and values", value.get_ref());
    };
    if table.len() > STATE_MAX {
        reader.fault(&place, format!("more than {STATE_MAX} entries"), "no plugin reads more state keys");
    }
    let mut state = Vec::new();
    for (key, value) in table.iter().take(STATE_MAX) {
        let key = Named { text: key.get_ref().to_string(), place: reader.place_of(key) };
        let (is_key, value) = (state_key(reader, &key), plugin::json(reader, value));
        if let (true, Some(value)) = (is_key, value) {
            state.push((key.text, Some(value.to_string())));
        }
    }
    Some(state)
}
