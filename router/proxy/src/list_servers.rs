//! A target inside the router: the list of all servers that hold a lease, as text or, by `Accept`, as JSON.

use std::fmt::Write;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use sluice_model::lease::{LEASE_TTL, Lease};

use crate::answer::{Answer, Content};
use crate::exchange::Exchange;
use crate::respond;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// One server as it is listed.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    id: &'a str,
    address: &'a str,
    app: &'a str,
    variant: &'a str,
    release: &'a str,
    health: &'static str,
    /// Percent of its machine; absent where the server does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<f32>,
    /// The same of memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    mem: Option<f32>,
    /// Since its last heartbeat.
    lease_age_ms: u64,
}

/// Answers with the list.
pub(crate) fn list(exchange: &Exchange, request: &HeaderMap) -> Answer {
    let leases = exchange.snapshot().cells.servers().read();
    let listed: Vec<Listed<'_>> = leases.iter().map(|lease| describe(lease, exchange.now_ms)).collect();
    let mut response = respond::text(StatusCode::OK, String::new());
    if wants_json(request) {
        *response.body_mut() = Content::whole(serde_json::to_vec(&listed).unwrap_or_default());
        response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    } else {
        *response.body_mut() = Content::whole(table(&listed));
    }
    response.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
    Answer { position: None, response }
}

fn describe(lease: &Lease, now_ms: u64) -> Listed<'_> {
    let ttl_ms = u64::try_from(LEASE_TTL.as_millis()).unwrap_or(u64::MAX);
    let server = &lease.server;
    let health = match (lease.holds(now_ms), server.draining) {
        (true, false) => "serving",
        (true, true) => "draining",
        (false, _) => "expired",
    };
    Listed {
        id: &server.id,
        address: &server.addr,
        app: &server.app,
        variant: &server.variant,
        release: &server.release,
        health,
        cpu: server.cpu,
        mem: server.mem,
        lease_age_ms: ttl_ms.saturating_sub(lease.ends_ms.saturating_sub(now_ms)),
    }
}

/// JSON for those who name it; people and scripts that take anything get the table.
fn wants_json(request: &HeaderMap) -> bool {
    let mut accepted = request.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    accepted.any(|line| line.to_ascii_lowercase().contains("application/json"))
}

fn table(servers: &[Listed<'_>]) -> String {
    let headings = ["ADDRESS", "APP", "VARIANT", "RELEASE", "HEALTH", "CPU", "MEM", "LEASE"];
    let mut rows = vec![headings.map(ToOwned::to_owned)];
    for server in servers {
        let (cpu, mem) = (percent(server.cpu), percent(server.mem));
        let age = format!("{} s ago", server.lease_age_ms / 1_000);
        let cells = [server.address, server.app, server.variant, server.release, server.health, &cpu, &mem, &age];
        rows.push(cells.map(|cell| if cell.is_empty() { "-".to_owned() } else { cell.to_owned() }));
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a string cannot fail.
            let _written = write!(line, "{cell:<width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Whole percent; nothing where it is not known, which is not 0 %.
fn percent(share: Option<f32>) -> String {
    share.map_or_else(String::new, |share| format!("{share:.0}%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_aligned_and_fills_gaps() {
        let server = Listed {
            id: "a",
            address: "127.0.0.1:9001",
            app: "meow",
            variant: "canary",
            release: "",
            health: "serving",
            cpu: Some(93.4),
            mem: None,
            lease_age_ms: 2_999,
        };
        let text = table(&[server]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "ADDRESS         APP   VARIANT  RELEASE  HEALTH   CPU  MEM  LEASE");
        assert_eq!(lines[1], "127.0.0.1:9001  meow  canary   -        serving  93%  -    2 s ago");
    }

    #[test]
    fn json_is_for_those_who_name_it() {
        let accept = |value: &'static str| {
            wants_json(&HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(value))]))
        };
        assert!(accept("application/json") && accept("text/html, Application/JSON;q=0.9"));
        assert!(!accept("*/*") && !accept("text/html") && !wants_json(&HeaderMap::new()));
    }
}
