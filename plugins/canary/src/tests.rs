//! Native tests of the canary plugin.

use sluice_plugin::testing::{Answer, Decision, Harness};

use super::Canary;

const USERS: usize = 10_000;

fn start() -> Harness<Canary> {
    Harness::start(r#"{"rollout":"demo"}"#).expect("starts")
}

fn set(plugin: &Harness<Canary>, state: &str, weight_bps: u16) {
    let document = serde_json::json!({
        "state": state, "weight_bps": weight_bps, "salt": "s1", "epoch": 4, "stable": "stable", "canary": "canary",
    });
    plugin.state("rollout:demo", Some(&document.to_string())).expect("is taken");
}

fn variant_of(plugin: &Harness<Canary>, user: usize) -> Decision {
    plugin.request(&[("rollout-key:demo", &format!("user-{user}"))]).decision
}

fn on_canary(plugin: &Harness<Canary>) -> Vec<bool> {
    (0..USERS).map(|user| variant_of(plugin, user) == Decision::Variant("canary".to_owned())).collect()
}

#[test]
fn a_quarter_is_a_quarter_and_stays_the_same_users() {
    let plugin = start();
    set(&plugin, "running", 2_500);
    let first = on_canary(&plugin);
    let count = first.iter().filter(|canary| **canary).count();
    assert!((2_350..=2_650).contains(&count), "{count} of {USERS}");
    assert_eq!(on_canary(&plugin), first);
}

#[test]
fn raising_the_weight_moves_nobody_off_the_canary() {
    let plugin = start();
    let mut before = vec![false; USERS];
    for weight_bps in [1, 100, 2_500, 5_000, 9_999, 10_000] {
        set(&plugin, "running", weight_bps);
        let after = on_canary(&plugin);
        assert!(before.iter().zip(&after).all(|(before, after)| !before || *after), "at {weight_bps}");
        before = after;
    }
    assert!(before.iter().all(|canary| *canary));
}

#[test]
fn an_aborted_rollout_has_no_weight_and_serves_stable() {
    let plugin = start();
    set(&plugin, "aborted", 0);
    assert!(on_canary(&plugin).iter().all(|canary| !canary));
    assert_eq!(variant_of(&plugin, 0), Decision::Variant("stable".to_owned()));
}

#[test]
fn without_rollout_or_key_there_is_no_choice() {
    let plugin = start();
    assert_eq!(variant_of(&plugin, 0), Decision::Next);
    set(&plugin, "promoted", 10_000);
    assert_eq!(plugin.request(&[]), Answer::plain(Decision::Next));
    plugin.state("rollout:demo", None).expect("is taken");
    assert_eq!(variant_of(&plugin, 0), Decision::Next);
}

#[test]
fn a_bad_document_keeps_the_old_rollout() {
    let plugin = start();
    set(&plugin, "promoted", 10_000);
    assert!(plugin.state("rollout:demo", Some("{}")).is_err());
    let renamed = r#"{"state":"running","weight_bps":1,"salt":"","epoch":5,"stable":"blue","canary":"green"}"#;
    let error = plugin.state("rollout:demo", Some(renamed)).expect_err("other variants");
    assert_eq!(error, "the rollout has a variant blue, config `variants` are stable, canary");
    assert_eq!(variant_of(&plugin, 0), Decision::Variant("canary".to_owned()));
}

#[test]
fn variants_may_have_other_names() {
    let plugin = Harness::<Canary>::start(r#"{"rollout":"demo","stable":"blue","canary":"green"}"#).expect("starts");
    assert_eq!(plugin.activation().variants, ["blue", "green"]);
}

const THREE: &str = r#"{"rollout":"demo","variants":["stable","canary","beta"]}"#;

fn split(plugin: &Harness<Canary>, slots: &[(&str, u16)]) -> Result<Vec<Decision>, String> {
    let document = serde_json::json!({
        "state": "running", "weight_bps": 0, "salt": "s1", "epoch": 4, "stable": "stable", "canary": "canary",
        "slots": slots,
    });
    plugin.state("rollout:demo", Some(&document.to_string()))?;
    Ok((0..USERS).map(|user| variant_of(plugin, user)).collect())
}

#[test]
fn three_variants_have_their_shares_and_a_growing_one_takes_from_stable_only() {
    let plugin = Harness::<Canary>::start(THREE).expect("starts");
    let variant = |name: &str| Decision::Variant(name.to_owned());
    let before = split(&plugin, &[("canary", 2_500), ("beta", 1_000), ("stable", 6_500)]).expect("is taken");
    let after = split(&plugin, &[("canary", 2_500), ("beta", 1_000), ("canary", 2_000), ("stable", 4_500)]);
    let after = after.expect("is taken");
    for (name, share, grown) in [("canary", 2_500, 4_500), ("beta", 1_000, 1_000), ("stable", 6_500, 4_500)] {
        let count = |of: &[Decision]| of.iter().filter(|decision| **decision == variant(name)).count();
        assert!(count(&before).abs_diff(share) < 200, "{name}: {}", count(&before));
        assert!(count(&after).abs_diff(grown) < 200, "{name}: {}", count(&after));
    }
    for (before, after) in before.iter().zip(&after) {
        assert!(before == after || (*before == variant("stable") && *after == variant("canary")));
    }
}

#[test]
fn a_variant_that_the_configuration_does_not_have_is_refused_by_name() {
    let error = split(&start(), &[("canary", 2_500), ("beta", 7_500)]).expect_err("no such variant");
    assert_eq!(error, "the rollout has a variant beta, config `variants` are stable, canary");
}

#[test]
fn a_misspelt_configuration_is_refused() {
    let error = Harness::<Canary>::start(r#"{"rolout":"demo"}"#).err().expect("is refused");
    assert_eq!(error, "config: unknown field `rolout`, expected one of `rollout`, `variants`, `stable`, `canary`");
}
