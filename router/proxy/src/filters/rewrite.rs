//! The path as the server sees it. It stays in normal form, and the query stays as sent unless a plugin sets another.

use std::borrow::Cow;

use bytes::Bytes;
use http::uri::PathAndQuery;
use sluice_policy::filter::PathChange;

use crate::edits::RequestEdits;
use crate::error::Error;
use crate::exchange::Exchange;

/// The target as plugins and the route change it. The path that a plugin sets is the one that the server gets: what the
/// route would rewrite is another one.
pub(super) fn target(
    own: Option<&RequestEdits>,
    change: Option<&PathChange>,
    exchange: &Exchange,
    target: &PathAndQuery,
) -> Result<PathAndQuery, Error> {
    let own_path = own.and_then(|own| own.path.as_deref());
    let own_query = own.and_then(|own| own.query.as_deref());
    let path = match (own_path, change) {
        (Some(path), _) => Cow::Borrowed(path),
        (None, Some(change)) => Cow::Owned(change.apply(target.path(), exchange.path_pattern()?)),
        (None, None) if own_query.is_none() => return Ok(target.clone()),
        (None, None) => Cow::Borrowed(target.path()),
    };
    let query = match own_query {
        Some(query) => Some(query).filter(|query| !query.is_empty()),
        None => target.query(),
    };
    let whole = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.into_owned(),
    };
    PathAndQuery::from_maybe_shared(Bytes::from(whole)).map_err(|_| Error::Target)
}
