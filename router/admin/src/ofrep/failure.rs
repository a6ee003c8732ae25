//! What goes wrong, as the protocol says it: statuses and bodies of its OpenAPI document.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};
use sluice_flagd::{ErrorCode, EvaluationError};

/// Seconds after which someone who was turned away may ask again: places are held for milliseconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The body is not what the protocol says.
    Parse(String),
    /// It is, but its context is none.
    Context(String),
    /// The flag could not be evaluated, or there is none.
    Evaluation(EvaluationError),
    /// More is asked at a time than is answered.
    TooMany,
}

impl Failure {
    fn parts(self) -> (StatusCode, &'static str, String) {
        match self {
            Self::Parse(details) => (StatusCode::BAD_REQUEST, "PARSE_ERROR", details),
            Self::Context(details) => (StatusCode::BAD_REQUEST, "INVALID_CONTEXT", details),
            Self::Evaluation(EvaluationError { code, details }) => {
                let status = match code {
                    ErrorCode::FlagNotFound => StatusCode::NOT_FOUND,
                    ErrorCode::ParseError | ErrorCode::General => StatusCode::BAD_REQUEST,
                };
                (status, code.as_str(), details)
            }
            Self::TooMany => (StatusCode::TOO_MANY_REQUESTS, "GENERAL", "too many questions at a time".to_owned()),
        }
    }

    /// The answer to a question about one flag, which names it.
    pub(super) fn about(self, key: &str) -> Response {
        self.respond(Some(key))
    }

    fn respond(self, key: Option<&str>) -> Response {
        let (status, code, details) = self.parts();
        let mut response = (status, Json(body(key, code, &details))).into_response();
        if status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        response
    }
}

/// The answer to a question about all flags, or to a listener.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        self.respond(None)
    }
}

/// `evaluationFailure` of the protocol, or `bulkEvaluationFailure` without a key.
fn body(key: Option<&str>, code: &str, details: &str) -> Value {
    let key = key.map(|key| ("key".to_owned(), json!(key)));
    let rest = [("errorCode".to_owned(), json!(code)), ("errorDetails".to_owned(), json!(details))];
    Value::Object(key.into_iter().chain(rest).collect::<Map<_, _>>())
}

/// A flag among all that could not be evaluated.
pub(super) fn among_all(key: &str, error: &EvaluationError) -> Value {
    body(Some(key), error.code.as_str(), &error.details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_have_the_statuses_of_the_protocol() {
        let of = |code| Failure::Evaluation(EvaluationError { code, details: String::new() }).about("k").status();
        assert_eq!(of(ErrorCode::FlagNotFound), StatusCode::NOT_FOUND);
        assert_eq!(of(ErrorCode::General), StatusCode::BAD_REQUEST);
        let turned_away = Failure::TooMany.into_response();
        assert_eq!(turned_away.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(turned_away.headers()[header::RETRY_AFTER], "1");
        assert_eq!(body(None, "PARSE_ERROR", "x"), json!({"errorCode": "PARSE_ERROR", "errorDetails": "x"}));
    }
}
