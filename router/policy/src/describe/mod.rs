//! A checked policy as data again, in the vocabulary of the files and with every default spelled out: what two policies
//! are compared by. Each item is one JSON object; what means the same looks the same, however it was written.

mod filters;
mod plugin;
mod route;
mod upstream;

use serde_json::{Value, json};
use sluice_model::field::Field;

use crate::limits::{ErrorPage, PagePart};
use crate::policy::{Policy, Rollout};

/// One item of a policy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    /// `route`, `upstream`, `plugin`, `rollout`, `error page`.
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
    policy.rollouts.iter().for_each(|item| add("rollout", &item.name, rollout(policy, item)));
    policy.error_pages.iter().for_each(|page| add("error page", &page.name, error_page(page)));
    items
}

fn rollout(policy: &Policy, rollout: &Rollout) -> Value {
    let Rollout { name: _, key, stable, canary, variants, initial, overrides: _, plan: _ } = rollout;
    let variants: serde_json::Map<String, Value> =
        variants.iter().map(|(name, upstream)| (name.clone(), json!(policy.upstreams[*upstream].name))).collect();
    json!({
        "key": fields(key),
        "stable": stable,
        "canary": canary,
        "variants": variants,
        "initial": initial.as_percent(),
    })
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
