//! Where a secret stands: in an environment variable or in a file of its own, never in the file that is read.

use sluice_document::keys::Keys;
use sluice_document::reader::{Reader, Value};
use sluice_document::shape::{Form, Key, Rule, Shape};
use sluice_document::values::text;
use toml::de::DeValue;

use super::process::{VARIABLE, variable};
use crate::process::Secret;

pub(crate) const SHAPE: Shape = Shape::new(
    "secret",
    &[
        Key::optional("env", VARIABLE, "Environment variable that holds it"),
        Key::optional("file", Form::text("a file"), "File that holds it; white space at its end does not count"),
    ],
)
.with_rule(Rule::ExactlyOne(&["env", "file"]));

/// `{ env = "NAME" }` or `{ file = "PATH" }`. A secret that is written here all the same is not repeated in any fault.
pub(crate) fn read<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Secret> {
    const HINT: &str = "write { env = \"NAME\" } or { file = \"PATH\" }";
    if !matches!(value.get_ref(), DeValue::Table(_)) {
        let place = reader.place_of(value);
        reader.hide(&place);
        reader.fault(&place, "a secret stands in no policy file", HINT);
        return None;
    }
    let mut keys = Keys::of(reader, value, &SHAPE)?;
    let file_place = keys.find("file").map(|value| reader.place_of(value));
    let has_env = keys.find("env").is_some();
    let env = keys.optional(reader, "env", variable);
    let file = keys.optional(reader, "file", text);
    match &file_place {
        Some(place) if has_env => reader.fault(place, "a secret stands in one place", "leave out `env` or `file`"),
        None if !has_env => {
            keys.missing(reader, keys.place(), &["env", "file"], "where the secret stands is missing", HINT)
        }
        Some(_) | None => {}
    }
    keys.finish(reader);
    env.map(|name| Secret::Env(name.text)).or_else(|| file.map(|file| Secret::File(file.text.into())))
}
