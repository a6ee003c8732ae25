//! The three first-party plugins behind the host: what they decide, once they were told the state.

use sluice_wasm::{Decision, Effect, Grants, Instance, SizeUnit, fields};

use crate::support::{LIMITS, built};

fn blob(values: &[Option<&str>]) -> Vec<u8> {
    let mut blob = Vec::new();
    values.iter().for_each(|value| fields::push(&mut blob, value.map(str::as_bytes)));
    blob
}

fn state(key: &str) -> Grants {
    Grants { state: vec![key.to_owned()], ..Grants::default() }
}

#[test]
fn the_canary_plugin_picks_by_the_state_it_was_told() {
    let config = r#"{"rollout":"demo"}"#;
    let mut canary = Instance::new(&built("canary"), "canary", config, &state("rollout:demo"), &LIMITS).unwrap();
    assert_eq!(canary.smoke(), Ok(()));
    assert_eq!(canary.activation().state, ["rollout:demo"]);
    let fields = blob(&vec![Some("u1"); canary.activation().request_fields.len()]);
    assert_eq!(canary.on_request(&fields, 0, 0).unwrap().decision, Decision::Next, "it was told nothing yet");
    for (weight_bps, variant) in [(10_000, "canary"), (0, "stable")] {
        let document = format!(
            r#"{{"state":"running","weight_bps":{weight_bps},"salt":"s","epoch":1,"stable":"stable","canary":"canary"}}"#
        );
        assert_eq!(canary.on_state("rollout:demo", Some(&document)), Ok(()));
        let Decision::Variant(index) = canary.on_request(&fields, 0, 0).unwrap().decision else { panic!("no variant") };
        assert_eq!(canary.activation().variants[usize::from(index)], variant);
    }
    let refused = canary.on_state("rollout:demo", Some("[]")).unwrap_err();
    assert_eq!(refused.cause(), "refused");
    assert!(canary.on_request(&fields, 0, 0).is_ok(), "it goes on with the state before");
}

#[test]
fn the_feature_flags_plugin_gates_by_the_state_it_was_told() {
    let config = r#"{"gates":[{"flag":"featureFlags","paths":["/set"]}]}"#;
    let grants = state("flag:featureFlags");
    let mut plugin = Instance::new(&built("feature-flags"), "feature-flags", config, &grants, &LIMITS).unwrap();
    assert_eq!(plugin.smoke(), Ok(()));
    let request: Vec<_> = plugin
        .activation()
        .request_fields
        .iter()
        .map(|field| match field.as_str() {
            "path" => Some("/set"),
            "method" => Some("GET"),
            _ => None,
        })
        .collect();
    let fields = blob(&request);
    for (value, decision) in [
        (Some("false"), Decision::Respond { status: 404 }),
        (Some("true"), Decision::Next),
        (None, Decision::Respond { status: 404 }),
    ] {
        assert_eq!(plugin.on_state("flag:featureFlags", value), Ok(()));
        assert_eq!(plugin.on_request(&fields, 0, 0).unwrap().decision, decision, "{value:?}");
    }
}

#[test]
fn the_upload_alert_plugin_aborts_above_its_limit() {
    let config = r#"{"limit":"50000B","paths":["/upload"],"action":"abort_canary"}"#;
    let grants = Grants { alerts: true, abort: true, counters: true, tags: true, ..Grants::default() };
    let mut plugin = Instance::new(&built("upload-alert"), "upload-alert", config, &grants, &LIMITS).unwrap();
    assert_eq!(plugin.smoke(), Ok(()));
    assert_eq!(plugin.activation().body_size_above, 50_000);
    let verdict = plugin.on_body_size(0, 50_001, SizeUnit::Body, true).unwrap();
    let effects = verdict.outcome.unwrap().effects;
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::RaiseAlert(alert)
            if alert.abort_rollout && alert.observed == 50_001 && alert.limit == 50_000)),
        "{effects:?}"
    );
    assert_eq!(plugin.refused_effects(), 0);
}
