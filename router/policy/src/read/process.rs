//! `sluice.toml`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use sluice_document::keys::{Keys, entries};
use sluice_document::reader::{Named, Place, Reader, Value, quoted};
use sluice_document::shape::{Form, Key, Shape};
use sluice_document::values::{boolean, choice, filled_list, list, name_text, percent, text, unique};
use toml::de::DeValue;

use super::listener::{self, ADDRESS, ADDRESS_RANGE, PlacedAddress, address, address_range};
use super::process_limits;
use super::secret;
use super::sink;
use crate::process::{
    AccessLog, AdminConfig, ChainTrace, Folders, ProcessConfig, Secret, SinkConfig, StoreConfig, StoreUrl,
};

/// Most listeners of one process.
pub(crate) const LISTENERS_MAX: usize = 64;
/// Most switches that are watched.
pub(crate) const SWITCHES_MAX: usize = 64;
/// Most ranges of clients that may ask for a chain trace; each is compared with every request that asks.
pub(crate) const ASK_FROM_MAX: usize = 64;
/// Most name servers; resolv.conf(5) knows three.
pub(crate) const NAME_SERVERS_MAX: usize = 8;
/// Port of a name server that has none (RFC 1035 section 4.2).
const DNS_PORT: u16 = 53;

pub(crate) const SHAPE: Shape = Shape::new(
    "sluice.toml",
    &[
        Key::optional(
            "listeners",
            Form::List(&Form::Table(&listener::SHAPE), 1, LISTENERS_MAX),
            "Where requests come in; `127.0.0.1:8080` without it",
        ),
        Key::default("admin", Form::Table(&ADMIN), "{}", "The admin API"),
        Key::default("store", Form::Table(&STORE), "{}", "The store"),
        Key::default("folders", Form::Table(&FOLDERS), "{}", "Folders, relative to the one of this file"),
        Key::default("limits", Form::Table(&process_limits::SHAPE), "{}", "Limits of the data plane"),
        Key::default("access_log", Form::Table(&ACCESS_LOG), "{}", "The access log, one JSON object a line"),
        Key::default(
            "chain_trace",
            Form::Table(&CHAIN_TRACE),
            "{}",
            "What the plugins did with a request, in its response's `Server-Timing`",
        ),
        Key::default("dns", Form::Table(&DNS), "{}", "Name resolution of upstreams with `dns`"),
        Key::default("alerts", Form::Table(&ALERTS), "{}", "Where alerts are told"),
        Key::default("rollouts", Form::Table(&ROLLOUTS), "{}", "What all rollouts share"),
    ],
);
const ALERTS: Shape = Shape::new(
    "[alerts]",
    &[
        Key::default("sinks", Form::Map(&Form::Table(&sink::SHAPE), sink::SINKS_MAX), "{}", "Sinks by name"),
        Key::optional("link", sink::URL, "A page that shows alerts, such as the dashboard; notices name it"),
    ],
);
const ROLLOUTS: Shape = Shape::new(
    "[rollouts]",
    &[Key::optional(
        "override_key",
        Form::Table(&secret::SHAPE),
        "Key that overrides are signed with, at least 16 bytes; without it none counts",
    )],
);
const ADMIN: Shape = Shape::new(
    "[admin]",
    &[
        Key::default(
            "address",
            ADDRESS,
            "\"127.0.0.1:9900\"",
            "The admin port; anything but loopback needs `token_env`",
        ),
        Key::optional("token_env", VARIABLE, "Environment variable that holds the operator's token"),
        Key::optional("read_token_env", VARIABLE, "Environment variable that holds a token that may only read"),
        Key::default("legacy_toggle", Form::Boolean, "false", "Serve `GET` and `POST /on`"),
    ],
);
const STORE: Shape = Shape::new(
    "[store]",
    &[
        Key::default(
            "url",
            Form::Text(
                "`embedded`, `redis://..`, `redis+sentinel://..` or `redis-cluster://..`; `rediss..` for TLS",
                r"^(embedded|rediss?(\+sentinel|-cluster)?://\S+)$",
            ),
            "\"embedded\"",
            "Where the state is; a URL is `redis://[user:password@]host:port[/db]`, other forms and TLS: docs/store.md",
        ),
        Key::default("edge", Form::Name, "\"main\"", "Name of the fleet; routers with the same one share their state"),
        Key::default(
            "switches",
            Form::List(&Form::Name, 0, SWITCHES_MAX),
            "[\"featureFlags\"]",
            "Raw boolean keys that are watched",
        ),
    ],
);
const FOLDERS: Shape = Shape::new(
    "[folders]",
    &[
        Key::default("routes", Form::text("a folder"), "\"routes.d\"", "Policy files"),
        Key::default("plugins", Form::text("a folder"), "\"plugins.d\"", "Plugin files"),
        Key::default("data", Form::text("a folder"), "\"data\"", "What the process writes"),
    ],
);
const ACCESS_LOG: Shape = Shape::new(
    "[access_log]",
    &[Key::default(
        "to",
        Form::Either(&[Form::Words(&["stderr", "stdout", "off"]), Form::Table(&LOG_FILE)]),
        "\"stderr\"",
        "Where it goes",
    )],
);
const LOG_FILE: Shape = Shape::new(
    "to of [access_log]",
    &[Key::required("file", Form::text("a file"), "Appended to; reopened when it was moved away")],
);
const CHAIN_TRACE: Shape = Shape::new(
    "[chain_trace]",
    &[
        Key::default("sample", Form::Percent, "0.0", "Percent of all responses that tell it, whoever asked for them"),
        Key::default(
            "ask_from",
            Form::List(&ADDRESS_RANGE, 0, ASK_FROM_MAX),
            "[]",
            "Clients whose requests with `x-sluice-trace: chain` are told it",
        ),
    ],
);
const DNS: Shape = Shape::new(
    "[dns]",
    &[Key::optional(
        "servers",
        Form::List(&Form::Text("an address, with a port or without", r"^[0-9A-Fa-f.:\[\]]+$"), 1, NAME_SERVERS_MAX),
        "Name servers; those of the system without it",
    )],
);
/// Name of an environment variable.
pub(crate) const VARIABLE: Form = Form::Text("a name", "^[A-Za-z_][A-Za-z0-9_]*$");

