//! Native tests of the upload-alert plugin.

use sluice_plugin::testing::{Answer, Decision, Harness};
use sluice_plugin::{Alert, Effect, SizeUnit};

use super::UploadAlert;

fn start(action: &str) -> Harness<UploadAlert> {
    let config = serde_json::json!({ "limit": "50000B", "paths": ["/upload"], "action": action });
    Harness::start(&config.to_string()).expect("starts")
}

fn trip(plugin: &Harness<UploadAlert>) -> Answer {
    plugin.body_size(0, 50_001, SizeUnit::Body, true).expect("is called")
}

fn alert(abort_rollout: bool) -> Effect {
    Effect::RaiseAlert(Alert {
        rule: "upload-size".to_owned(),
        message: "an upload announced 50001 bytes; the limit is 50000".to_owned(),
        observed: 50_001,
        limit: 50_000,
        abort_rollout,
    })
}

#[test]
fn the_limit_passes_and_one_byte_more_trips() {
    let plugin = start("abort_canary");
    assert_eq!(plugin.body_size(0, 50_000, SizeUnit::Body, true), None);
    let answer = trip(&plugin);
    assert_eq!(answer, Answer { effects: vec![alert(true)], ..Answer::plain(Decision::Next) });
}

#[test]
fn alert_lets_the_upload_pass_and_leaves_the_rollout_alone() {
    assert_eq!(trip(&start("alert")).effects, [alert(false)]);
    assert_eq!(trip(&start("alert")).decision, Decision::Next);
}

#[test]
fn reject_answers_413_and_alerts() {
    let answer = trip(&start("reject"));
    assert_eq!((answer.decision, answer.effects), (Decision::Respond(413), vec![alert(false)]));
    let body = answer.response.expect("has a body").body;
    assert_eq!(String::from_utf8(body).expect("text"), "uploads are limited to 50000 bytes\n");
}

#[test]
fn tag_only_tags() {
    let answer = trip(&start("tag"));
    assert_eq!(answer.effects, [Effect::Tag("upload-size".to_owned())]);
}

#[test]
fn a_streamed_file_part_is_named_as_such() {
    let answer = start("alert").body_size(0, 65_536, SizeUnit::Part, false).expect("is called");
    let [Effect::RaiseAlert(alert)] = answer.effects.as_slice() else { panic!("one alert: {answer:?}") };
    assert_eq!(alert.message, "a file of an upload reached 65536 bytes; the limit is 50000");
}

#[test]
fn only_uploads_to_its_paths_are_watched() {
    let plugin = start("alert");
    assert!(plugin.applies("POST", "/upload") && plugin.applies("PUT", "/upload/cat.png"));
    assert!(!plugin.applies("GET", "/upload") && !plugin.applies("POST", "/uploads"));
}

#[test]
fn limit_zero_is_no_limit() {
    let plugin = Harness::<UploadAlert>::start(r#"{"limit":0}"#).expect("starts");
    assert!(!plugin.applies("POST", "/upload"));
    assert_eq!(plugin.body_size(0, u64::MAX, SizeUnit::Body, true), None);
}

#[test]
fn bad_configurations_are_refused_with_the_reason() {
    for (config, reason) in [
        (r#"{"paths":["/upload"]}"#, "config: missing field `limit`"),
        (r#"{"limit":1,"paths":["upload"]}"#, "config: path \"upload\" does not start with /"),
        (
            r#"{"limit":1,"action":"shout"}"#,
            "config: unknown variant `shout`, expected one of `alert`, `reject`, `abort_canary`, `tag`",
        ),
    ] {
        assert_eq!(Harness::<UploadAlert>::start(config).err().as_deref(), Some(reason));
    }
}
