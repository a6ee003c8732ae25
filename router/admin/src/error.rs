//! Errors of the admin port: one shape on the wire, `{"error":{"code","message"}}`.

use std::net::SocketAddr;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};
use sluice_control::{CommandError, FlagError};
use sluice_flagd::DocumentFault;

/// Why the admin port did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A public address without a token would let anyone steer traffic.
    #[error("admin address {address} is not loopback, so it needs a token: set `token_env` under [admin]")]
    TokenMissing {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be bound.
    #[error("cannot bind admin address {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// What a caller of the API did wrong, or what went wrong here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ApiError {
    /// The request itself is wrong.
    Invalid(String),
    /// No such thing.
    NotFound(String),
    /// Not in this state; the text says what to do.
    Refused(String),
    /// No token, or a wrong one.
    Unauthorized,
    /// Not allowed from there, or with this token.
    Forbidden(&'static str),
    /// Someone else changed it since it was read.
    Changed(String),
    /// The body is larger than it may be.
    TooLarge {
        /// What it may be.
        bytes_max: usize,
    },
    /// The document of flags is at fault.
    Document(Vec<DocumentFault>),
    /// The store did not take it.
    Store(String),
}

impl ApiError {
    const fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Refused(_) => StatusCode::CONFLICT,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Changed(_) => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Document(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn parts(self) -> (&'static str, String) {
        match self {
            Self::Invalid(message) => ("invalid", message),
            Self::NotFound(message) => ("not_found", message),
            Self::Refused(message) => ("refused", message),
            Self::Unauthorized => ("unauthorized", "send `Authorization: Bearer TOKEN`".to_owned()),
            Self::Forbidden(message) => ("forbidden", message.to_owned()),
            Self::Changed(message) => ("changed", message),
            Self::TooLarge { bytes_max } => ("too_large", format!("a document has at most {bytes_max} bytes")),
            Self::Document(places) => ("document", first_place(&places)),
            Self::Store(message) => ("store_unavailable", message),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let places = if let Self::Document(places) = &self { json!(places) } else { Value::Null };
        let (code, message) = self.parts();
        let mut body = json!({"error": {"code": code, "message": message}});
        if !places.is_null() {
            body["error"]["places"] = places;
        }
        let mut response = (status, Json(body)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(http::header::WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The first fault of a document, and that there are more.
fn first_place(places: &[DocumentFault]) -> String {
    let Some(first) = places.first() else { return "the document is at fault".to_owned() };
    let DocumentFault { message, line, column, .. } = first;
    match places.len() {
        1 => format!("{line}:{column}: {message}"),
        count => format!("{line}:{column}: {message} (and {} more)", count - 1),
    }
}

impl From<FlagError> for ApiError {
    fn from(error: FlagError) -> Self {
        match error {
            FlagError::NotFound(message) => Self::NotFound(message),
            FlagError::Changed(message) => Self::Changed(message),
            FlagError::Document { places } => Self::Document(places),
            FlagError::Command(error) => error.into(),
        }
    }
}

impl From<CommandError> for ApiError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::NotFound(_) | CommandError::NoRevision(_) => Self::NotFound(error.to_string()),
            CommandError::Invalid(reason) => Self::Invalid(reason),
            CommandError::Refused(reason) => Self::Refused(reason),
            CommandError::Store(reason) => Self::Store(reason),
        }
    }
}