pub(crate) fn read(reader: &mut Reader<'_>, mut keys: Keys<'_>) -> ProcessConfig {
    let default = ProcessConfig::default();
    let listeners =
        keys.optional(reader, "listeners", |reader, value| filled_list(reader, value, LISTENERS_MAX, listener::read));
    let admin = keys.optional(reader, "admin", admin);
    let store = keys.optional(reader, "store", store).unwrap_or_default();
    let folders = keys.optional(reader, "folders", folders).unwrap_or_default();
    let (limits, workers) = keys.optional(reader, "limits", process_limits::read).unwrap_or_default();
    let access_log = keys.optional(reader, "access_log", access_log).unwrap_or_default();
    let chain_trace = keys.optional(reader, "chain_trace", chain_trace).unwrap_or_default();
    let name_servers = keys.optional(reader, "dns", name_servers).unwrap_or_default();
    let (sinks, alerts_link) = keys.optional(reader, "alerts", alerts).unwrap_or_default();
    let override_key = keys.optional(reader, "rollouts", override_key);
    keys.finish(reader);
    let (admin, admin_place) = admin.unwrap_or_default();
    let edges = listeners.as_deref().unwrap_or_default().iter().map(|(config, place)| (config.address, place.clone()));
    check_addresses(reader, edges.chain(admin_place.map(|place| (admin.address, place))));
    let listeners = listeners.map(|listeners| listeners.into_iter().map(|(config, _)| config).collect());
    ProcessConfig {
        listeners: listeners.unwrap_or(default.listeners),
        workers,
        admin,
        store,
        folders,
        limits,
        access_log,
        chain_trace,
        name_servers,
        sinks,
        alerts_link,
        override_key,
    }
}

/// Reports every address that is taken already; port 0 is never the same port twice.
fn check_addresses(reader: &mut Reader<'_>, addresses: impl Iterator<Item = PlacedAddress>) {
    let mut taken = Vec::new();
    for (address, place) in addresses {
        if address.port() != 0 && taken.contains(&address) {
            reader.fault(&place, format!("`{address}` is taken already in this file"), "write another port");
        }
        taken.push(address);
    }
}

