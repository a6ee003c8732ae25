//! `[cloud]`, and where secrets are found.

use sluice_document::keys::Keys;
use sluice_document::reader::{Named, Reader, Value, quoted};
use sluice_document::shape::{Form, Key, Rule, Shape};
use sluice_document::values::{choice, name_text, text};
use toml::de::DeValue;

use crate::secret::Secret;
use crate::spec::CloudSpec;

/// DigitalOcean's API (its API reference, "Introduction").
const DIGITALOCEAN: &str = "https://api.digitalocean.com";
/// Where `sluice-infra sim serve` listens.
const SIMULATOR: &str = "http://127.0.0.1:8484";
/// Where the official tools look for the token, too.
const TOKEN_VARIABLE: &str = "DIGITALOCEAN_TOKEN";

pub(crate) const SHAPE: Shape = Shape::new(
    "[cloud]",
    &[
        Key::default("kind", Form::Words(&["local", "simulator", "digitalocean"]), "\"local\"", "Which cloud"),
        Key::optional("url", Form::Text("a URL", "^https?://"), "Its API, if not where it usually is"),
        Key::optional(
            "token",
            Form::Table(&SECRET),
            "Token of DigitalOcean; without it the variable DIGITALOCEAN_TOKEN",
        ),
    ],
);

pub(crate) const SECRET: Shape = Shape::new(
    "secret",
    &[
        Key::optional("env", Form::Text("a name", "^[A-Za-z_][A-Za-z0-9_]*$"), "Environment variable that holds it"),
        Key::optional("age", Form::Name, "Its name in the encrypted file of [secrets]"),
    ],
)
.with_rule(Rule::ExactlyOne(&["env", "age"]));

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Local,
    Simulator,
    DigitalOcean,
}

pub(crate) fn read<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<CloudSpec> {
    const KINDS: [(&str, Kind); 3] =
        [("local", Kind::Local), ("simulator", Kind::Simulator), ("digitalocean", Kind::DigitalOcean)];
    let mut keys = Keys::of(reader, value, &SHAPE)?;
    let place = keys.place().clone();
    let written = keys.find("kind");
    let kind = match written {
        Some(value) => choice(reader, value, "cloud", &KINDS),
        None => Some(Kind::Local),
    };
    let url = keys.optional(reader, "url", url);
    let token = keys.optional(reader, "token", secret);
    keys.finish(reader);
    match kind? {
        Kind::Local => {
            if url.is_some() || token.is_some() {
                reader.fault(
                    &place,
                    "the local cloud has no `url` and no `token`",
                    "write kind = \"digitalocean\", or remove them",
                );
            }
            Some(CloudSpec::Local)
        }
        Kind::Simulator => Some(CloudSpec::Simulator { url: url.unwrap_or_else(|| SIMULATOR.to_owned()) }),
        Kind::DigitalOcean => Some(CloudSpec::DigitalOcean {
            url: url.unwrap_or_else(|| DIGITALOCEAN.to_owned()),
            token: token.unwrap_or_else(|| Secret::Env(TOKEN_VARIABLE.to_owned())),
        }),
    }
}

fn url<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<String> {
    let Named { text, place } = text(reader, value)?;
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    if rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['@', ' '])) {
        return Some(text.trim_end_matches('/').to_owned());
    }
    reader.fault(
        &place,
        format!("{} is no URL of an API", quoted(&text)),
        "write \"https://HOST\" or \"http://127.0.0.1:PORT\"",
    );
    None
}

/// `{ env = "NAME" }` or `{ age = "NAME" }`. A secret that is written here all the same is not repeated in any fault.
pub(crate) fn secret<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Secret> {
    const HINT: &str = "write { env = \"NAME\" }, or { age = \"NAME\" } with [secrets]";
    if !matches!(value.get_ref(), DeValue::Table(_)) {
        let place = reader.place_of(value);
        reader.hide(&place);
        reader.fault(&place, "a secret does not stand in this file", HINT);
        return None;
    }
    let mut keys = Keys::of(reader, value, &SECRET)?;
    let place = keys.place().clone();
    let env = keys.optional(reader, "env", variable);
    let age = keys.optional(reader, "age", name_text);
    keys.finish(reader);
    match (env, age) {
        (Some(env), None) => Some(Secret::Env(env)),
        (None, Some(age)) => Some(Secret::Age(age.text)),
        (Some(_), Some(_)) => {
            reader.fault(&place, "a secret stands in one place", HINT);
            None
        }
        (None, None) => {
            reader.fault(&place, "where the secret stands is missing", HINT);
            None
        }
    }
}

/// Name of an environment variable (POSIX.1-2017 section 8.1).
fn variable<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<String> {
    let name = text(reader, value)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.text.bytes().all(allowed) && !name.text.as_bytes()[0].is_ascii_digit() {
        return Some(name.text);
    }
    // It may be the secret itself.
    reader.hide(&name.place);
    reader.fault(
        &name.place,
        "this is no name of an environment variable",
        "write its name, e.g. \"DIGITALOCEAN_TOKEN\"",
    );
    None
}
