//! Names that become parts of keys, and bounds on what may be stored: checked once, for both stores.

use std::collections::BTreeMap;

use sluice_model::alert::{Alert, AlertId, DeadLetter};
use sluice_model::lease::{SERVER_ID_BYTES_MAX, Server};
use sluice_model::silence::Silence;
use sluice_model::stats::{COUNTERS_MAX, VariantStats};

use crate::config::Config;
use crate::error::{OpenError, StoreError};
use crate::notice::RESOLVED_SUFFIX;
use crate::store::{FLAG_DOCUMENT_BYTES_MAX, SWITCHES_MAX};

/// Longest name of an edge, a switch, a rollout, a rule, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// Longest address, app, variant, role or release of a server, in bytes; RFC 1035 section 2.3.4 has names end at 255.
const PART_BYTES_MAX: usize = 262;
/// Most roles of a server.
const ROLES_MAX: usize = 16;
/// The one name that no set of flags can have: the key of the counter stands there in Redis.
pub(crate) const FLAGS_COUNTER: &str = "ver";
/// Most labels of an alert.
const LABELS_MAX: usize = 32;
/// Longest name or value of a label, in bytes.
const LABEL_BYTES_MAX: usize = 256;
/// Most variants that figures are of at a time.
pub(crate) const STATS_VARIANTS_MAX: usize = 64;
/// Longest name of a counter, in bytes: plugin and counter.
const COUNTER_NAME_BYTES_MAX: usize = 2 * NAME_BYTES_MAX;
/// Longest text of a silence, in bytes.
const SILENCE_TEXT_BYTES_MAX: usize = 1_024;
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
    check_alert_id(&alert.id)?;
    let Alert { fingerprint, route, plugin, message, request_id, router, .. } = alert;
    let texts = [fingerprint, route, plugin, message, request_id, router];
    if texts.into_iter().any(|text| text.len() > ALERT_TEXT_BYTES_MAX) {
        return invalid("a text of the alert is longer than 8 KiB");
    }
    if alert.labels.len() > LABELS_MAX
        || alert.labels.iter().any(|(name, value)| name.len().max(value.len()) > LABEL_BYTES_MAX)
    {
        return invalid("an alert has at most 32 labels, each of at most 256 bytes");
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

/// Checks the name of a job that one of the fleet leads.
pub(crate) fn check_job(job: &str) -> Result<(), StoreError> {
    if is_name(job) { Ok(()) } else { invalid(&format!("`{}` cannot name a job", job.escape_default())) }
}

/// Checks what tells one who leads, or works on deliveries, from another.
pub(crate) fn check_holder(holder: &str) -> Result<(), StoreError> {
    let fits = (1..=NAME_BYTES_MAX).contains(&holder.len()) && holder.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(()) } else { invalid("a holder is 1 to 128 printable ASCII characters without spaces") }
}

/// Checks what is known of a sink that took a notice.
pub(crate) fn check_sent(alert: &AlertId, sink: &str) -> Result<(), StoreError> {
    check_alert_id(alert)?;
    if is_name(sink) { Ok(()) } else { invalid(&format!("`{}` cannot name a sink", sink.escape_default())) }
}

/// Checks what is claimed for an alert.
pub(crate) fn check_scale_operation(alert: &AlertId, operation: &str) -> Result<(), StoreError> {
    check_alert_id(alert)?;
    if is_name(operation) {
        return Ok(());
    }
    invalid(&format!("`{}` cannot name an operation", operation.escape_default()))
}

/// Checks a dead letter.
pub(crate) fn check_letter(letter: &DeadLetter) -> Result<(), StoreError> {
    check_alert(&letter.alert)?;
    check_sent(&letter.alert.id, &letter.sink)?;
    if letter.error.len() > ALERT_TEXT_BYTES_MAX {
        return invalid("the error of a dead letter is longer than 8 KiB");
    }
    Ok(())
}

