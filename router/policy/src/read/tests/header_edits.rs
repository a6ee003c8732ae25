//! Header edits: any table of them is read exactly if it names no field of the router's and no name twice.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;

use super::parse_one;

const FREE: [&str; 6] = ["x-a", "X-B", "cache-control", "vary", "server", "a_b"];
const RESERVED: [&str; 10] = [
    "Host",
    "content-length",
    "Transfer-Encoding",
    "connection",
    "te",
    "via",
    "x-forwarded-proto",
    "Forwarded",
    "x-sluice-request-id",
    "upgrade",
];

/// Names, each with its lines; written in different cases, so that a name may stand there twice.
fn names() -> impl Strategy<Value = BTreeMap<&'static str, Vec<String>>> {
    let name = prop_oneof![12 => select(&FREE[..]), 1 => select(&RESERVED[..])];
    proptest::collection::btree_map(name, proptest::collection::vec("[ -~]{0,4}", 1..3), 0..4)
}

fn table(names: &BTreeMap<&str, Vec<String>>) -> String {
    let entries: Vec<String> = names.iter().map(|(name, values)| format!("{name} = {values:?}")).collect();
    format!("{{ {} }}", entries.join(", "))
}

proptest! {
    #[test]
    fn edits_are_read_exactly_if_they_are_the_operators(
        set in names(),
        add in names(),
        remove in proptest::collection::btree_set(prop_oneof![12 => select(&FREE[..]), 1 => select(&RESERVED[..])], 0..3),
    ) {
        let edits = format!("set = {}, add = {}, remove = {:?}", table(&set), table(&add), remove.iter().collect::<Vec<_>>());
        let text = format!("[[routes]]\nname = \"r\"\nredirect.port = 1\nrequest_headers = {{ {edits} }}\n");
        let all: Vec<&str> = set.keys().chain(add.keys()).copied().chain(remove.iter().copied()).collect();
        let mut distinct = all.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let allowed = all.iter().all(|name| FREE.contains(name)) && distinct.len() == all.len();
        let mut values = set.values().chain(add.values()).flatten();
        let good = values.all(|value| value.trim() == value);
        let parsed = parse_one(&text);
        prop_assert_eq!(parsed.is_ok(), allowed && good, "{}", text);
        if let Ok(policy) = parsed {
            let read = &policy.routes[0].filters.request_headers;
            let flat = |names: &BTreeMap<&str, Vec<String>>| {
                let lines = names.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
                let mut lines: Vec<_> = lines.map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
                lines.sort();
                lines
            };
            let sorted = |lines: &[(http::HeaderName, http::HeaderValue)]| {
                let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
                let mut lines: Vec<_> = lines.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
                lines.sort();
                lines
            };
            prop_assert_eq!(sorted(&read.set), flat(&set));
            prop_assert_eq!(sorted(&read.add), flat(&add));
            prop_assert_eq!(read.remove.len(), remove.len());
        }
    }
}
