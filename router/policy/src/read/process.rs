//! `sluice.toml`.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::keys::Keys;
use super::reader::{Named, Place, Reader, Value, quoted};
use super::values::{boolean, duration, filled_list, integer, list, name_text, text, unique};
use crate::process::{
    AdminConfig, CONNECTIONS_MAX_MAX, Folders, ListenerConfig, ProcessConfig, ProcessLimits, StoreConfig, StoreUrl,
    WORKERS_MAX,
};

/// Most listeners of one process.
pub(crate) const LISTENERS_MAX: usize = 64;
/// Most switches that are watched.
pub(crate) const SWITCHES_MAX: usize = 64;
/// What a time limit may be: from the resolution of a timer to an hour.
const LIMIT_RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60 * 60);

/// An address and where it stands.
type PlacedAddress = (SocketAddr, Place);

pub(crate) fn read(reader: &mut Reader<'_>, mut keys: Keys<'_>) -> ProcessConfig {
    let default = ProcessConfig::default();
    let listeners =
        keys.optional(reader, "listeners", |reader, value| filled_list(reader, value, LISTENERS_MAX, listener));
    let admin = keys.optional(reader, "admin", admin);
    let store = keys.optional(reader, "store", store).unwrap_or_default();
    let folders = keys.optional(reader, "folders", folders).unwrap_or_default();
    let (limits, workers) = keys.optional(reader, "limits", limits).unwrap_or_default();
    keys.finish(reader);
    let (admin, admin_place) = admin.unwrap_or_default();
    check_addresses(reader, listeners.as_deref().unwrap_or_default(), admin_place.map(|place| (admin.address, place)));
    let listeners = listeners.map_or_else(
        || default.listeners.clone(),
        |listeners| listeners.into_iter().map(|(address, _)| ListenerConfig::new(address)).collect(),
    );
    ProcessConfig { listeners, workers, admin, store, folders, limits, ..default }
}

/// Reports every address that is taken already; port 0 is never the same port twice.
fn check_addresses(reader: &mut Reader<'_>, listeners: &[PlacedAddress], admin: Option<PlacedAddress>) {
    let mut taken = Vec::new();
    for (address, place) in listeners.iter().cloned().chain(admin) {
        if address.port() != 0 && taken.contains(&address) {
            reader.fault(&place, format!("`{address}` is taken already in this file"), "write another port");
        }
        taken.push(address);
    }
}

fn listener<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<PlacedAddress> {
    let mut keys = Keys::of(reader, value)?;
    let address = keys.required(reader, "address", "write address = \"127.0.0.1:8080\"", address);
    keys.finish(reader);
    address
}

fn address(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<PlacedAddress> {
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

/// The admin API, and where its address stands if it has one of its own.
fn admin<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<(AdminConfig, Option<Place>)> {
    let default = AdminConfig::default();
    let mut keys = Keys::of(reader, value)?;
    let address = keys.optional(reader, "address", address);
    let has_token = keys.find("token_env").is_some();
    let token_env = keys.optional(reader, "token_env", variable);
    let read_token_env = keys.optional(reader, "read_token_env", variable);
    let legacy_toggle = keys.optional(reader, "legacy_toggle", boolean).unwrap_or(default.legacy_toggle);
    keys.finish(reader);
    if let Some((address, place)) = &address
        && !address.ip().is_loopback()
        && !has_token
    {
        let hint = "write token_env = \"SLUICE_ADMIN_TOKEN\", or listen on 127.0.0.1";
        reader.missing(place, "an admin address that others can reach needs `token_env`", hint);
    }
    if let Some(read) = &read_token_env
        && !has_token
    {
        let hint = "write token_env = \"SLUICE_ADMIN_TOKEN\" beside it";
        reader.missing(&read.place, "a token that may only read needs one that may write", hint);
    }
    let (address, place) = address.unzip();
    let admin = AdminConfig {
        address: address.unwrap_or(default.address),
        token_env: token_env.map(|name| name.text),
        read_token_env: read_token_env.map(|name| name.text),
        legacy_toggle,
    };
    Some((admin, place))
}

/// Name of an environment variable (POSIX.1-2017 section 8.1).
fn variable(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Named> {
    let name = text(reader, value)?;
    let begins = !name.text.starts_with(|first: char| first.is_ascii_digit());
    if begins && name.text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Some(name);
    }
    let hint = "write the name of the variable that holds the token, e.g. \"SLUICE_ADMIN_TOKEN\"";
    reader.fault(&name.place, "this is no name of an environment variable", hint);
    None
}

fn store<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<StoreConfig> {
    let default = StoreConfig::default();
    let mut keys = Keys::of(reader, value)?;
    let url = keys.optional(reader, "url", store_url).unwrap_or(default.url);
    let edge = keys.optional(reader, "edge", name_text).map_or(default.edge, |edge| edge.text);
    let switches = keys.optional(reader, "switches", |reader, value| {
        let switches = list(reader, value, SWITCHES_MAX, name_text)?;
        unique(reader, &switches);
        Some(switches.into_iter().map(|switch| switch.text).collect())
    });
    keys.finish(reader);
    Some(StoreConfig { url, edge, switches: switches.unwrap_or(default.switches) })
}

/// Never repeats the URL: it may hold a password.
fn store_url(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<StoreUrl> {
    let Named { text, place } = text(reader, value)?;
    if text == "embedded" {
        return Some(StoreUrl::Embedded);
    }
    let rest = text.strip_prefix("redis://").or_else(|| text.strip_prefix("rediss://"));
    if rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(|c: char| c.is_whitespace() || c.is_control())) {
        return Some(StoreUrl::Redis(text));
    }
    reader.fault(&place, "this is no store", "write \"embedded\", \"redis://host:6379\" or \"rediss://host:6379\"");
    None
}

fn folders<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Folders> {
    let default = Folders::default();
    let mut keys = Keys::of(reader, value)?;
    let mut folder = |reader: &mut Reader<'_>, key, otherwise: PathBuf| {
        keys.optional(reader, key, text).map_or(otherwise, |folder| PathBuf::from(folder.text))
    };
    let routes = folder(reader, "routes", default.routes);
    let plugins = folder(reader, "plugins", default.plugins);
    let data = folder(reader, "data", default.data);
    keys.finish(reader);
    Some(Folders { routes, plugins, data })
}

/// The limits and the number of workers.
fn limits<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<(ProcessLimits, Option<usize>)> {
    let default = ProcessLimits::default();
    let mut keys = Keys::of(reader, value)?;
    let mut limit = |reader: &mut Reader<'_>, key, otherwise: Duration| {
        keys.optional(reader, key, |reader, value| duration(reader, value, &LIMIT_RANGE)).unwrap_or(otherwise)
    };
    let drain = limit(reader, "drain", default.drain);
    let header_read = limit(reader, "header_read", default.header_read);
    let body_idle = limit(reader, "body_idle", default.body_idle);
    let keep_alive_idle = limit(reader, "keep_alive_idle", default.keep_alive_idle);
    let connections_max =
        keys.optional(reader, "connections_max", |reader, value| integer(reader, value, &(1..=CONNECTIONS_MAX_MAX)));
    let workers = keys.optional(reader, "workers", |reader, value| integer(reader, value, &(1..=WORKERS_MAX)));
    keys.finish(reader);
    let connections_max = connections_max.unwrap_or(default.connections_max);
    Some((ProcessLimits { drain, header_read, body_idle, keep_alive_idle, connections_max, ..default }, workers))
}
