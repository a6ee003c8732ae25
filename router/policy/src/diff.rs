//! What a change of policy means: items that come, go or change, field by field, and changes of order that matter.
//!
//! Compared is what the files mean, not how they are written: a comment, a default spelled out or an item that moves to
//! another file is no change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::describe::{self, Item};
use crate::policy::Policy;
use crate::route::PathPattern;

/// Everything in which two policies differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    /// Items that come, go or change, by kind and name.
    pub items: Vec<ItemChange>,
    /// Routes that match the same requests and change places: the first listed wins.
    pub order: Vec<OrderChange>,
}

/// One item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemChange {
    /// `route`, `upstream`, `plugin`, `rollout`, `alert rule`, `error page`, or what else the reader compares.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub change: Change,
    /// Fields that differ; of an item that comes or goes none.
    pub fields: Vec<FieldChange>,
}

/// What becomes of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It differs.
    Changed,
}

/// One field of an item that is there before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Its place, e.g. `timeouts.request`.
    pub field: String,
    /// Before; `None` = it had none.
    pub old: Option<String>,
    /// After; `None` = it has none.
    pub new: Option<String>,
}

/// Routes of the same precedence in another order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderChange {
    /// What all of them match: host pattern and path.
    pub matching: String,
    /// Order before, first wins.
    pub old: Vec<String>,
    /// Order after.
    pub new: Vec<String>,
}

impl Diff {
    /// Compares two policies.
    #[must_use]
    pub fn between(old: &Policy, new: &Policy) -> Self {
        Self { items: compare_items(&describe::items(old), describe::items(new)), order: compare_order(old, new) }
    }

    /// True if nothing differs.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.items.is_empty() && self.order.is_empty()
    }

    /// Each change in a few words, such as `route app: timeouts.request`.
    #[must_use]
    pub fn summary(&self) -> Vec<String> {
        let item = |item: &ItemChange| {
            let what = format!("{} {}", item.kind, item.name);
            match item.change {
                Change::Added => format!("{what} added"),
                Change::Removed => format!("{what} removed"),
                Change::Changed => {
                    let fields: Vec<&str> = item.fields.iter().map(|field| field.field.as_str()).collect();
                    format!("{what}: {}", fields.join(", "))
                }
            }
        };
        let order = |order: &OrderChange| format!("order of {}", order.new.join(", "));
        self.items.iter().map(item).chain(self.order.iter().map(order)).collect()
    }
}

fn compare_items(old: &[Item], new: Vec<Item>) -> Vec<ItemChange> {
    let key = |item: &Item| (item.kind, item.name.clone());
    let mut before: BTreeMap<_, &Item> = old.iter().map(|item| (key(item), item)).collect();
    let mut changes = Vec::new();
    let change = |item: &Item, change, fields| ItemChange {
        kind: item.kind.to_owned(),
        name: item.name.clone(),
        change,
        fields,
    };
    for item in new {
        match before.remove(&key(&item)) {
            None => changes.push(change(&item, Change::Added, Vec::new())),
            Some(known) if known.content == item.content => {}
            Some(known) => {
                let fields = compare_fields(&known.content, &item.content);
                changes.push(change(&item, Change::Changed, fields));
            }
        }
    }
    changes.extend(before.into_values().map(|item| change(item, Change::Removed, Vec::new())));
    changes.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
    changes
}

fn compare_fields(old: &Value, new: &Value) -> Vec<FieldChange> {
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    flatten("", old, &mut before);
    flatten("", new, &mut after);
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let change = |field: &String| {
        let (old, new) = (before.get(field).cloned(), after.get(field).cloned());
        (old != new).then(|| FieldChange { field: field.clone(), old, new })
    };
    names.into_iter().filter_map(change).collect()
}

