//! Why a call did not go well, as one of the classes that a caller acts on.
//!
//! The status alone does not say it: 422 is a wrong request, a full account or a busy moment, and 403 a token without the
//! right or a load balancer that is still at work.

use std::error::Error as _;
use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;

use super::call::Call;
use crate::error::CloudError;

/// Texts of others are cut there: they end up in logs and on terminals.
const MESSAGE_CHARS_MAX: usize = 400;

/// The body of an error, as far as it is one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    id: String,
    message: String,
    request_id: Option<String>,
}

/// What an error status means for this call. `again_in` is how long a 429 holds.
pub(super) fn of_status(
    cloud: &'static str,
    call: &Call,
    status: StatusCode,
    body: &[u8],
    again_in: Option<Duration>,
) -> CloudError {
    let Body { id, message, request_id } = serde_json::from_slice(body).unwrap_or_default();
    let what = if message.is_empty() { id } else { message };
    let text = what.to_lowercase();
    let message = readable(&format!("{}: {} {what}", call.shown(), status.as_u16()));
    let request_id = request_id.map(|id| readable(&id));
    match status.as_u16() {
        429 => CloudError::RateLimited { after: again_in.unwrap_or_default() },
        401 => CloudError::Unauthorized { cloud, message },
        403 if is_busy(&text) => CloudError::Transient { message },
        403 => CloudError::Unauthorized { cloud, message },
        422 if is_full(&text) => CloudError::Quota { message },
        422 if text.contains("try again") => CloudError::Transient { message },
        408 | 500.. => unfinished(call, message),
        _ => CloudError::Invalid { message, request_id },
    }
}

/// "..can't be updated while it processes previous actions": a load balancer, for about a minute after a change.
fn is_busy(text: &str) -> bool {
    text.contains("processes previous actions") || text.contains("pending actions")
}

/// "creating this/these droplet(s) will exceed your droplet limit", and the like of other resources.
fn is_full(text: &str) -> bool {
    text.contains("limit") && ["exceed", "reached"].iter().any(|word| text.contains(word))
}

/// No answer came, or not all of it.
pub(super) fn of_transport(call: &Call, error: reqwest::Error) -> CloudError {
    let nothing_was_sent = error.is_connect() || error.is_builder();
    let error = error.without_url();
    let mut message = format!("{}: {error}", call.shown());
    let mut source = error.source();
    while let Some(cause) = source {
        message.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    let message = readable(&message);
    if nothing_was_sent { CloudError::Transient { message } } else { unfinished(call, message) }
}

/// It may have been done, or not. For a call that only reads it is all the same.
pub(super) fn unfinished(call: &Call, message: String) -> CloudError {
    if call.only_reads() { CloudError::Transient { message } } else { CloudError::Unclear { message } }
}

/// The answer of a call that went well is not what it should be. What a write did, it did: look.
pub(super) fn of_answer(call: &Call, message: &str) -> CloudError {
    let message = readable(message);
    if call.only_reads() {
        CloudError::Answer { call: call.shown(), message }
    } else {
        CloudError::Unclear { message: format!("{}: its answer makes no sense: {message}", call.shown()) }
    }
}

/// A text of others on one line, without what moves a cursor, and not too long.
fn readable(text: &str) -> String {
    let one_line = |letter: char| if letter.is_control() { ' ' } else { letter };
    text.chars().map(one_line).take(MESSAGE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(call: &Call, status: u16, message: &str) -> CloudError {
        let body = serde_json::json!({"id": "some_id", "message": message, "request_id": "r-1"}).to_string();
        of_status("digitalocean", call, StatusCode::from_u16(status).unwrap(), body.as_bytes(), None)
    }

    #[test]
    fn a_status_means_what_its_text_says() {
        let create = Call::post(&["droplets"], serde_json::Value::Null);
        let full = "creating this/these droplet(s) will exceed your droplet limit";
        assert!(matches!(class(&create, 422, full), CloudError::Quota { .. }));
        assert!(matches!(class(&create, 422, "Something went wrong, please try again"), CloudError::Transient { .. }));
        assert!(matches!(class(&create, 422, "You specified an invalid region"), CloudError::Invalid { .. }));
        let busy = "Load Balancer can't be updated while it processes previous actions";
        assert!(matches!(class(&create, 403, busy), CloudError::Transient { .. }));
        assert!(matches!(class(&create, 403, "You are not authorized"), CloudError::Unauthorized { .. }));
        assert!(matches!(class(&create, 401, "Unable to authenticate you"), CloudError::Unauthorized { .. }));
        assert!(matches!(class(&create, 404, "not found"), CloudError::Invalid { request_id: Some(_), .. }));
        assert!(matches!(class(&create, 429, "Too many requests"), CloudError::RateLimited { .. }));
        assert!(matches!(class(&create, 302, ""), CloudError::Invalid { .. }));
    }

    #[test]
    fn a_write_is_unclear_where_a_read_is_only_transient() {
        let (read, create) = (Call::get(&["droplets"]), Call::post(&["droplets"], serde_json::Value::Null));
        for status in [408, 500, 502, 503, 504, 599] {
            assert!(matches!(class(&read, status, "oops"), CloudError::Transient { .. }));
            assert!(matches!(class(&create, status, "oops"), CloudError::Unclear { .. }));
            assert!(matches!(class(&Call::delete(&["droplets", "1"]), status, ""), CloudError::Unclear { .. }));
        }
    }

    #[test]
    fn texts_of_others_are_cut_and_clean() {
        let shown = class(&Call::get(&["a"]), 400, &format!("\u{1b}[2J\n{}", "x".repeat(9_999))).to_string();
        assert!(shown.chars().count() < MESSAGE_CHARS_MAX + 50 && !shown.contains(['\u{1b}', '\n']), "{shown}");
        let none = of_status("c", &Call::get(&["a"]), StatusCode::BAD_REQUEST, b"<html>", None);
        assert_eq!(none.to_string(), "the cloud refuses it: GET a: 400 ");
    }
}
