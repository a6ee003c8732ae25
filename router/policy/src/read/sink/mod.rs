//! `[alerts.sinks.NAME]` of `sluice.toml`: where alerts are told.

use sluice_document::keys::Keys;
use sluice_document::reader::{Named, Reader, Value};
use sluice_document::shape::{Form, Key, Rule, Shape};
use sluice_document::values::text;

use super::secret;
use super::servers::{host_and_port, is_host};
use crate::process::{SinkConfig, SinkKind};

pub(crate) mod smtp;

/// Most sinks; each is told of every alert that names it.
pub(crate) const SINKS_MAX: usize = 32;

/// The kinds of sinks.
const KINDS: [&str; 3] = ["smtp", "webhook", "slack"];

pub(crate) const SHAPE: Shape = Shape::new(
    "[alerts.sinks.NAME]",
    &[
        Key::optional("smtp", Form::Table(&smtp::SHAPE), "By mail"),
        Key::optional("webhook", Form::Table(&WEBHOOK), "By a POST of JSON"),
        Key::optional("slack", Form::Table(&SLACK), "By a POST in the form of Slack's incoming webhooks"),
    ],
)
.with_rule(Rule::ExactlyOne(&KINDS));
/// An address of a web server.
pub(crate) const URL: Form = Form::Text("`http://..` or `https://..`", r"^https?://\S+$");
const WEBHOOK: Shape = Shape::new(
    "webhook",
    &[
        Key::required("url", URL, "Where to, without a password"),
        Key::optional("secret", Form::Table(&secret::SHAPE), "Key of the signature (HMAC-SHA256); unsigned without it"),
    ],
);
const SLACK: Shape =
    Shape::new("slack", &[Key::required("url", Form::Table(&secret::SHAPE), "The URL, which is a secret")]);

pub(crate) fn read<'d>(reader: &mut Reader<'_>, name: Named, value: &'d Value<'d>) -> Option<SinkConfig> {
    let mut keys = Keys::of(reader, value, &SHAPE)?;
    let places = KINDS.map(|kind| keys.find(kind).map(|value| reader.place_of(value)));
    let smtp = keys.optional(reader, "smtp", smtp::read).map(SinkKind::Smtp);
    let webhook = keys.optional(reader, "webhook", webhook);
    let slack = keys.optional(reader, "slack", slack);
    let mut written = places.iter().flatten();
    if written.next().is_none() {
        let hint = "write webhook = { url = \"https://example.org/hook\" }, or smtp or slack";
        keys.missing(reader, keys.place(), &KINDS, "a sink is of one kind", hint);
    }
    for place in written {
        reader.fault(place, "a sink is of one kind", "give each kind a sink of its own");
    }
    keys.finish(reader);
    let kind = smtp.or(webhook).or(slack)?;
    Some(SinkConfig { name: name.text, kind })
}

fn webhook<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<SinkKind> {
    let mut keys = Keys::of(reader, value, &WEBHOOK)?;
    let url = keys.required(reader, "url", "write url = \"https://example.org/hook\"", url);
    let secret = keys.optional(reader, "secret", secret::read);
    keys.finish(reader);
    Some(SinkKind::Webhook { url: url?, secret })
}

fn slack<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<SinkKind> {
    let mut keys = Keys::of(reader, value, &SLACK)?;
    let url = keys.required(reader, "url", "write url = { env = \"SLACK_URL\" }", secret::read);
    keys.finish(reader);
    Some(SinkKind::Slack { url: url? })
}

/// `http://host[:port]/..` or `https://..`, without a user or a password.
pub(crate) fn url(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<String> {
    let Named { text, place } = text(reader, value)?;
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let authority = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    if authority.is_some_and(|authority| authority.contains('@')) {
        reader.hide(&place);
        reader.fault(&place, "a password in a URL is no secret", "leave it out; the signature says who sends");
        return None;
    }
    let is_address = authority.is_some_and(|authority| is_host(authority) || host_and_port(authority).is_some());
    if is_address && !text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Some(text);
    }
    reader.fault(&place, "this is no URL of a web server", "write \"https://example.org/hook\"");
    None
}
