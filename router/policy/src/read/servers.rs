//! Where the servers of an upstream come from: `servers`, `dns` or `discover`.

use std::ops::RangeInclusive;
use std::time::Duration;

use sluice_document::keys::Keys;
use sluice_document::reader::{Named, Reader, Value, quoted};
use sluice_document::shape::{Form, HOST_AND_PORT, Key, Shape};
use sluice_document::values::{duration, filled_list, integer, name_text, text, unique};
use toml::de::DeValue;

use super::matching::is_host_name;
use crate::upstream::{DNS_REFRESH_DEFAULT, SERVER_WEIGHT_DEFAULT, Servers, StaticServer};

/// Most servers listed in one upstream.
pub(crate) const SERVERS_MAX: usize = 1_024;
/// Weights of a server; the bound of weights in the Gateway API.
const WEIGHT_RANGE: RangeInclusive<u64> = 0..=1_000_000;
/// How often a name may be resolved anew: more often asks a name server for nothing, more rarely is a listed server.
const REFRESH_RANGE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60 * 60);

pub(crate) const SERVER: Shape = Shape::new(
    "servers",
    &[
        Key::required("address", HOST_AND_PORT, "Where it listens; a name is resolved when it is connected to"),
        Key::default("weight", Form::Integer(WEIGHT_RANGE), "1", "Share among the servers, relative; 0 = no requests"),
    ],
);
pub(crate) const DNS: Shape = Shape::new(
    "dns",
    &[
        Key::required("name", HOST_AND_PORT, "Name to resolve, and the port of every server"),
        Key::default("refresh", Form::Duration(REFRESH_RANGE), "\"10s\"", "How often it is resolved"),
    ],
);
pub(crate) const DISCOVER: Shape = Shape::new(
    "discover",
    &[
        Key::required("app", Form::Name, "Application of the leases, e.g. `meow`"),
        Key::required("variant", Form::Name, "Variant of the leases, e.g. `canary`"),
    ],
);

/// The servers of the upstream `name`, whose table is `keys`.
pub(crate) fn read(reader: &mut Reader<'_>, name: &Named, keys: &mut Keys<'_>) -> Option<Servers> {
    let sources = [keys.find("servers"), keys.find("dns"), keys.find("discover")];
    let mut given = sources.into_iter().flatten();
    let first = given.next();
    if let Some(second) = given.next() {
        let hint = "keep one of the three";
        reader.fault(&reader.place_of(second), "an upstream has `servers`, `dns` or `discover`", hint);
        return None;
    }
    if first.is_none() {
        let hint = "write servers = [\"127.0.0.1:9001\"], dns = { name = \"app.internal:80\" } or \
                    discover = { app = \"..\", variant = \"..\" }";
        let message = format!("upstream {} has no servers", quoted(&name.text));
        keys.missing(reader, &name.place, &["servers", "dns", "discover"], message, hint);
    }
    match sources {
        [Some(servers), ..] => listed(reader, servers),
        [_, Some(dns), _] => by_name(reader, dns),
        [.., discover] => discovered(reader, discover?),
    }
}

fn listed<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Servers> {
    let servers = filled_list(reader, value, SERVERS_MAX, server)?;
    let addresses: Vec<Named> = servers.iter().map(|(address, _)| address.clone()).collect();
    unique(reader, &addresses);
    if !servers.is_empty() && servers.iter().all(|(_, weight)| *weight == 0) {
        reader.fault(&reader.place_of(value), "no server has a weight above 0", "give one of them a weight");
    }
    let servers = servers.into_iter().map(|(address, weight)| StaticServer { address: address.text, weight });
    Some(Servers::Static(servers.collect()))
}

/// `"host:port"` or `{ address = "host:port", weight = 2 }`.
fn server<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<(Named, u32)> {
    if !matches!(value.get_ref(), DeValue::Table(_)) {
        return address(reader, value).map(|address| (address, SERVER_WEIGHT_DEFAULT));
    }
    let mut keys = Keys::of(reader, value, &SERVER)?;
    let address = keys.required(reader, "address", "write address = \"host:port\"", address);
    let weight = keys.optional(reader, "weight", |reader, value| integer(reader, value, &WEIGHT_RANGE));
    keys.finish(reader);
    Some((address?, weight.unwrap_or(SERVER_WEIGHT_DEFAULT)))
}

fn address(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Named> {
    let address = text(reader, value)?;
    if host_and_port(&address.text).is_some() {
        return Some(address);
    }
    let hint = "write host:port, e.g. \"10.0.0.5:8000\", \"app.internal:8000\" or \"[::1]:8000\"";
    reader.fault(&address.place, format!("{} is no address of a server", quoted(&address.text)), hint);
    None
}

/// The host, as written, and the port of `host:port`.
pub(crate) fn host_and_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let digits = port.bytes().all(|digit| digit.is_ascii_digit());
    let port = port.parse::<u16>().ok().filter(|port| digits && *port > 0)?;
    is_host(host).then_some((host, port))
}

/// True for a host name, an IPv4 address, or an IPv6 address in brackets.
pub(crate) fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => is_host_name(&host.to_ascii_lowercase()),
    }
}

fn by_name<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Servers> {
    let mut keys = Keys::of(reader, value, &DNS)?;
    let name = keys.required(reader, "name", "write name = \"app.internal:80\"", dns_name);
    let refresh = keys.optional(reader, "refresh", |reader, value| duration(reader, value, &REFRESH_RANGE));
    keys.finish(reader);
    let (host, port) = name?;
    Some(Servers::Dns { host, port, refresh: refresh.unwrap_or(DNS_REFRESH_DEFAULT) })
}

fn dns_name(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<(String, u16)> {
    let Named { text, place } = text(reader, value)?;
    let hint = match host_and_port(&text) {
        Some((host, _)) if host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok() => {
            "an address is not resolved: list it in `servers`"
        }
        Some((host, port)) => return Some((host.to_ascii_lowercase(), port)),
        None => "write a name and a port, e.g. \"app.internal:80\"",
    };
    reader.fault(&place, format!("{} is no name to resolve", quoted(&text)), hint);
    None
}

fn discovered<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Servers> {
    let mut keys = Keys::of(reader, value, &DISCOVER)?;
    let app = keys.required(reader, "app", "write app = \"..\", as the leases say it", name_text);
    let variant = keys.required(reader, "variant", "write variant = \"..\", as the leases say it", name_text);
    keys.finish(reader);
    Some(Servers::Discover { app: app?.text, variant: variant?.text })
}

#[cfg(test)]
mod tests {
    use super::host_and_port;

    #[test]
    fn servers_are_host_and_port() {
        for good in ["127.0.0.1:9001", "app.internal:1", "[::1]:65535", "LOCALHOST:80", "a_b:80"] {
            assert!(host_and_port(good).is_some(), "{good}");
        }
        for bad in ["", "a", "a:", ":80", "a:0", "a:65536", "a:+1", "::1:80", "[::g]:80", "http://a:80", "a b:80"] {
            assert!(host_and_port(bad).is_none(), "{bad}");
        }
    }
}
