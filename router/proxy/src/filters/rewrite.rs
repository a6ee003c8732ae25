//! The path as the server sees it. It stays in normal form, and the query stays as sent.

use bytes::Bytes;
use http::uri::PathAndQuery;
use sluice_policy::filter::PathChange;

use crate::error::Error;
use crate::exchange::Exchange;

/// The target with its path changed.
pub(super) fn target(change: &PathChange, exchange: &Exchange, target: &PathAndQuery) -> Result<PathAndQuery, Error> {
    let path = change.apply(target.path(), exchange.path_pattern()?);
    let whole = match target.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    PathAndQuery::from_maybe_shared(Bytes::from(whole)).map_err(|_| Error::Target)
}
