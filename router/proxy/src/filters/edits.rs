//! Header edits: removed first, then set, then added. The policy refuses edits of fields that frame a message.

use http::HeaderMap;
use sluice_policy::filter::HeaderEdits;

/// Edits `headers`. Names and values are shared with the policy, not copied.
pub(crate) fn apply(edits: &HeaderEdits, headers: &mut HeaderMap) {
    // A field may be set to several lines, so all old ones go before the first new one comes.
    for name in edits.remove.iter().chain(edits.set.iter().map(|(name, _)| name)) {
        headers.remove(name);
    }
    for (name, value) in edits.set.iter().chain(&edits.add) {
        headers.append(name, value.clone());
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn line(name: &'static str, value: &'static str) -> (HeaderName, HeaderValue) {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    }

    #[test]
    fn removed_then_set_then_added() {
        let mut headers = HeaderMap::new();
        for (name, value) in [line("x-gone", "1"), line("x-gone", "2"), line("x-set", "old"), line("x-add", "first")] {
            headers.append(name, value);
        }
        let edits = HeaderEdits {
            set: vec![line("x-set", "a"), line("x-set", "b"), line("x-new", "c")],
            add: vec![line("x-add", "second")],
            remove: vec![HeaderName::from_static("x-gone"), HeaderName::from_static("x-never-there")],
        };
        apply(&edits, &mut headers);
        let lines = |name: &str| headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(lines("x-gone"), [""; 0]);
        assert_eq!(lines("x-set"), ["a", "b"]);
        assert_eq!(lines("x-new"), ["c"]);
        assert_eq!(lines("x-add"), ["first", "second"]);
    }
}
