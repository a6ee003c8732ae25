//! `smtp` of a sink: a mail server, and from whom to whom.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use sluice_document::keys::Keys;
use sluice_document::reader::{Named, Place, Reader, Value, quoted};
use sluice_document::shape::{Form, Key, Shape};
use sluice_document::values::{choice, integer, one_or_more, text, unique};

use crate::process::{Secret, SmtpConfig, SmtpEncryption};
use crate::read::secret;
use crate::read::servers::is_host;

/// Most recipients of one sink; more are a mailing list.
pub(crate) const RECIPIENTS_MAX: usize = 32;
const PORT_RANGE: RangeInclusive<u64> = 1..=65_535;
const ENCRYPTIONS: [(&str, SmtpEncryption); 3] =
    [("starttls", SmtpEncryption::StartTls), ("tls", SmtpEncryption::Tls), ("none", SmtpEncryption::None)];
/// What separates addresses, and may stand in a name only between quotes.
const SPECIALS: &str = "<>,;:@\"";
const MAILBOX: Form = Form::Text("`a@example.org` or `A <a@example.org>`", r"^[^@]+@[^@\s]+$");

pub(crate) const SHAPE: Shape = Shape::new(
    "smtp",
    &[
        Key::required("host", Form::Text("a host", r"^\S+$"), "The mail server"),
        Key::optional("port", Form::Integer(PORT_RANGE), "Its port; 587, 465 or 25 by its encryption without it"),
        Key::default(
            "encryption",
            Form::Words(&["starttls", "tls", "none"]),
            "\"starttls\"",
            "`starttls` and `tls` are required, not tried; `none` only to this machine and without a login",
        ),
        Key::optional(
            "ca_file",
            Form::text("a file"),
            "Certificates (PEM) that are trusted beside those of the system",
        ),
        Key::optional("login", Form::Table(&LOGIN), "Whom to log in as"),
        Key::required("from", MAILBOX, "Sender"),
        Key::required("to", Form::OneOrMore(&MAILBOX, RECIPIENTS_MAX), "Recipients"),
    ],
);
const LOGIN: Shape = Shape::new(
    "login",
    &[
        Key::required("user", Form::text("a name"), "Name of the account"),
        Key::required("password", Form::Table(&secret::SHAPE), "Its password"),
    ],
);

pub(super) fn read<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<SmtpConfig> {
    let mut keys = Keys::of(reader, value, &SHAPE)?;
    let host = keys.required(reader, "host", "write host = \"mail.example.org\"", host);
    let port = keys.optional(reader, "port", |reader, value| integer(reader, value, &PORT_RANGE));
    let encryption_place = keys.find("encryption").map(|value| reader.place_of(value));
    let encryption =
        keys.optional(reader, "encryption", |reader, value| choice(reader, value, "encryption", &ENCRYPTIONS));
    let has_login = keys.find("login").is_some();
    let login = keys.optional(reader, "login", login);
    let ca_place = keys.find("ca_file").map(|value| reader.place_of(value));
    let ca_file = keys.optional(reader, "ca_file", text).map(|file| file.text.into());
    let from = keys.required(reader, "from", "write from = \"Sluice <sluice@example.org>\"", mailbox);
    let to = keys.required(reader, "to", "write to = [\"ops@example.org\"]", |reader, value| {
        let to = one_or_more(reader, value, RECIPIENTS_MAX, mailbox)?;
        unique(reader, &to);
        Some(to)
    });
    keys.finish(reader);
    if let (Some(SmtpEncryption::None), Some(place)) = (encryption, &encryption_place) {
        check_plain(reader, place, host.as_ref(), has_login, ca_place.as_ref());
    }
    Some(SmtpConfig {
        host: host?.text,
        port,
        encryption: encryption.unwrap_or_default(),
        ca_file,
        login,
        from: from?.text,
        to: to?.into_iter().map(|mailbox| mailbox.text).collect(),
    })
}

/// Reports what must not travel unencrypted.
fn check_plain(reader: &mut Reader<'_>, place: &Place, host: Option<&Named>, has_login: bool, ca: Option<&Place>) {
    if has_login {
        reader.fault(place, "a password would be sent for everyone to read", "write \"starttls\" or \"tls\"");
    } else if host.is_some_and(|host| !is_this_machine(&host.text)) {
        let hint = "write \"starttls\" or \"tls\"; `none` is for a server on this machine";
        reader.fault(place, "mail to another machine must be encrypted", hint);
    }
    if let Some(place) = ca {
        reader.fault(place, "without encryption there is nothing to trust", "remove `ca_file`");
    }
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn host(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Named> {
    let named = text(reader, value)?;
    if is_host(&named.text) || named.text.parse::<IpAddr>().is_ok() {
        return Some(named);
    }
    let hint = "write a name or an address, without a scheme; `port` is a key of its own";
    reader.fault(&named.place, format!("{} is no host", quoted(&named.text)), hint);
    None
}

fn login<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<(String, Secret)> {
    let mut keys = Keys::of(reader, value, &LOGIN)?;
    let user = keys.required(reader, "user", "write user = \"NAME\"", text);
    let password = keys.required(reader, "password", "write password = { env = \"SMTP_PASSWORD\" }", secret::read);
    keys.finish(reader);
    Some((user?.text, password?))
}

/// `a@example.org`, `A <a@example.org>` or `"A, B" <a@example.org>`: one address (RFC 5322 section 3.4).
fn mailbox(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Named> {
    let named = text(reader, value)?;
    let (name, address) = match named.text.strip_suffix('>').and_then(|rest| rest.split_once('<')) {
        Some((name, address)) => (name.trim(), address),
        None => ("", named.text.as_str()),
    };
    if is_display_name(name) && is_address(address) {
        return Some(named);
    }
    let hint = "write \"ops@example.org\" or \"Ops <ops@example.org>\"";
    reader.fault(&named.place, format!("{} is no mailbox", quoted(&named.text)), hint);
    None
}

fn is_address(address: &str) -> bool {
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || SPECIALS.contains(c);
    let parts = address.split_once('@');
    parts.is_some_and(|(user, host)| !user.is_empty() && !user.contains(is_odd) && is_host(host))
}

fn is_display_name(name: &str) -> bool {
    let quoted = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let has_specials = quoted.map_or_else(|| name.contains(|c| SPECIALS.contains(c)), |inner| inner.contains('"'));
    !has_specials && !name.contains(char::is_control)
}
