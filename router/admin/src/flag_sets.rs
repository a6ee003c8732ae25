//! `/v1/flagsets`: sets of flag definitions, each one document. It is written whole and given back byte by byte.
//!
//! `If-Match` with the `ETag` of a read makes sure that nobody's change is lost; the tag moves with a raw `SET` too.

use std::net::SocketAddr;

use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use sluice_control::{Expected, StoredSet};
use sluice_flagd::limits::DOCUMENT_BYTES_MAX;
use sluice_model::audit::Author;

use crate::Shared;
use crate::auth::caller;
use crate::error::ApiError;
use crate::flags::reason;

pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/v1/flagsets", get(list)).route("/v1/flagsets/{set}", get(show).put(write).delete(remove))
}

/// A set that serves.
#[derive(Debug, Serialize)]
struct View<'b> {
    name: &'b str,
    version: u64,
    bytes: usize,
    flags: usize,
    /// Flags of it that cannot be evaluated.
    flags_at_fault: usize,
}

async fn list(State(context): State<Shared>) -> Json<serde_json::Value> {
    let book = context.handle.flag_book();
    let view = |set: &std::sync::Arc<sluice_control::Definition>| {
        serde_json::json!(View {
            name: &set.name,
            version: set.version,
            bytes: set.text.len(),
            flags: set.flags.flags().count(),
            flags_at_fault: set.flags.flags_at_fault(),
        })
    };
    Json(book.sets().iter().map(view).collect())
}

async fn show(State(context): State<Shared>, Path(set): Path<String>) -> Result<Response, ApiError> {
    let stored = context.handle.flag_set(&set).await?;
    let stored = stored.ok_or_else(|| ApiError::NotFound(format!("no set of flags is named `{set}`")))?;
    let headers = [(header::CONTENT_TYPE, "application/json".to_owned()), (header::ETAG, quoted(&stored))];
    Ok((headers, stored.text.to_string()).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Why {
    #[serde(default)]
    reason: String,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Written {
    name: String,
    version: u64,
    etag: String,
}

async fn write(
    State(context): State<Shared>,
    Path(set): Path<String>,
    Query(why): Query<Why>,
    connection: ConnectInfo<SocketAddr>,
    request: Request,
) -> Result<Response, ApiError> {
    let expected = expected(request.headers())?;
    let body = axum::body::to_bytes(request.into_body(), DOCUMENT_BYTES_MAX).await;
    let body = body.map_err(|_| ApiError::TooLarge { bytes_max: DOCUMENT_BYTES_MAX })?;
    let text = std::str::from_utf8(&body).map_err(|_| ApiError::Invalid("the document is not UTF-8".to_owned()))?;
    let (by, reason) = (caller(connection), reason(&why.reason)?);
    let stored = context.handle.put_flag_set(&set, text, &expected, Author { by: &by, reason: &reason }).await?;
    let etag = quoted(&stored);
    let written = Written { name: set, version: stored.version, etag: etag.clone() };
    Ok(([(header::ETAG, etag)], Json(written)).into_response())
}

async fn remove(
    State(context): State<Shared>,
    Path(set): Path<String>,
    Query(why): Query<Why>,
    connection: ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let (by, reason, expected) = (caller(connection), reason(&why.reason)?, expected(&headers)?);
    context.handle.delete_flag_set(&set, &expected, Author { by: &by, reason: &reason }).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn quoted(stored: &StoredSet) -> String {
    format!("\"{}\"", stored.tag)
}

/// RFC 9110 sections 13.1.1 and 13.1.2, of which one tag, and "none at all", make sense here.
fn expected(headers: &HeaderMap) -> Result<Expected, ApiError> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default().trim());
    match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (None, None) => Ok(Expected::Anything),
        (None, Some("*")) => Ok(Expected::Nothing),
        (Some(tag), None) => match tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(tag) if !tag.contains('"') => Ok(Expected::Tag(tag.to_owned())),
            _ => Err(ApiError::Invalid("`If-Match` is the ETag of a read, in quotes".to_owned())),
        },
        (_, Some(_)) => Err(ApiError::Invalid("`If-None-Match` is `*` alone: there must be no such set".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(header::HeaderName, &'static str)]) -> Result<Expected, ApiError> {
        expected(&pairs.iter().map(|(name, value)| (name.clone(), http::HeaderValue::from_static(value))).collect())
    }

    #[test]
    fn conditions_are_one_tag_or_nothing_at_all() {
        assert_eq!(of(&[]), Ok(Expected::Anything));
        assert_eq!(of(&[(header::IF_MATCH, "\"3-ab\"")]), Ok(Expected::Tag("3-ab".to_owned())));
        assert_eq!(of(&[(header::IF_NONE_MATCH, "*")]), Ok(Expected::Nothing));
        for wrong in ["*", "3-ab", "\"a\", \"b\"", "W/\"a\""] {
            assert!(of(&[(header::IF_MATCH, wrong)]).is_err(), "{wrong}");
        }
        assert!(of(&[(header::IF_NONE_MATCH, "\"a\"")]).is_err());
        assert!(of(&[(header::IF_MATCH, "\"a\""), (header::IF_NONE_MATCH, "*")]).is_err());
    }
}
