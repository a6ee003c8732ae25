//! How rollouts, servers and alerts are written as fields of hashes and stream entries, readable by any Redis client.

use std::collections::{BTreeMap, HashMap};

use sluice_model::alert::{Alert, AlertId, AlertStatus};
use sluice_model::lease::Server;
use sluice_model::plan::Position;
use sluice_model::rollout::{Rollout, RolloutState};
use sluice_model::slots::{Share, SlotTable};
use sluice_model::weight::BasisPoints;

/// Between the roles of a server.
const ROLES_SEPARATOR: char = ',';

/// Fields as read.
pub(super) type Fields = HashMap<String, String>;
/// Fields as written.
pub(super) type Pairs = Vec<(&'static str, String)>;

/// A hash or entry that is not what its key promises.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("field `{0}` is missing or cannot be read")]
pub(super) struct FieldFault(pub(super) &'static str);

pub(super) fn rollout_fields(rollout: &Rollout) -> Pairs {
    let seen: Vec<&str> = rollout.seen_aborts.iter().map(AlertId::as_str).collect();
    vec![
        ("state", rollout.state.as_str().to_owned()),
        ("weight_bps", rollout.weight_bps.get().to_string()),
        ("slots", rollout.slots.to_string()),
        ("step", rollout.position.map_or_else(String::new, |position| position.step.to_string())),
        ("step_began_ms", rollout.position.map_or_else(String::new, |position| position.began_ms.to_string())),
        ("release", rollout.release.clone()),
        ("salt", rollout.salt.clone()),
        ("epoch", rollout.epoch.to_string()),
        ("run", rollout.run.to_string()),
        ("reason", rollout.reason.clone()),
        ("by", rollout.by.clone()),
        ("changed_ms", rollout.changed_ms.to_string()),
        ("seen_aborts", serde_json::json!(seen).to_string()),
    ]
}

/// Only what routing needs must be there; an operator may have written the rest by hand.
pub(super) fn rollout_from(fields: &Fields) -> Result<Rollout, FieldFault> {
    let epoch = required(fields, "epoch")?;
    let seen: Vec<String> = match fields.get("seen_aborts") {
        Some(text) => serde_json::from_str(text).map_err(|_malformed| FieldFault("seen_aborts"))?,
        None => Vec::new(),
    };
    let weight_bps = BasisPoints::new(required(fields, "weight_bps")?).map_err(|_above| FieldFault("weight_bps"))?;
    // Who sets the weight by hand need not know of slots.
    let slots = optional::<SlotTable>(fields, "slots")?.filter(|slots| slots.weight(&Share::Canary) == weight_bps);
    let step = optional(fields, "step")?;
    let began_ms = optional(fields, "step_began_ms")?.unwrap_or_default();
    Ok(Rollout {
        state: RolloutState::from_text(&text(fields, "state")).ok_or(FieldFault("state"))?,
        weight_bps,
        slots: slots.unwrap_or_else(|| SlotTable::canary(weight_bps)),
        position: step.map(|step| Position { step, began_ms }),
        release: text(fields, "release"),
        salt: text(fields, "salt"),
        epoch,
        run: optional(fields, "run")?.unwrap_or(epoch),
        reason: text(fields, "reason"),
        by: text(fields, "by"),
        changed_ms: optional(fields, "changed_ms")?.unwrap_or_default(),
        seen_aborts: seen.into_iter().map(AlertId::from_text).collect(),
    })
}

/// All but the id, which is in the key.
pub(super) fn server_fields(server: &Server) -> Pairs {
    let mut fields = vec![
        ("addr", server.addr.clone()),
        ("app", server.app.clone()),
        ("variant", server.variant.clone()),
        ("roles", server.roles.join(&ROLES_SEPARATOR.to_string())),
        ("release", server.release.clone()),
        ("draining", server.draining.to_string()),
        ("started_ms", server.started_ms.to_string()),
    ];
    for (name, percent) in [("cpu", server.cpu), ("mem", server.mem)] {
        fields.extend(percent.map(|percent| (name, percent.to_string())));
    }
    fields
}

pub(super) fn server_from(id: &str, fields: &Fields) -> Result<Server, FieldFault> {
    Ok(Server {
        id: id.to_owned(),
        addr: required(fields, "addr")?,
        app: required(fields, "app")?,
        variant: required(fields, "variant")?,
        roles: text(fields, "roles")
            .split(ROLES_SEPARATOR)
            .filter(|role| !role.is_empty())
            .map(str::to_owned)
            .collect(),
        release: text(fields, "release"),
        cpu: optional(fields, "cpu")?,
        mem: optional(fields, "mem")?,
        draining: optional(fields, "draining")?.unwrap_or(false),
        started_ms: optional(fields, "started_ms")?.unwrap_or_default(),
    })
}

pub(super) fn alert_fields(alert: &Alert) -> Pairs {
    let mut fields = vec![
        ("id", alert.id.to_string()),
        ("rule", alert.rule.clone()),
        ("fingerprint", alert.fingerprint.clone()),
        ("route", alert.route.clone()),
        ("plugin", alert.plugin.clone()),
        ("message", alert.message.clone()),
        ("observed", alert.observed.to_string()),
        ("limit", alert.limit.to_string()),
        ("request_id", alert.request_id.clone()),
        ("at_ms", alert.at_ms.to_string()),
        ("status", alert.status.as_str().to_owned()),
        ("labels", serde_json::json!(alert.labels).to_string()),
        ("router", alert.router.clone()),
    ];
    for (name, value) in [("variant", &alert.variant), ("rollout", &alert.rollout)] {
        fields.extend(value.clone().map(|value| (name, value)));
    }
    fields
}

pub(super) fn alert_from(fields: &Fields) -> Result<Alert, FieldFault> {
    Ok(Alert {
        id: AlertId::from_text(required::<String>(fields, "id")?),
        rule: required(fields, "rule")?,
        fingerprint: text(fields, "fingerprint"),
        route: text(fields, "route"),
        plugin: text(fields, "plugin"),
        message: text(fields, "message"),
        observed: optional(fields, "observed")?.unwrap_or_default(),
        limit: optional(fields, "limit")?.unwrap_or_default(),
        variant: fields.get("variant").cloned(),
        rollout: fields.get("rollout").cloned(),
        request_id: text(fields, "request_id"),
        at_ms: optional(fields, "at_ms")?.unwrap_or_default(),
        status: alert_status(fields)?,
        labels: labels(fields)?,
        router: text(fields, "router"),
    })
}

/// An entry of the version before has none: it was raised.
fn alert_status(fields: &Fields) -> Result<AlertStatus, FieldFault> {
    let Some(text) = fields.get("status") else { return Ok(AlertStatus::Firing) };
    AlertStatus::from_text(text).ok_or(FieldFault("status"))
}

fn labels(fields: &Fields) -> Result<BTreeMap<String, String>, FieldFault> {
    let Some(text) = fields.get("labels") else { return Ok(BTreeMap::new()) };
    serde_json::from_str(text).map_err(|_malformed| FieldFault("labels"))
}

fn text(fields: &Fields, name: &'static str) -> String {
    fields.get(name).cloned().unwrap_or_default()
}

fn required<T: std::str::FromStr>(fields: &Fields, name: &'static str) -> Result<T, FieldFault> {
    optional(fields, name)?.ok_or(FieldFault(name))
}

/// An empty field counts as none.
fn optional<T: std::str::FromStr>(fields: &Fields, name: &'static str) -> Result<Option<T>, FieldFault> {
    let text = fields.get(name).filter(|text| !text.is_empty());
    text.map(|text| text.parse().map_err(|_unreadable| FieldFault(name))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: Pairs) -> Fields {
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    #[test]
    fn a_rollout_reads_back() {
        let mut rollout = Rollout::initial(BasisPoints::new(2_500).unwrap(), "salt".into(), "test", 7);
        rollout.seen_aborts = vec![AlertId::from_text("a,b"), AlertId::from_text("\"")];
        assert_eq!(rollout_from(&fields(rollout_fields(&rollout))), Ok(rollout));
    }

    #[test]
    fn a_rollout_written_by_hand_needs_state_weight_and_epoch_only() {
        let by_hand = |pairs: &[(&'static str, &str)]| {
            rollout_from(&fields(pairs.iter().map(|&(name, value)| (name, value.to_owned())).collect()))
        };
        let rollout = by_hand(&[("state", "running"), ("weight_bps", "100"), ("epoch", "4")]).unwrap();
        assert_eq!((rollout.weight_bps.get(), rollout.run), (100, 4));
        assert_eq!(by_hand(&[("state", "jogging"), ("weight_bps", "1"), ("epoch", "4")]), Err(FieldFault("state")));
        assert_eq!(
            by_hand(&[("state", "running"), ("weight_bps", "10001"), ("epoch", "4")]),
            Err(FieldFault("weight_bps"))
        );
        assert_eq!(by_hand(&[("state", "running"), ("weight_bps", "1")]), Err(FieldFault("epoch")));
    }

    #[test]
    fn a_server_and_an_alert_read_back() {
        let server = Server {
            id: "meow-1".into(),
            addr: "127.0.0.1:9001".into(),
            app: "meow".into(),
            variant: "canary".into(),
            roles: vec!["app".into(), "router".into()],
            release: "2".into(),
            cpu: Some(12.5),
            mem: None,
            draining: true,
            started_ms: 5,
        };
        assert_eq!(server_from("meow-1", &fields(server_fields(&server))), Ok(server));
        let alert = Alert {
            id: AlertId::derive(&["a"]),
            rule: "upload-size".into(),
            fingerprint: "app/1".into(),
            route: "app".into(),
            plugin: "upload-alert".into(),
            message: "too large".into(),
            observed: 50_001,
            limit: 50_000,
            variant: None,
            rollout: Some("demo".into()),
            request_id: "r".into(),
            at_ms: 9,
            status: AlertStatus::Resolved,
            labels: [("team".to_owned(), "edge".to_owned())].into(),
            router: "edge-1".into(),
        };
        let mut written = fields(alert_fields(&alert));
        assert_eq!(alert_from(&written), Ok(alert.clone()));
        for new in ["status", "labels", "router"] {
            written.remove(new);
        }
        let before = Alert { status: AlertStatus::Firing, labels: BTreeMap::new(), router: String::new(), ..alert };
        assert_eq!(alert_from(&written), Ok(before), "as the version before wrote it");
        written.insert("labels".into(), "[".into());
        assert_eq!(alert_from(&written), Err(FieldFault("labels")));
    }
}
