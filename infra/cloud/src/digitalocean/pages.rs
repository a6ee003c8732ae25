//! Listings: page after page, each link looked at before it is followed.

use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::DigitalOcean;
use super::call::Call;
use super::fault;
use super::transport::Answer;
use crate::error::CloudError;

/// Most entries of a page (DigitalOcean's reference, "Pagination"; 20 if not asked for more).
pub(super) const ENTRIES_MAX: u32 = 200;
/// Most pages of a listing: 20,000 droplets are twice what we rehearse with.
const PAGES_MAX: usize = 100;

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    links: Links,
    /// The entries, under the name of what they are.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Links {
    pages: Option<Pages>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pages {
    next: Option<String>,
}

impl DigitalOcean {
    /// Sends a call to what must be there; the body of the answer.
    pub(super) async fn body(&self, call: &Call, at: Option<&Url>) -> Result<Vec<u8>, CloudError> {
        match self.transport.ask(call, at).await? {
            Answer::Body(body) => Ok(body),
            Answer::Missing(error) => Err(error),
        }
    }

    /// Sends a call, and reads what its answer has under `key`.
    pub(super) async fn one<T: DeserializeOwned>(&self, call: &Call, key: &str) -> Result<T, CloudError> {
        under(call, &self.body(call, None).await?, key)
    }

    /// The same; `None` where there is none.
    pub(super) async fn one_if_there<T: DeserializeOwned>(
        &self,
        call: &Call,
        key: &str,
    ) -> Result<Option<T>, CloudError> {
        match self.transport.ask(call, None).await? {
            Answer::Body(body) => under(call, &body, key).map(Some),
            Answer::Missing(_) => Ok(None),
        }
    }

    /// Sends a call that deletes: what is gone is fine.
    pub(super) async fn gone(&self, call: &Call) -> Result<(), CloudError> {
        self.transport.ask(call, None).await.map(drop)
    }

    /// All entries of a listing, of all its pages.
    pub(super) async fn all<T: DeserializeOwned>(&self, call: Call, key: &str) -> Result<Vec<T>, CloudError> {
        let call = call.with("per_page", self.page_entries.to_string());
        let mut all = Vec::new();
        let mut at: Option<Url> = None;
        for _ in 0..PAGES_MAX {
            let body = self.body(&call, at.as_ref()).await?;
            let page: Page =
                serde_json::from_slice(&body).map_err(|error| fault::of_answer(&call, &error.to_string()))?;
            let Page { links, mut rest } = page;
            let entries = rest.remove(key).ok_or_else(|| fault::of_answer(&call, &format!("it has no `{key}`")))?;
            // `null` is how Go writes an empty list.
            let entries: Option<Vec<T>> =
                serde_json::from_value(entries).map_err(|error| fault::of_answer(&call, &error.to_string()))?;
            all.extend(entries.unwrap_or_default());
            let Some(next) = links.pages.and_then(|pages| pages.next) else { return Ok(all) };
            at = Some(self.page(&call, &next)?);
        }
        Err(fault::of_answer(&call, &format!("it has more than {PAGES_MAX} pages")))
    }

    /// The link of a page, if it leads to the same listing at the same host: the token goes with it.
    fn page(&self, call: &Call, link: &str) -> Result<Url, CloudError> {
        let own = call.url(self.transport.base())?;
        let url = Url::parse(link).ok().filter(|url| {
            url.origin() == own.origin()
                && url.path() == own.path()
                && url.username().is_empty()
                && url.password().is_none()
        });
        url.ok_or_else(|| fault::of_answer(call, "its next page is at another address"))
    }
}

/// What an answer has under `key`.
fn under<T: DeserializeOwned>(call: &Call, body: &[u8], key: &str) -> Result<T, CloudError> {
    let mut answer: Map<String, Value> =
        serde_json::from_slice(body).map_err(|error| fault::of_answer(call, &error.to_string()))?;
    let found = answer.remove(key).ok_or_else(|| fault::of_answer(call, &format!("it has no `{key}`")))?;
    serde_json::from_value(found).map_err(|error| fault::of_answer(call, &error.to_string()))
}
