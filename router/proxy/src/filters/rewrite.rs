//! The path as the server sees it. It stays in normal form, and the query stays as sent.

use bytes::Bytes;
use http::uri::PathAndQuery;
use sluice_policy::PathPattern;
use sluice_policy::filter::PathChange;

use crate::error::Error;
use crate::exchange::Exchange;

/// The target with its path changed.
pub(super) fn target(change: &PathChange, exchange: &Exchange, target: &PathAndQuery) -> Result<PathAndQuery, Error> {
    let path = path(change, exchange, target)?;
    let whole = match target.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    PathAndQuery::from_maybe_shared(Bytes::from(whole)).map_err(|_| Error::Target)
}

/// The changed path alone.
pub(super) fn path(change: &PathChange, exchange: &Exchange, target: &PathAndQuery) -> Result<String, Error> {
    let path = target.path();
    let patterns = exchange.route_policy()?.matches.iter().map(|found| &found.path);
    let covering = patterns.filter_map(|pattern| Some((covered_bytes(pattern, path)?, pattern)));
    let (_, longest) = covering.max_by_key(|(bytes, _)| *bytes).ok_or(Error::NoRoute)?;
    Ok(change.apply(path, longest))
}

/// How much of `path` a pattern that accepts it names; an exact one names everything.
fn covered_bytes(pattern: &PathPattern, path: &str) -> Option<usize> {
    match pattern {
        PathPattern::Prefix(prefix) => {
            let prefix = prefix.trim_end_matches('/');
            let rest = path.strip_prefix(prefix)?;
            (rest.is_empty() || rest.starts_with('/')).then_some(prefix.len())
        }
        PathPattern::Exact(exact) => (exact == path).then_some(usize::MAX),
        _ => Some(0),
    }
}
