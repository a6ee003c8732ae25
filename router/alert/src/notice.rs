//! What people are told of an alert: a line, a text, a document. The same alert gives the same notice.
//!
//! An alert holds what plugins and clients said, so nothing of it is believed: each text is one line of bounded length
//! before it reaches a header, a chat or a terminal.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use sluice_model::alert::{Alert, AlertId, AlertStatus};

use crate::text::one_line;

/// Longest message that is told, in characters: some lines of a mail.
pub const MESSAGE_CHARS_MAX: usize = 1_000;
/// Longest name (rule, route, router, label) that is told.
pub const NAME_CHARS_MAX: usize = 200;
/// Most labels that are told.
pub const LABELS_MAX: usize = 32;
/// Longest subject of a mail: what mail programs show of one; RFC 5322 section 2.1.1 allows 998 bytes.
pub const SUBJECT_CHARS_MAX: usize = 150;
/// Longest id; ours have 32 digits, and `-resolved` behind them.
pub const ID_BYTES_MAX: usize = 128;
/// The last time of day that can be shown: the end of the year 9999.
const SHOWN_MS_MAX: u64 = 253_402_300_799_000;
/// Room for names before their values, in the body.
const NAME_WIDTH: usize = 11;

/// One notice.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    alert: Alert,
    link: Option<String>,
}

impl Notice {
    /// Of an alert, with the address of a page that shows it, if there is one.
    #[must_use]
    pub fn new(alert: &Alert, link: Option<&str>) -> Self {
        let name = |text: &str| one_line(text, NAME_CHARS_MAX);
        let optional = |text: &Option<String>| text.as_deref().map(name).filter(|text| !text.is_empty());
        let labels: BTreeMap<String, String> =
            alert.labels.iter().take(LABELS_MAX).map(|(label, value)| (name(label), name(value))).collect();
        let told = Alert {
            id: AlertId::from_text(header_safe(alert.id.as_str())),
            rule: name(&alert.rule),
            fingerprint: name(&alert.fingerprint),
            route: name(&alert.route),
            plugin: name(&alert.plugin),
            message: one_line(&alert.message, MESSAGE_CHARS_MAX),
            observed: alert.observed,
            limit: alert.limit,
            variant: optional(&alert.variant),
            rollout: optional(&alert.rollout),
            request_id: name(&alert.request_id),
            at_ms: alert.at_ms.min(SHOWN_MS_MAX),
            status: alert.status,
            labels,
            router: name(&alert.router),
        };
        Self { alert: told, link: link.map(|link| one_line(link, MESSAGE_CHARS_MAX)) }
    }

    /// The same for every try, and for every sink: letters, digits, `-`, `_` and `.`.
    #[must_use]
    pub fn id(&self) -> &str {
        self.alert.id.as_str()
    }

    /// The alert as it is told.
    #[must_use]
    pub const fn alert(&self) -> &Alert {
        &self.alert
    }

    /// One line.
    #[must_use]
    pub fn subject(&self) -> String {
        let Alert { status, rule, route, message, .. } = &self.alert;
        let of_route = if route.is_empty() { String::new() } else { format!(" on {route}") };
        let says = if message.is_empty() { String::new() } else { format!(": {message}") };
        one_line(&format!("[{}] {rule}{of_route}{says}", status.as_str()), SUBJECT_CHARS_MAX)
    }

    /// Some lines, each ended by a line break.
    #[must_use]
    pub fn body(&self) -> String {
        let alert = &self.alert;
        let what = match alert.status {
            AlertStatus::Firing => "is firing",
            AlertStatus::Resolved => "is over: it was not seen any more",
        };
        let mut body = format!("{} {what}.\n\n", alert.rule);
        if !alert.message.is_empty() {
            body.push_str(&format!("{}\n\n", alert.message));
        }
        let mut line = |name: &str, value: &str| {
            if !value.is_empty() {
                // Writing to a String does not fail.
                let _always_ok = writeln!(body, "{name:NAME_WIDTH$}{value}");
            }
        };
        line("route", &alert.route);
        if (alert.observed, alert.limit) != (0, 0) {
            line("observed", &alert.observed.to_string());
            line("limit", &alert.limit.to_string());
        }
        line("plugin", &alert.plugin);
        line("variant", alert.variant.as_deref().unwrap_or_default());
        line("rollout", alert.rollout.as_deref().unwrap_or_default());
        line("request", &alert.request_id);
        line("router", &alert.router);
        let labels: Vec<String> = alert.labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
        line("labels", &labels.join(" "));
        line("seen", &httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(alert.at_ms)));
        line("alert", alert.id.as_str());
        line("see", self.link.as_deref().unwrap_or_default());
        body
    }

    /// The document of a webhook: the alert as `/v1/alerts` shows it, with `subject`, and `link` if there is one.
    #[must_use]
    pub fn document(&self) -> Value {
        let mut document = serde_json::to_value(&self.alert).unwrap_or_default();
        document["subject"] = json!(self.subject());
        if let Some(link) = &self.link {
            document["link"] = json!(link);
        }
        document
    }

    /// The document of Slack's incoming webhooks. `&`, `<` and `>` are escaped as Slack asks for, so that no text of an
    /// alert becomes a link or calls everyone.
    #[must_use]
    pub fn slack_document(&self) -> Value {
        let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        json!({ "text": format!("*{}*\n{}", escape(&self.subject()).replace('*', ""), escape(&self.body())) })
    }
}

