//! One call: what is sent, and whether it may be sent again.

use reqwest::{Method, Url};
use serde_json::Value;

use crate::error::CloudError;

/// What every path begins with.
const VERSION: &str = "v2";
/// Longest part of a path that is not ours: a tag.
const PART_BYTES_MAX: usize = 255;

/// One call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: Vec<String>,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
}

impl Call {
    pub(super) fn get(path: &[&str]) -> Self {
        Self::new(Method::GET, path)
    }

    pub(super) fn post(path: &[&str], body: Value) -> Self {
        Self { body: Some(body), ..Self::new(Method::POST, path) }
    }

    pub(super) fn put(path: &[&str], body: Value) -> Self {
        Self { body: Some(body), ..Self::new(Method::PUT, path) }
    }

    pub(super) fn delete(path: &[&str]) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// With a parameter of the query.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    fn new(method: Method, path: &[&str]) -> Self {
        Self { method, path: path.iter().map(|&part| part.to_owned()).collect(), query: Vec::new(), body: None }
    }

    /// True if it changes nothing there.
    pub(super) fn only_reads(&self) -> bool {
        self.method == Method::GET
    }

    /// For people: `GET droplets/1`.
    pub(super) fn shown(&self) -> String {
        format!("{} {}", self.method, self.path.join("/"))
    }

    /// Where it goes.
    ///
    /// # Errors
    /// If a part of the path could lead elsewhere.
    pub(super) fn url(&self, base: &Url) -> Result<Url, CloudError> {
        if let Some(part) = self.path.iter().find(|part| !is_part(part)) {
            let message = format!("`{}` is no id", part.escape_debug().take(PART_BYTES_MAX).collect::<String>());
            return Err(CloudError::Invalid { message, request_id: None });
        }
        let mut url = base.clone();
        url.set_path(&format!("{VERSION}/{}", self.path.join("/")));
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        Ok(url)
    }
}

/// Whether a text can be one part of a path, as ids, slugs, addresses and tags are. It may come from a file of state.
pub(super) fn is_part(text: &str) -> bool {
    let fit = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.".contains(&byte);
    let leads_elsewhere = text.bytes().all(|byte| byte == b'.');
    !leads_elsewhere && text.len() <= PART_BYTES_MAX && text.bytes().all(fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_nowhere_else() {
        let base = Url::parse("https://api.example").unwrap();
        let url = Call::get(&["droplets", "1"]).with("tag_name", "a:b&c=d").url(&base).unwrap();
        assert_eq!(url.as_str(), "https://api.example/v2/droplets/1?tag_name=a%3Ab%26c%3Dd");
        for part in ["", ".", "..", "...", "1/2", "%2e%2e", "1?a=b", "1#", "ä", " ", &"a".repeat(PART_BYTES_MAX + 1)] {
            Call::delete(&["droplets", part]).url(&base).unwrap_err();
        }
        Call::delete(&["tags", &"a".repeat(PART_BYTES_MAX)]).url(&base).unwrap();
    }
}
