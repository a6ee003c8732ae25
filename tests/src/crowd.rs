//! Many users at once, and where the router sends each of them.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::{Client, RequestBuilder, StatusCode};

use crate::client;
use crate::stack::Stack;

/// Users that ask at the same time.
const AT_ONCE: usize = 32;
/// Among this many users some are on canary, whatever the salt: at 25 % all miss it once in 10^25 tries.
const USERS_SEARCHED: u32 = 200;

/// The variant of each user.
pub type Variants = BTreeMap<u32, String>;

/// Each user of `uids` asks the edge once, known by its cookie.
///
/// # Errors
/// If a request is not answered with 200 by a server of the variant that the router names.
pub async fn ask(client: &Client, stack: &Stack, uids: Range<u32>) -> Result<Variants> {
    ask_as(client, stack, uids, client::as_user).await
}

/// [`ask`], but `sign` says in a request who asks.
///
/// # Errors
/// As [`ask`].
pub async fn ask_as(
    client: &Client,
    stack: &Stack,
    uids: Range<u32>,
    sign: impl Fn(RequestBuilder, u32) -> RequestBuilder,
) -> Result<Variants> {
    // The one page that is answered without a look at the shared data.
    let url = stack.edge("/version");
    let asked = stream::iter(uids).map(|uid| {
        let request = sign(client.get(&url), uid);
        async move { Ok((uid, variant_of(request).await?)) }
    });
    asked.buffer_unordered(AT_ONCE).try_collect().await
}

async fn variant_of(request: RequestBuilder) -> Result<String> {
    let response = request.send().await?;
    ensure!(response.status() == StatusCode::OK, "{response:?}");
    let variant = client::variant(&response).context("the router names the variant")?;
    let release = client::header(&response, "x-meow-release").context("the server names its release")?;
    ensure!(variant == release, "the router says {variant}, the server is {release}");
    // Read to its end, so that the connection can be used again.
    response.bytes().await?;
    Ok(variant)
}

/// How many of them are on canary.
#[must_use]
pub fn on_canary(variants: &Variants) -> usize {
    variants.values().filter(|variant| *variant == "canary").count()
}

/// A user that is on this variant.
///
/// # Errors
/// If there is none.
pub async fn user_on(stack: &Stack, variant: &str) -> Result<u32> {
    let variants = ask(&client::keep_alive(), stack, 0..USERS_SEARCHED).await?;
    let user = variants.into_iter().find(|(_, found)| found == variant);
    user.map(|(uid, _)| uid).with_context(|| format!("no user is on {variant}"))
}