/// The admin API, and where its address stands if it has one of its own.
fn admin<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<(AdminConfig, Option<Place>)> {
    let default = AdminConfig::default();
    let mut keys = Keys::of(reader, value, &ADMIN)?;
    let address = keys.optional(reader, "address", address);
    let has_token = keys.find("token_env").is_some();
    let token_env = keys.optional(reader, "token_env", variable);
    let read_token_env = keys.optional(reader, "read_token_env", variable);
    let legacy_toggle = keys.optional(reader, "legacy_toggle", boolean).unwrap_or(default.legacy_toggle);
    if let Some((address, place)) = &address
        && !address.ip().is_loopback()
        && !has_token
    {
        let hint = "write token_env = \"SLUICE_ADMIN_TOKEN\", or listen on 127.0.0.1";
        let message = "an admin address that others can reach needs `token_env`";
        keys.missing(reader, place, &["token_env"], message, hint);
    }
    if let Some(read) = &read_token_env
        && !has_token
    {
        let hint = "write token_env = \"SLUICE_ADMIN_TOKEN\" beside it";
        let message = "a token that may only read needs one that may write";
        keys.missing(reader, &read.place, &["token_env"], message, hint);
    }
    keys.finish(reader);
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
pub(crate) fn variable(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Named> {
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
    let mut keys = Keys::of(reader, value, &STORE)?;
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

/// How the URL of a store begins: one server, Sentinels, a Cluster, each with and without TLS.
const STORE_SCHEMES: [&str; 6] =
    ["redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis-cluster", "rediss-cluster"];

/// Never repeats the URL: it may hold a password.
fn store_url(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<StoreUrl> {
    let Named { text, place } = text(reader, value)?;
    if text == "embedded" {
        return Some(StoreUrl::Embedded);
    }
    let known = text.split_once("://").filter(|(scheme, _)| STORE_SCHEMES.contains(scheme));
    let fits = |rest: &str| !rest.is_empty() && !rest.contains(|c: char| c.is_whitespace() || c.is_control());
    // What stands behind the scheme is read by whoever connects.
    if known.is_some_and(|(_, rest)| fits(rest)) {
        return Some(StoreUrl::Redis(text));
    }
    let hint = "write \"embedded\", \"redis://host:6379\" or \"rediss://host:6379\"; for Sentinel and Cluster see docs/store.md";
    reader.fault(&place, "this is no store", hint);
    None
}

fn folders<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Folders> {
    let default = Folders::default();
    let mut keys = Keys::of(reader, value, &FOLDERS)?;
    let mut folder = |reader: &mut Reader<'_>, key, otherwise: PathBuf| {
        keys.optional(reader, key, text).map_or(otherwise, |folder| PathBuf::from(folder.text))
    };
    let routes = folder(reader, "routes", default.routes);
    let plugins = folder(reader, "plugins", default.plugins);
    let data = folder(reader, "data", default.data);
    keys.finish(reader);
    Some(Folders { routes, plugins, data })
}

/// `to = "stderr"`, `"stdout"`, `"off"` or `{ file = "access.log" }`.
fn access_log<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<AccessLog> {
    let mut keys = Keys::of(reader, value, &ACCESS_LOG)?;
    let to = keys.optional(reader, "to", log_target);
    keys.finish(reader);
    to
}

fn log_target<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<AccessLog> {
    type Made = fn() -> AccessLog;
    const WORDS: [(&str, Made); 3] =
        [("stderr", || AccessLog::Stderr), ("stdout", || AccessLog::Stdout), ("off", || AccessLog::Off)];
    if !matches!(value.get_ref(), DeValue::Table(_)) {
        return choice(reader, value, "place for the access log", &WORDS).map(|made| made());
    }
    let mut keys = Keys::of(reader, value, &LOG_FILE)?;
    let file = keys.required(reader, "file", "write { file = \"access.log\" }", text);
    keys.finish(reader);
    file.map(|file| AccessLog::File(file.text.into()))
}

fn chain_trace<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<ChainTrace> {
    let default = ChainTrace::default();
    let mut keys = Keys::of(reader, value, &CHAIN_TRACE)?;
    let sample = keys.optional(reader, "sample", percent).unwrap_or(default.sample);
    let ask_from = keys.optional(reader, "ask_from", |reader, value| list(reader, value, ASK_FROM_MAX, address_range));
    keys.finish(reader);
    Some(ChainTrace { sample, ask_from: ask_from.unwrap_or(default.ask_from) })
}

fn name_servers<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Vec<SocketAddr>> {
    let mut keys = Keys::of(reader, value, &DNS)?;
    let servers = keys.optional(reader, "servers", |reader, value| {
        filled_list(reader, value, NAME_SERVERS_MAX, |reader, value| {
            let Named { text, place } = text(reader, value)?;
            let bare = || text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, DNS_PORT));
            let server = text.parse().ok().or_else(bare);
            if server.is_none() {
                let hint = "write an IP address, e.g. \"10.0.0.2\" or \"127.0.0.1:5353\"";
                reader.fault(&place, format!("{} is no name server", quoted(&text)), hint);
            }
            server
        })
    });
    keys.finish(reader);
    servers
}

/// The sinks, sorted by name, and the link.
fn alerts<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<(Vec<SinkConfig>, Option<String>)> {
    let mut keys = Keys::of(reader, value, &ALERTS)?;
    let mut sinks = Vec::new();
    if let Some(table) = keys.find("sinks") {
        entries(reader, table, sink::SINKS_MAX, |reader, name, value| sinks.extend(sink::read(reader, name, value)));
    }
    let link = keys.optional(reader, "link", sink::url);
    keys.finish(reader);
    sinks.sort_by(|a, b| a.name.cmp(&b.name));
    Some((sinks, link))
}

fn override_key<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Secret> {
    let mut keys = Keys::of(reader, value, &ROLLOUTS)?;
    let key = keys.optional(reader, "override_key", secret::read);
    keys.finish(reader);
    key
}
