//! All flags for one caller: `POST /ofrep/v1/evaluate/flags`, with an ETag, so that who knows the answer is not told again.
//!
//! The ETag is that of the answer, not of the definitions: the answer depends on the caller and on the time as well.

use std::fmt::Write;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use sluice_control::FlagBook;

use crate::Shared;
use crate::api::now_ms;
use crate::ofrep::asked::Caller;
use crate::ofrep::failure::{Failure, among_all};
use crate::ofrep::{EVENTS, Limits, shown, ticket};

/// Bytes of the digest that an ETag shows: two answers are taken for one once in 2^64 pairs.
const ETAG_BYTES: usize = 16;
/// After so long without anybody looking a client stops to listen: the protocol's own default.
const INACTIVITY_SECONDS: u32 = 120;

pub(super) async fn evaluate(
    State(context): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let _place = Limits::place(&context.ofrep.questions)?;
    let caller = Caller::read(body).await?;
    let book = context.handle.flag_book();
    let flags = serde_json::to_string(&all(&book, &caller)).expect("invariant: JSON values can be written");
    let metadata = Value::Object(metadata(&book)).to_string();
    let etag = etag(&[&flags, &metadata]);
    let mut response = if is_known(&headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let streams = json!([{
            "type": "sse",
            "endpoint": {"requestUri": stream_uri(&context)},
            "inactivityDelaySec": INACTIVITY_SECONDS,
        }]);
        let body = format!(r#"{{"flags":{flags},"metadata":{metadata},"eventStreams":{streams}}}"#);
        ([(header::CONTENT_TYPE, "application/json")], body).into_response()
    };
    let value = HeaderValue::from_str(&etag).expect("invariant: an ETag is hexadecimal digits in quotes");
    response.headers_mut().insert(header::ETAG, value);
    Ok(response)
}

fn all(book: &FlagBook, caller: &Caller) -> Vec<Value> {
    let context = caller.context();
    let flags = book.evaluate_all(&context).map(|(key, evaluation)| match shown(key, &evaluation) {
        Ok(shown) => Value::Object(shown),
        Err(error) => among_all(key, &error),
    });
    flags.collect()
}

/// That of all sets; of two sets with the same name in it, the first set's.
fn metadata(book: &FlagBook) -> Map<String, Value> {
    let mut merged = Map::new();
    for set in book.sets().iter().rev() {
        merged.extend(set.flags.metadata().clone());
    }
    merged
}

/// Where changes are told. Only the path: the origin is the one that the client asks already, whatever stands between.
fn stream_uri(context: &Shared) -> String {
    match &context.tokens.operator {
        Some(operator) => format!("{EVENTS}?ticket={}", ticket::issue(operator, now_ms() / 1000)),
        None => EVENTS.to_owned(),
    }
}

fn etag(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part.as_bytes());
    }
    let mut etag = String::from('"');
    for byte in hash.finalize().iter().take(ETAG_BYTES) {
        write!(etag, "{byte:02x}").expect("invariant: writing to a string does not fail");
    }
    etag.push('"');
    etag
}

/// Whether `If-None-Match` names `etag`, by the weak comparison of RFC 9110 section 13.1.2.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_is_known_in_any_form() {
        let etag = etag(&["a", "b"]);
        let known = |given: &str| {
            let value = HeaderValue::from_str(given).unwrap();
            is_known(&HeaderMap::from_iter([(header::IF_NONE_MATCH, value)]), &etag)
        };
        assert!(known(&etag) && known(&format!("W/{etag}")) && known(&format!("\"x\", {etag}")) && known("*"));
        assert!(!known("\"x\"") && !known(etag.trim_matches('"')) && !is_known(&HeaderMap::new(), &etag));
    }

    #[test]
    fn an_etag_tells_answers_apart() {
        assert_ne!(etag(&["ab", "c"]), etag(&["a", "bc"]));
        assert_eq!(etag(&["a"]).len(), 2 * ETAG_BYTES + 2);
    }
}
