//! Listings come in pages, with absolute addresses of their neighbours.

use serde_json::{Map, Value, json};

use super::call::{Answer, Request};

/// Entries of a page that says nothing else.
const ENTRIES: usize = 20;
/// Most entries of a page; a larger wish is taken as this.
const ENTRIES_MAX: usize = 200;

/// Which part of a listing is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    number: usize,
    entries: usize,
}

impl Page {
    /// As the query says.
    pub(super) fn of(request: &Request) -> Self {
        let number =
            |name: &str| request.parameter(name).and_then(|text| text.parse().ok()).filter(|&number| number > 0);
        let entries = number("per_page").unwrap_or(ENTRIES).min(ENTRIES_MAX);
        Self { number: number("page").unwrap_or(1), entries }
    }

    /// The answer: `total` entries in all; only those of this page are written.
    pub(super) fn answer<T>(
        self,
        request: &Request,
        key: &str,
        total: usize,
        all: impl Iterator<Item = T>,
        text: impl Fn(T) -> String,
    ) -> Answer {
        let before = self.entries.saturating_mul(self.number - 1);
        let shown: Vec<String> = all.skip(before).take(self.entries).map(text).collect();
        let links = self.links(request, total);
        let body = format!("{{\"{key}\":[{}],\"links\":{links},\"meta\":{{\"total\":{total}}}}}", shown.join(","));
        Answer::text(200, body)
    }

    fn links(self, request: &Request, total: usize) -> Value {
        let last = total.div_ceil(self.entries).max(1);
        let mut pages = Map::new();
        if self.number > 1 {
            pages.insert("first".into(), self.address(request, 1).into());
            pages.insert("prev".into(), self.address(request, (self.number - 1).min(last)).into());
        }
        if self.number < last {
            pages.insert("next".into(), self.address(request, self.number + 1).into());
            pages.insert("last".into(), self.address(request, last).into());
        }
        if pages.is_empty() { json!({}) } else { json!({ "pages": pages }) }
    }

    fn address(self, request: &Request, number: usize) -> String {
        let mut address = format!("{}{}?page={number}&per_page={}", request.base, request.path, self.entries);
        for (name, value) in request.query.iter().filter(|(name, _)| name != "page" && name != "per_page") {
            address.push_str(&format!("&{}={}", escaped(name), escaped(value)));
        }
        address
    }
}

/// A listing of few entries.
pub(super) fn few(request: &Request, key: &str, entries: &[Value]) -> Answer {
    Page::of(request).answer(request, key, entries.len(), entries.iter(), Value::to_string)
}

/// Percent-encoded but for what RFC 3986 section 2.3 leaves alone.
fn escaped(text: &str) -> String {
    let letter = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(letter).collect()
}