/// Checks figures of variants.
pub(crate) fn check_stats(variants: &BTreeMap<String, VariantStats>) -> Result<(), StoreError> {
    if variants.len() > STATS_VARIANTS_MAX || variants.keys().any(|variant| !is_name(variant)) {
        return invalid("figures are of at most 64 variants, each with a name");
    }
    let mut counters = variants.values().map(|stats| &stats.counters);
    let fits = |counter: &String| (1..=COUNTER_NAME_BYTES_MAX).contains(&counter.len());
    if counters.any(|counters| counters.len() > COUNTERS_MAX || !counters.keys().all(fits)) {
        return invalid("a variant has at most 64 counters, with names of at most 256 bytes");
    }
    Ok(())
}

/// Checks the id of a silence.
pub(crate) fn check_silence_id(id: &str) -> Result<(), StoreError> {
    if is_name(id) { Ok(()) } else { invalid(&format!("`{}` cannot name a silence", id.escape_default())) }
}

/// Checks a silence.
pub(crate) fn check_silence(silence: &Silence) -> Result<(), StoreError> {
    let Silence { id, rule, route, fingerprint, until_ms: _, by, reason } = silence;
    check_silence_id(id)?;
    let matched = [rule, route, fingerprint].into_iter().flatten();
    if matched.chain([by, reason]).any(|text| text.len() > SILENCE_TEXT_BYTES_MAX) {
        return invalid("a text of the silence is longer than 1 KiB");
    }
    Ok(())
}

/// Checks the name of a set of flags.
pub(crate) fn check_flag_set(set: &str) -> Result<(), StoreError> {
    if is_flag_set(set) { Ok(()) } else { invalid(&format!("`{}` cannot name a set of flags", set.escape_default())) }
}

/// Checks the text of flag definitions, but for its sense.
pub(crate) fn check_flags(text: &str) -> Result<(), StoreError> {
    if text.is_empty() {
        return invalid("flag definitions cannot be empty");
    }
    if text.len() > FLAG_DOCUMENT_BYTES_MAX {
        return invalid("flag definitions cannot be longer than 1 MiB");
    }
    Ok(())
}

/// True if `set` can name a set of flags.
pub(crate) fn is_flag_set(set: &str) -> bool {
    is_name(set) && set != FLAGS_COUNTER
}

/// Checks that a switch is one of those that are followed.
pub(crate) fn check_switch(switches: &[String], name: &str) -> Result<(), StoreError> {
    if switches.iter().any(|switch| switch == name) {
        return Ok(());
    }
    let (name, known) = (name.escape_default(), switches.join(", "));
    invalid(&format!("`{name}` is no switch of this router; `switches` under [store] in sluice.toml has {known}"))
}

/// The notice that an alert is resolved has a longer one than the alert.
fn check_alert_id(id: &AlertId) -> Result<(), StoreError> {
    let id = id.as_str().strip_suffix(RESOLVED_SUFFIX).unwrap_or(id.as_str());
    if id.len() <= NAME_BYTES_MAX { Ok(()) } else { invalid("the id of an alert is longer than 128 bytes") }
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
    fn flag_definitions_have_a_name_that_is_not_the_counter_and_at_most_a_mebibyte() {
        assert!(check_flag_set("shop").is_ok() && check_flag_set("version").is_ok());
        assert!(check_flag_set("ver").is_err() && check_flag_set("a:b").is_err());
        assert!(check_flags(&"x".repeat(FLAG_DOCUMENT_BYTES_MAX)).is_ok());
        assert!(check_flags(&"x".repeat(FLAG_DOCUMENT_BYTES_MAX + 1)).is_err());
        assert!(check_flags("").is_err());
    }

    #[test]
    fn switches_to_follow_are_names_and_bounded() {
        let named = |count: usize| (0..count).map(|index| index.to_string()).collect::<Vec<_>>();
        assert!(check_switches(&named(SWITCHES_MAX)).is_ok());
        assert!(matches!(check_switches(&named(SWITCHES_MAX + 1)), Err(StoreError::Full { .. })));
        assert!(check_switches(&["a b".to_owned()]).is_err());
    }
}
