//! `[[listeners]]` of `sluice.toml`, and addresses in general.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use sluice_document::keys::Keys;
use sluice_document::reader::{Named, Place, Reader, Value, quoted};
use sluice_document::shape::{Form, Key, Shape};
use sluice_document::values::{choice, list, text};

use crate::process::{EncodedSlash, ListenerConfig, Underscores};

/// Most ranges of peers that are believed; each is compared with every new connection.
pub(crate) const TRUSTED_PROXIES_MAX: usize = 256;
/// What may become of an encoded slash.
const ENCODED_SLASH: [(&str, EncodedSlash); 3] =
    [("keep", EncodedSlash::Keep), ("reject", EncodedSlash::Reject), ("decode", EncodedSlash::Decode)];
/// What may become of a field whose name has an underscore.
const UNDERSCORES: [(&str, Underscores); 3] =
    [("drop", Underscores::Drop), ("allow", Underscores::Allow), ("reject", Underscores::Reject)];

pub(crate) const SHAPE: Shape = Shape::new(
    "[[listeners]]",
    &[
        Key::required("address", ADDRESS, "Where requests come in; port 0 = any free port"),
        Key::default(
            "trusted_proxies",
            Form::List(&ADDRESS_RANGE, 0, TRUSTED_PROXIES_MAX),
            "[]",
            "Peers whose `X-Forwarded-*`, `Forwarded` and `traceparent` are believed",
        ),
        Key::default(
            "encoded_slash",
            Form::Words(&["keep", "reject", "decode"]),
            "\"keep\"",
            "What becomes of `%2F` in a path: it stays, the request is answered 400, or it becomes a slash before anything is matched",
        ),
        Key::default(
            "underscores",
            Form::Words(&["drop", "allow", "reject"]),
            "\"drop\"",
            "What becomes of a header field whose name has an underscore: it is dropped, passed on, or the request is answered 400",
        ),
    ],
);
/// An address to listen on.
pub(crate) const ADDRESS: Form = Form::Text("address:port", r"^\S+:[0-9]{1,5}$");
/// A range of addresses.
pub(crate) const ADDRESS_RANGE: Form = Form::Text("a range of addresses", r"^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$");

/// An address and where it stands.
pub(crate) type PlacedAddress = (SocketAddr, Place);

/// A listener, and where its address stands.
pub(crate) fn read<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<(ListenerConfig, Place)> {
    let mut keys = Keys::of(reader, value, &SHAPE)?;
    let address = keys.required(reader, "address", "write address = \"127.0.0.1:8080\"", address);
    let trusted_proxies = keys
        .optional(reader, "trusted_proxies", |reader, value| list(reader, value, TRUSTED_PROXIES_MAX, address_range));
    let encoded_slash = keys.optional(reader, "encoded_slash", |reader, value| {
        choice(reader, value, "way to treat an encoded slash", &ENCODED_SLASH)
    });
    let underscores = keys.optional(reader, "underscores", |reader, value| {
        choice(reader, value, "way to treat names with an underscore", &UNDERSCORES)
    });
    keys.finish(reader);
    let (address, place) = address?;
    let config = ListenerConfig {
        trusted_proxies: trusted_proxies.unwrap_or_default(),
        encoded_slash: encoded_slash.unwrap_or_default(),
        underscores: underscores.unwrap_or_default(),
        ..ListenerConfig::new(address)
    };
    Some((config, place))
}

pub(crate) fn address(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<PlacedAddress> {
    let Named { text, place } = text(reader, value)?;
    if let Ok(address) = text.parse() {
        return Some((address, place));
    }
    let hint = match text.rsplit_once(':') {
        Some(("" | "*", port)) => format!("write \"0.0.0.0:{port}\" for all interfaces"),
        Some(("localhost", port)) => format!("write \"127.0.0.1:{port}\""),
        _ => "write an IP address and a port, e.g. \"127.0.0.1:8080\"".to_owned(),
    };
    reader.fault(&place, format!("{} is no address", quoted(&text)), hint);
    None
}

/// `10.0.0.0/8`, or one address.
pub(crate) fn address_range(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<IpNet> {
    let Named { text, place } = text(reader, value)?;
    let range = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    let hint = match range {
        Some(range) if range.addr() == range.network() => return Some(range),
        Some(range) => format!("write \"{}\"", range.trunc()),
        None => "write a range such as \"10.0.0.0/8\", or one address".to_owned(),
    };
    reader.fault(&place, format!("{} is no range of addresses", quoted(&text)), hint);
    None
}
