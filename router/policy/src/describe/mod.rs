//! A checked policy as data again, in the vocabulary of the files and with every default spelled out: what two policies
//! are compared by. Each item is one JSON object; what means the same looks the same, however it was written.

mod alert;
mod filters;
mod plugin;
mod rollout;
mod route;
mod upstream;

use std::time::Duration;

use serde_json::{Value, json};
use sluice_document::units::duration_text;
use sluice_model::field::Field;

use crate::limits::{ErrorPage, PagePart};
use crate::policy::Policy;

/// One item of a policy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    /// `route`, `upstream`, `plugin`, `rollout`, `alert rule`, `error page`.
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) content: Value,
}

/// All items, kind by kind, in the policy's order.
pub(crate) fn items(policy: &Policy) -> Vec<Item> {
    let mut items = Vec::new();
    let mut add = |kind: &'static str, name: &str, content: Value| {
        items.push(Item { kind, name: name.to_owned(), content });
    };
    policy.routes.iter().for_each(|route| add("route", &route.name, route::describe(policy, route)));
    policy.upstreams.iter().for_each(|upstream| add("upstream", &upstream.name, upstream::describe(upstream)));
    policy.plugins.iter().for_each(|item| add("plugin", &item.name, plugin::describe(item)));
    policy.rollouts.iter().for_each(|item| add("rollout", &item.name, rollout::describe(policy, item)));
    policy.alerts.iter().for_each(|rule| add("alert rule", &rule.name, alert::describe(rule)));
    policy.error_pages.iter().for_each(|page| add("error page", &page.name, error_page(page)));
    items
}

fn error_page(page: &ErrorPage) -> Value {
    let ErrorPage { name: _, statuses, is_default, content_type, body } = page;
    let part = |part: &PagePart| match part {
        PagePart::Text(text) => text.clone(),
        PagePart::Status => "{status}".to_owned(),
        PagePart::Reason => "{reason}".to_owned(),
        PagePart::RequestId => "{request_id}".to_owned(),
    };
    json!({
        "statuses": statuses.iter().map(range).collect::<Vec<_>>(),
        "default": is_default,
        "content_type": String::from_utf8_lossy(content_type.as_bytes()),
        "body": body.iter().map(part).collect::<String>(),
    })
}

fn range(statuses: &std::ops::RangeInclusive<u16>) -> String {
    let (first, last) = (statuses.start(), statuses.end());
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

fn fields(key: &[Field]) -> Vec<String> {
    key.iter().map(ToString::to_string).collect()
}

/// A span of time as the model has it.
fn span(ms: u64) -> String {
    if ms == 0 { "0s".to_owned() } else { duration_text(Duration::from_millis(ms)) }
}