/// An id that fits into a Message-ID (RFC 5322 section 3.6.4) and into any other header.
fn header_safe(id: &str) -> String {
    let is_safe = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    let safe: String =
        id.chars().take(ID_BYTES_MAX).map(|character| if is_safe(character) { character } else { '_' }).collect();
    if safe.is_empty() { "none".to_owned() } else { safe }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn alert() -> Alert {
        Alert {
            id: AlertId::from_text("0123abcd"),
            rule: "upload-size".to_owned(),
            route: "app".to_owned(),
            plugin: "upload-alert".to_owned(),
            message: "an upload of 50001 bytes".to_owned(),
            observed: 50_001,
            limit: 50_000,
            rollout: Some("demo".to_owned()),
            at_ms: 784_111_777_000,
            labels: BTreeMap::from([("team".to_owned(), "edge".to_owned())]),
            router: "a-1".to_owned(),
            ..Alert::default()
        }
    }

    #[test]
    fn people_are_told_what_fires_and_that_it_is_over() {
        let notice = Notice::new(&alert(), Some("http://127.0.0.1:9900/"));
        assert_eq!(notice.subject(), "[firing] upload-size on app: an upload of 50001 bytes");
        let body = "upload-size is firing.\n\nan upload of 50001 bytes\n\nroute      app\nobserved   50001\nlimit      50000\n\
                    plugin     upload-alert\nrollout    demo\nrouter     a-1\nlabels     team=edge\n\
                    seen       Sun, 06 Nov 1994 08:49:37 GMT\nalert      0123abcd\nsee        http://127.0.0.1:9900/\n";
        assert_eq!(notice.body(), body);
        let over = Notice::new(&Alert { status: AlertStatus::Resolved, ..alert() }, None);
        assert!(over.subject().starts_with("[resolved] upload-size"));
        assert!(over.body().starts_with("upload-size is over"));
    }

    #[test]
    fn a_chat_is_told_without_links_and_calls_of_others() {
        let hostile = Alert { message: "<!channel> <http://x|y> & *b*".to_owned(), ..alert() };
        let document = Notice::new(&hostile, None).slack_document();
        let text = document["text"].as_str().unwrap();
        assert!(text.contains("&lt;!channel&gt; &lt;http://x|y&gt; &amp; b"), "{text}");
        assert!(!text.contains('<'), "{text}");
    }

    #[test]
    fn the_webhook_document_is_the_alert_of_the_api() {
        let document = Notice::new(&alert(), Some("http://x/")).document();
        assert_eq!((&document["id"], &document["status"]), (&json!("0123abcd"), &json!("firing")));
        assert_eq!((&document["labels"]["team"], &document["link"]), (&json!("edge"), &json!("http://x/")));
    }

    #[test]
    fn a_huge_alert_is_a_small_notice() {
        let huge = "x".repeat(1 << 20);
        let labels = (0..10_000).map(|index| (format!("{index}{huge}"), huge.clone())).take(100).collect();
        let notice = Notice::new(&Alert { message: huge.clone(), rule: huge.clone(), labels, ..alert() }, None);
        assert_eq!(notice.alert().message.chars().count(), MESSAGE_CHARS_MAX);
        assert_eq!((notice.alert().labels.len(), notice.subject().chars().count()), (LABELS_MAX, SUBJECT_CHARS_MAX));
        assert!(notice.body().len() < 32 * 1_024);
    }

    proptest! {
        #[test]
        fn whatever_an_alert_holds_stays_in_its_line(text in any::<String>(), at_ms in any::<u64>()) {
            let hostile = Alert {
                id: AlertId::from_text(text.clone()), rule: text.clone(), route: text.clone(), message: text.clone(),
                request_id: text.clone(), labels: BTreeMap::from([(text.clone(), text)]), at_ms, ..Alert::default()
            };
            let notice = Notice::new(&hostile, None);
            prop_assert!(!notice.subject().chars().any(char::is_control));
            prop_assert!(notice.body().lines().count() <= 12);
            let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            prop_assert!(!notice.id().is_empty() && notice.id().len() <= ID_BYTES_MAX && notice.id().bytes().all(is_safe));
        }
    }
}