/// Objects are taken apart, everything else is one text; what is `null` is not there.
fn flatten(place: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (name, value) in fields {
                let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
                flatten(&place, value, into);
            }
        }
        Value::Array(items) if items.is_empty() => {}
        Value::Array(items) => {
            let texts: Vec<String> = items.iter().map(text).collect();
            into.insert(place.to_owned(), texts.join(", "));
        }
        other => {
            into.insert(place.to_owned(), text(other));
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// The routes of each precedence: for the same host and path (or any two regular expressions), with or without a method,
/// with as many header and query conditions, the first listed wins.
fn tied(policy: &Policy) -> BTreeMap<(String, bool, usize, usize), Vec<&str>> {
    let mut groups: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for route in &policy.routes {
        for host in &route.hosts {
            for found in &route.matches {
                let place = match &found.path {
                    PathPattern::Regex(_) => format!("host {host}, by regular expression"),
                    path => format!("host {host}, {path}"),
                };
                let key = (place, found.methods.is_empty(), found.headers.len(), found.query.len());
                let group = groups.entry(key).or_default();
                if group.last() != Some(&route.name.as_str()) {
                    group.push(&route.name);
                }
            }
        }
    }
    groups
}

fn compare_order(old: &Policy, new: &Policy) -> Vec<OrderChange> {
    let (before, after) = (tied(old), tied(new));
    let compare = |(key, new): (&(String, bool, usize, usize), &Vec<&str>)| {
        let old = before.get(key)?;
        let common = |names: &[&str], others: &[&str]| -> Vec<String> {
            names.iter().filter(|name| others.contains(name)).map(|name| (*name).to_owned()).collect()
        };
        let (old, new) = (common(old, new), common(new, old));
        (old != new).then(|| OrderChange { matching: key.0.clone(), old, new })
    };
    after.iter().filter_map(compare).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Source, parse};

    const POLICY: &str = "
        [upstreams.a]
        servers = [\"10.0.0.1:80\"]
        [[routes]]
        name = \"one\"
        match = { path = { prefix = \"/\" }, headers = { x-a = \"1\" } }
        to = \"a\"
        [[routes]]
        name = \"two\"
        match = { path = { prefix = \"/\" }, headers = { x-b = \"1\" } }
        to = \"a\"
    ";

    fn policy(text: &str) -> Policy {
        parse(&[Source { file: "a.toml".to_owned(), text: text.to_owned() }]).unwrap()
    }

    fn diff(text: &str) -> Diff {
        Diff::between(&policy(POLICY), &policy(text))
    }

    #[test]
    fn what_means_the_same_does_not_differ() {
        assert!(diff(POLICY).is_empty());
        let spelled = POLICY.replace("to = \"a\"", "to = [{ upstream = \"a\", weight = 1 }] # same");
        assert_eq!(diff(&spelled), Diff::default());
        let full = include_str!("../fixtures/full.toml");
        assert!(Diff::between(&policy(full), &policy(full)).is_empty());
    }

    #[test]
    fn fields_are_told_one_by_one() {
        let changed = POLICY.replacen(
            "to = \"a\"",
            "to = \"a\"\ntimeouts = { request = \"5s\" }\nlimits = { body = \"1KiB\" }",
            1,
        );
        let diff = diff(&changed);
        let [route] = diff.items.as_slice() else { panic!("{diff:?}") };
        assert_eq!((route.kind.as_str(), route.name.as_str(), route.change), ("route", "one", Change::Changed));
        let field = |name: &str| route.fields.iter().find(|change| change.field == name).cloned().unwrap();
        assert_eq!(field("limits.body").old, None);
        assert_eq!(field("limits.body").new.as_deref(), Some("1KiB"));
        assert_eq!(field("timeouts.request").old.as_deref(), Some("1h"));
        assert!(diff.summary()[0].starts_with("route one: limits.body, timeouts."), "{:?}", diff.summary());
    }

    #[test]
    fn plans_rules_and_comparisons_are_told_field_by_field() {
        let full = include_str!("../fixtures/full.toml");
        let changed = full
            .replace("weight = 1, pause = \"10m\"", "weight = 2, pause = \"10m\"")
            .replace("min = 99.5", "min = 99.9")
            .replace("quantile = 99.9, max = \"500ms\"", "quantile = 99.9, max = \"400ms\"")
            .replace(", \"query:variant\"]", "]")
            .replace("above = 80", "above = 90")
            .replace("sinks = []", "cooldown = \"2m\" # everybody")
            .replacen("cooldown = \"2m\"\n", "", 1)
            .replace("body = true } }]", "body = false } }]");
        let diff = Diff::between(&policy(full), &policy(&changed));
        let told: Vec<String> = diff
            .items
            .iter()
            .flat_map(|item| {
                item.fields.iter().map(move |field| format!("{} {} {}", item.kind, item.name, field.field))
            })
            .collect();
        let expected = [
            "alert rule busy condition.above",
            "alert rule upload-size sinks",
            "rollout demo analysis.latency.p99.9.max",
            "rollout demo analysis.success_rate.min",
            "rollout demo override",
            "rollout demo steps",
            "route app mirror",
        ];
        assert_eq!(told, expected, "{diff:?}");
        let sinks = &diff.items[1].fields[0];
        assert_eq!((sinks.old.as_deref(), sinks.new.as_deref()), (Some("[]"), Some("all")));
        let mirror = &diff.items[3].fields[0];
        assert_eq!(mirror.new.as_deref(), Some("b (100 %), c (12.5 %), compared by status, content-type, etag"));
    }

    #[test]
    fn items_come_and_go() {
        let changed = POLICY.replace("name = \"two\"", "name = \"three\"");
        let seen: Vec<_> = diff(&changed).items.into_iter().map(|item| (item.name, item.change)).collect();
        assert_eq!(seen, [("three".to_owned(), Change::Added), ("two".to_owned(), Change::Removed)]);
    }

    #[test]
    fn order_counts_where_routes_are_tied() {
        let swapped = POLICY.replace("\"one\"", "\"x\"").replace("\"two\"", "\"one\"").replace("\"x\"", "\"two\"");
        let swapped = swapped.replace("x-a", "x-c").replace("x-b", "x-a").replace("x-c", "x-b");
        let diff = diff(&swapped);
        assert!(diff.items.is_empty(), "{diff:?}");
        assert_eq!(diff.order[0].new, ["two", "one"]);
        assert_eq!(diff.order[0].matching, "host *, prefix /");
    }
}
