//! `[upstreams.NAME]`: a listed group of servers, or those that hold a lease.

use super::keys::Keys;
use super::reader::{Named, Reader, Value, quoted};
use super::values::{filled_list, integer, name_text, text, unique};
use crate::upstream::{
    CONNECTIONS_MAX_DEFAULT, CONNECTIONS_MAX_MAX, SERVER_WEIGHT_DEFAULT, Servers, StaticServer, Upstream,
};

/// Most servers listed in one upstream.
pub(crate) const SERVERS_MAX: usize = 1_024;

pub(crate) fn read<'d>(reader: &mut Reader<'_>, name: Named, value: &'d Value<'d>) -> Option<Upstream> {
    let mut keys = Keys::of(reader, value)?;
    let listed = keys.find("servers");
    let discovered = keys.find("discover");
    let connections_max =
        keys.optional(reader, "connections_max", |reader, value| integer(reader, value, &(1..=CONNECTIONS_MAX_MAX)));
    keys.finish(reader);
    let servers = match (listed, discovered) {
        (Some(servers), None) => static_servers(reader, servers).map(Servers::Static),
        (None, Some(discover)) => discover_servers(reader, discover),
        (Some(_), Some(both)) => {
            let hint = "keep `servers` or `discover`";
            reader.fault(&reader.place_of(both), "an upstream has either `servers` or `discover`", hint);
            None
        }
        (None, None) => {
            let hint = "write servers = [\"127.0.0.1:9001\"] or discover = { app = \"..\", variant = \"..\" }";
            reader.missing(&name.place, format!("upstream {} has no servers", quoted(&name.text)), hint);
            None
        }
    };
    let connections_max = connections_max.unwrap_or(CONNECTIONS_MAX_DEFAULT);
    Some(Upstream { connections_max, ..Upstream::new(name.text, servers?) })
}

fn static_servers<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Vec<StaticServer>> {
    let servers = filled_list(reader, value, SERVERS_MAX, server)?;
    unique(reader, &servers);
    let listed = |server: Named| StaticServer { address: server.text, weight: SERVER_WEIGHT_DEFAULT };
    Some(servers.into_iter().map(listed).collect())
}

fn server(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Named> {
    let server = text(reader, value)?;
    if is_host_and_port(&server.text) {
        return Some(server);
    }
    let hint = "write host:port, e.g. \"10.0.0.5:8000\", \"app.internal:8000\" or \"[::1]:8000\"";
    reader.fault(&server.place, format!("{} is no address of a server", quoted(&server.text)), hint);
    None
}

fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let port_fits = port.bytes().all(|digit| digit.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    let host_fits = match host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => super::matching::is_host_name(&host.to_ascii_lowercase()),
    };
    port_fits && host_fits
}

fn discover_servers<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Servers> {
    let mut keys = Keys::of(reader, value)?;
    let app = keys.required(reader, "app", "write app = \"..\", as the leases say it", name_text);
    let variant = keys.required(reader, "variant", "write variant = \"..\", as the leases say it", name_text);
    keys.finish(reader);
    Some(Servers::Discover { app: app?.text, variant: variant?.text })
}

#[cfg(test)]
mod tests {
    use super::is_host_and_port;

    #[test]
    fn servers_are_host_and_port() {
        for good in ["127.0.0.1:9001", "app.internal:1", "[::1]:65535", "LOCALHOST:80", "a_b:80"] {
            assert!(is_host_and_port(good), "{good}");
        }
        for bad in ["", "a", "a:", ":80", "a:0", "a:65536", "a:+1", "::1:80", "[::g]:80", "http://a:80", "a b:80"] {
            assert!(!is_host_and_port(bad), "{bad}");
        }
    }
}
