//! Alert rules and sinks: what is read, what each fault says, and that no fault repeats a secret.

use std::collections::BTreeMap;

use sluice_model::alert_rule::{AlertRule, Condition, Metric};

use super::{one_line, only_fault, parse_one, source};
use crate::{Faults, ProcessConfig, Secret, SinkKind, SmtpEncryption, parse_process};

const FULL: &str = include_str!("../../../fixtures/full.toml");
const PROCESS: &str = include_str!("../../../fixtures/process.toml");

fn rule(keys: &str) -> String {
    format!("[alerts.a]\n{keys}")
}

fn fault(keys: &str, expected: &str) {
    assert_eq!(only_fault(&rule(keys)), expected, "{keys}");
}

fn process(text: &str) -> Result<ProcessConfig, Faults> {
    parse_process(&source("sluice.toml", text))
}

fn process_fault(text: &str, expected: &str) {
    assert_eq!(one_line(process(text).expect_err(text)), expected, "{text}");
}

#[test]
fn rules_are_what_is_written() {
    let policy = parse_one(FULL).unwrap_or_else(|faults| panic!("{faults}"));
    let [busy, errors, upload] = policy.alerts.as_slice() else { panic!("{:?}", policy.alerts) };
    let base = |name: &str| AlertRule {
        name: name.to_owned(),
        condition: None,
        for_ms: 0,
        keep_firing_ms: 300_000,
        cooldown_ms: 60_000,
        sinks: None,
        labels: BTreeMap::new(),
    };
    let of = |metric, route: Option<&str>, above, min_samples| {
        Some(Condition { metric, route: route.map(ToOwned::to_owned), above, min_samples })
    };
    assert_eq!(*busy, AlertRule { condition: of(Metric::Cpu, None, 80.0, 0), ..base("busy") });
    let expected = AlertRule {
        condition: of(Metric::ErrorRate, Some("app"), 2.5, 50),
        for_ms: 60_000,
        sinks: Some(vec!["mail".into(), "hook".into()]),
        ..base("errors")
    };
    assert_eq!(*errors, expected);
    let labels = [("team", "edge"), ("page.at", "night")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let expected = AlertRule {
        keep_firing_ms: 600_000,
        cooldown_ms: 120_000,
        sinks: Some(Vec::new()),
        labels: labels.into(),
        ..base("upload-size")
    };
    assert_eq!(*upload, expected);
}

#[test]
fn a_metric_is_measured_against_a_bound_and_a_bound_needs_a_metric() {
    for metric in Metric::ALL {
        parse_one(&rule(&format!("metric = \"{}\"\nabove = 1", metric.as_str()))).unwrap();
    }
    fault("metric = \"cpu\"", "1:1: a `metric` is measured against a bound | write the bound, e.g. above = 5.0");
    let hint = "write `metric`, or remove it: the plugin says when its alert is raised";
    for key in ["above = 5", "min_samples = 5", "for = \"1m\""] {
        let place = key.find('=').unwrap() + 3;
        fault(key, &format!("2:{place}: this says something only beside `metric` | {hint}"));
    }
    fault(
        "metric = \"load\"\nabove = 1",
        "2:10: `load` is no metric | one of `error_rate`, `latency_p50`, `latency_p99`, `request_rate`, `cpu`, `memory`",
    );
    fault("metirc = \"cpu\"\nabove = 1", "2:1: unknown key `metirc` | did you mean `metric`?");
}

#[test]
fn what_a_metric_cannot_have_is_told() {
    let route = "[upstreams.up]\nservers = [\"a:1\"]\n[[routes]]\nname = \"app\"\nto = \"up\"\n";
    let with_route = |keys: &str| format!("{route}{}", rule(keys));
    parse_one(&with_route("metric = \"latency_p99\"\nabove = 500\nroute = \"app\"")).unwrap();
    let unknown = only_fault(&with_route("metric = \"latency_p99\"\nabove = 500\nroute = \"apq\""));
    assert_eq!(unknown, "9:9: no route is named `apq` | did you mean `app`?");
    let whole = only_fault(&with_route("metric = \"memory\"\nabove = 50\nroute = \"app\""));
    assert_eq!(whole, "9:9: `memory` is measured of the whole router | remove `route`");
    fault("metric = \"cpu\"\nabove = 5\nmin_samples = 1", "4:15: `cpu` needs no samples | remove `min_samples`");
    parse_one(&rule("metric = \"cpu\"\nabove = 100")).unwrap();
    fault("metric = \"cpu\"\nabove = 100.1", "3:9: nothing is above 100 percent | write less than 100");
    fault("sinks = [\"a\", \"a\"]", "2:15: `a` is listed twice | remove one of the two");
}

#[test]
fn sinks_are_what_is_written() {
    let config = process(PROCESS).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(config.override_key, Some(Secret::File("override.key".into())));
    assert_eq!(config.alerts_link.as_deref(), Some("https://sluice.example.org/"));
    let names: Vec<&str> = config.sinks.iter().map(|sink| sink.name.as_str()).collect();
    assert_eq!(names, ["hook", "mail", "team"]);
    let [hook, mail, team] = config.sinks.as_slice() else { panic!() };
    let url = "https://example.org:8443/hook?x=1".to_owned();
    assert_eq!(hook.kind, SinkKind::Webhook { url, secret: Some(Secret::File("hook.key".into())) });
    assert_eq!(team.kind, SinkKind::Slack { url: Secret::Env("SLACK_URL".into()) });
    let SinkKind::Smtp(smtp) = &mail.kind else { panic!("{mail:?}") };
    assert_eq!((smtp.host.as_str(), smtp.port, smtp.encryption), ("mail.example.org", Some(2525), SmtpEncryption::Tls));
    assert_eq!(smtp.login, Some(("sluice".into(), Secret::Env("SMTP_PASSWORD".into()))));
    assert_eq!(
        (smtp.from.as_str(), smtp.to.as_slice()),
        ("Sluice <sluice@example.org>", &["ops@example.org".to_owned()][..])
    );
}

#[test]
fn a_sink_is_of_one_kind() {
    process_fault(
        "[alerts.sinks.a]",
        "1:1: a sink is of one kind | write webhook = { url = \"https://example.org/hook\" }, or smtp or slack",
    );
    process_fault(
        "[alerts.sinks.a]\nwebhook.url = \"http://h/\"\nslack.url.env = \"S\"",
        "3:1: a sink is of one kind | give each kind a sink of its own",
    );
    process_fault(
        "[alerts.sinks.a]\nwebhok.url = \"http://h/\"",
        "2:1: unknown key `webhok` | did you mean `webhook`?",
    );
}

#[test]
fn mail_is_encrypted_unless_it_stays_here() {
    let smtp = |keys: &str| format!("[alerts.sinks.a.smtp]\nfrom = \"a@b\"\nto = \"c@d\"\n{keys}");
    for host in ["localhost", "127.0.0.9", "::1"] {
        process(&smtp(&format!("host = \"{host}\"\nencryption = \"none\"")))
            .unwrap_or_else(|faults| panic!("{faults}"));
    }
    process_fault(
        &smtp("host = \"mail.example.org\"\nencryption = \"none\""),
        "5:14: mail to another machine must be encrypted | write \"starttls\" or \"tls\"; `none` is for a server on this machine",
    );
    process_fault(
        &smtp("host = \"localhost\"\nencryption = \"none\"\nlogin = { user = \"u\", password.env = \"P\" }"),
        "5:14: a password would be sent for everyone to read | write \"starttls\" or \"tls\"",
    );
    process_fault(
        &smtp("host = \"localhost\"\nencryption = \"none\"\nca_file = \"ca.pem\""),
        "6:11: without encryption there is nothing to trust | remove `ca_file`",
    );
    process_fault(
        &smtp("host = \"smtp://h\""),
        "4:8: `smtp://h` is no host | write a name or an address, without a scheme; `port` is a key of its own",
    );
    process_fault(&smtp("host = \"h\"\nport = 0"), "5:8: `0` is out of range | from 1 to 65535");
}

#[test]
fn mailboxes_are_addresses_with_or_without_a_name() {
    let to = |to: &str| format!("[alerts.sinks.a.smtp]\nhost = \"h\"\nfrom = \"a@b\"\nto = {to}");
    for mailbox in ["a@b", "A B <a.b+c@d.example>", "\\\"A, B\\\" <a@b>"] {
        process(&to(&format!("\"{mailbox}\""))).unwrap_or_else(|faults| panic!("{faults}"));
    }
    for mailbox in ["a", "@b", "a@", "a@b@c", "A <a@b", "A a@b>", "a b@c", "A <a@b>, B <c@d>", "a@b\\nBcc: c@d"] {
        let shown = process(&to(&format!("\"{mailbox}\""))).expect_err(mailbox).to_string();
        assert!(shown.contains("is no mailbox"), "{shown}");
    }
    process_fault(&to("[\"a@b\", \"a@b\"]"), "4:14: `a@b` is listed twice | remove one of the two");
    process_fault(&to("[]"), "4:6: empty list | write one entry at least, or leave the key out");
}

#[test]
fn a_link_is_an_address_without_a_password() {
    process_fault(
        "[alerts]\nlink = \"dashboard\"",
        "2:8: this is no URL of a web server | write \"https://example.org/hook\"",
    );
    assert!(process("[alerts]\nlink = \"http://a:hunter2@h/\"").is_err());
}

#[test]
fn webhooks_have_a_scheme_and_no_password() {
    let hook = |url: &str| format!("[alerts.sinks.a]\nwebhook.url = \"{url}\"");
    for url in ["http://h", "https://h:1/x?y#z", "https://[::1]:8/", "http://10.0.0.1/"] {
        process(&hook(url)).unwrap_or_else(|faults| panic!("{faults}"));
    }
    for url in ["ftp://h/", "h/hook", "https://", "https:///x", "http://a b/", "http://h:0/", "http://h:x/"] {
        process_fault(&hook(url), "2:15: this is no URL of a web server | write \"https://example.org/hook\"");
    }
    let shown = process(&hook("https://user:hunter2@h/")).unwrap_err().to_string();
    assert!(shown.contains("a password in a URL is no secret") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn secrets_stand_elsewhere_and_no_fault_repeats_them() {
    let texts = [
        "rollouts.override_key = \"hunter2\"",
        "rollouts = { override_key = \"hunter2\", unknown = 1 }",
        "alerts.sinks.a = { slak = 1, slack = { url = \"https://h/hunter2\" } }",
        "alerts.sinks.a.webhook = { url = \"http://h/\", secret = '''\nhunter2''' }",
        "alerts.sinks.a.smtp = { hst = 1, from = \"a@b\", to = \"c@d\", login = { usr = 1, password = \"hunter2\" } }",
    ];
    for text in texts {
        let shown = process(text).expect_err(text).to_string();
        assert!(shown.contains("a secret stands in no policy file") && !shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("write { env = \"NAME\" } or { file = \"PATH\" }"), "{shown}");
    }
    process_fault(
        "rollouts.override_key = {}",
        "1:25: where the secret stands is missing | write { env = \"NAME\" } or { file = \"PATH\" }",
    );
    process_fault(
        "rollouts.override_key = { env = \"A\", file = \"b\" }",
        "1:45: a secret stands in one place | leave out `env` or `file`",
    );
    process_fault(
        "rollouts.override_key.env = \"1A\"",
        "1:29: this is no name of an environment variable | write the name of the variable that holds the token, e.g. \"SLUICE_ADMIN_TOKEN\"",
    );
}
