//! What plugins cause beside their verdict: alerts, counters, tags, log lines.
//!
//! An alert that stops a rollout does so here, inside the call that saw the offence: no request that any worker routes
//! afterwards reaches the canary. Store and people hear of it later.

use sluice_model::alert::{ALERT_COOLDOWN_MS, Alert, AlertId};
use sluice_snapshot::{Plugin, RolloutCell};
use sluice_wasm::{AlertEffect, Effect, Level};

use crate::exchange::Exchange;

/// Carries out the effects of one call.
pub(crate) fn apply(exchange: &Exchange, plugin: &Plugin, effects: Vec<Effect>) {
    for effect in effects {
        match effect {
            Effect::RaiseAlert(alert) => raise(exchange, plugin, alert),
            Effect::Add { name, value } => {
                plugin.stats.add(exchange.connection.worker.index, &name, value);
                exchange.chain.add(exchange, plugin, &name, value);
            }
            Effect::Tag(tag) => exchange.set_tag(&tag),
            Effect::Log { level, message } => log(exchange, plugin, level, &message),
        }
    }
}

fn raise(exchange: &Exchange, plugin: &Plugin, effect: AlertEffect) {
    let Some(route) = exchange.route() else { return };
    let rollout = route.rollout.as_ref().filter(|_| effect.abort_rollout && plugin.abort_granted);
    let alert = alert(exchange, plugin, effect, route.traffic.route(), rollout.map(|rollout| &**rollout));
    let effects = &exchange.connection.worker.shared.effects;
    if let Some(rollout) = rollout
        && rollout.abort(&alert.id, &alert.message)
    {
        effects.abort_pending();
    }
    effects.send(sluice_snapshot::Effect::Alert(Box::new(alert)));
}

/// Alerts of one rule and fingerprint within one cooldown are one alert with one id. What ends a run of a rollout is
/// told apart from what ends the next: an offence right after a resume is news.
fn alert(
    exchange: &Exchange,
    plugin: &Plugin,
    effect: AlertEffect,
    route: &str,
    rollout: Option<&RolloutCell>,
) -> Alert {
    let of_run = |rollout: &RolloutCell| format!("{}/{}", rollout.name(), rollout.run());
    let fingerprint = rollout.map_or_else(|| plugin.name().to_owned(), of_run);
    let window = exchange.now_ms / ALERT_COOLDOWN_MS;
    let id = AlertId::derive(&[&effect.rule, route, &fingerprint, &window.to_string()]);
    Alert {
        id,
        rule: effect.rule,
        fingerprint,
        route: route.to_owned(),
        plugin: plugin.name().to_owned(),
        message: effect.message,
        observed: effect.observed,
        limit: effect.limit,
        variant: exchange.variant_name().map(ToOwned::to_owned),
        rollout: rollout.map(|rollout| rollout.name().to_owned()),
        request_id: exchange.request_id_text().to_owned(),
        at_ms: exchange.now_ms,
        ..Alert::default()
    }
}

fn log(exchange: &Exchange, plugin: &Plugin, level: Level, message: &str) {
    let (plugin, request_id) = (plugin.name(), exchange.request_id_text());
    match level {
        Level::Debug => tracing::debug!(target: "plugin", plugin, request_id, message),
        Level::Info => tracing::info!(target: "plugin", plugin, request_id, message),
        Level::Warn => tracing::warn!(target: "plugin", plugin, request_id, message),
    }
}
