//! Names that become parts of keys, and bounds on what may be stored: checked once, for both stores.

use sluice_model::alert::Alert;
use sluice_model::lease::{SERVER_ID_BYTES_MAX, Server};

use crate::config::Config;
use crate::error::{OpenError, StoreError};
use crate::store::SWITCHES_MAX;

/// Longest name of an edge, a switch, a rollout, a rule, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// Longest address, app, variant, role or release of a server, in bytes; RFC 1035 section 2.3.4 has names end at 255.
const PART_BYTES_MAX: usize = 262;
/// Most roles of a server.
const ROLES_MAX: usize = 16;
/// Longest text of an alert, in bytes; the contract ends messages there too.
const ALERT_TEXT_BYTES_MAX: usize = 8 * 1_024;

/// Checks what becomes a part of keys.
pub(crate) fn check_config(config: &Config) -> Result<(), OpenError> {
    let names = config.switches.iter().map(|name| ("switch", name));
    for (what, name) in names.chain([("edge", &config.edge)]) {
        if !is_name(name) {
            return Err(OpenError::Name { what, name: name.clone(), bytes_max: NAME_BYTES_MAX });
        }
    }
    Ok(())
}

/// Checks the name of a rollout.
pub(crate) fn check_rollout(name: &str) -> Result<(), StoreError> {
    if is_name(name) { Ok(()) } else { invalid(&format!("`{}` cannot name a rollout", name.escape_default())) }
}

/// Checks the id of a server.
pub(crate) fn check_server_id(id: &str) -> Result<(), StoreError> {
    let fits = (1..=SERVER_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(()) } else { invalid("a server id is 1 to 128 printable ASCII characters without spaces") }
}

/// Checks what a server says of itself.
pub(crate) fn check_server(server: &Server) -> Result<(), StoreError> {
    check_server_id(&server.id)?;
    let Server { addr, app, variant, roles, release, .. } = server;
    for (what, text) in [("addr", addr), ("app", app), ("variant", variant)] {
        if text.is_empty() {
            return invalid(&format!("a server needs `{what}`"));
        }
    }
    if roles.len() > ROLES_MAX || roles.iter().any(|role| role.contains(',')) {
        return invalid("a server has at most 16 roles, and no comma in them");
    }
    if [addr, app, variant, release].into_iter().chain(roles).any(|text| text.len() > PART_BYTES_MAX) {
        return invalid("a part of the server is longer than 262 bytes");
    }
    let port = addr.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then(|| port.parse::<u16>()));
    if matches!(port, Some(Ok(port)) if port > 0) { Ok(()) } else { invalid("a server's `addr` is host:port") }
}

/// Checks an alert.
pub(crate) fn check_alert(alert: &Alert) -> Result<(), StoreError> {
    if !is_name(&alert.rule) {
        return invalid(&format!("`{}` cannot name a rule", alert.rule.escape_default()));
    }
    let Alert { fingerprint, route, plugin, message, request_id, .. } = alert;
    if [fingerprint, route, plugin, message, request_id].into_iter().any(|text| text.len() > ALERT_TEXT_BYTES_MAX) {
        return invalid("a text of the alert is longer than 8 KiB");
    }
    Ok(())
}

/// Checks the names of switches that are to be followed.
pub(crate) fn check_switches(names: &[String]) -> Result<(), StoreError> {
    if names.len() > SWITCHES_MAX {
        return Err(StoreError::Full { what: "switches", max: SWITCHES_MAX });
    }
    match names.iter().find(|name| !is_name(name)) {
        Some(name) => invalid(&format!("`{}` cannot name a switch", name.escape_default())),
        None => Ok(()),
    }
}

/// Checks that a switch is one of those that are followed.
pub(crate) fn check_switch(switches: &[String], name: &str) -> Result<(), StoreError> {
    if switches.iter().any(|switch| switch == name) {
        return Ok(());
    }
    let (name, known) = (name.escape_default(), switches.join(", "));
    invalid(&format!("`{name}` is no switch of this router; `switches` under [store] in sluice.toml has {known}"))
}

fn invalid(message: &str) -> Result<(), StoreError> {
    Err(StoreError::Invalid(message.to_owned()))
}

/// Letters, digits, `_`, `.`, `-`: nothing that means something in a Redis key, pattern or hash tag.
fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(id: &str, addr: &str) -> Server {
        serde_json::from_value(serde_json::json!({"id": id, "addr": addr, "app": "meow", "variant": "stable"})).unwrap()
    }

    #[test]
    fn a_server_has_an_id_and_an_address() {
        assert!(check_server(&server("meow-1", "127.0.0.1:9001")).is_ok());
        assert!(check_server(&server(&"x".repeat(SERVER_ID_BYTES_MAX), "[::1]:80")).is_ok());
        for (id, addr) in [
            ("", "h:1"),
            ("a b", "h:1"),
            ("a", "h"),
            ("a", ":1"),
            ("a", "h:0"),
            ("a", "h:65536"),
            ("a", ""),
            (&*"x".repeat(SERVER_ID_BYTES_MAX + 1), "h:1"),
        ] {
            assert!(check_server(&server(id, addr)).is_err(), "{id:?} {addr:?}");
        }
    }

    #[test]
    fn names_have_nothing_that_means_something_to_redis() {
        for name in ["", "a b", "a{b}", "a*", "a:b", "\u{e4}", &"x".repeat(NAME_BYTES_MAX + 1)] {
            assert!(check_rollout(name).is_err(), "{name:?}");
        }
        assert!(check_rollout(&"x".repeat(NAME_BYTES_MAX)).is_ok());
    }

    #[test]
    fn switches_to_follow_are_names_and_bounded() {
        let named = |count: usize| (0..count).map(|index| index.to_string()).collect::<Vec<_>>();
        assert!(check_switches(&named(SWITCHES_MAX)).is_ok());
        assert!(matches!(check_switches(&named(SWITCHES_MAX + 1)), Err(StoreError::Full { .. })));
        assert!(check_switches(&["a b".to_owned()]).is_err());
    }
}
