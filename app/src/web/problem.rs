//! Everything that can go wrong with a request, and the one place that turns it into a response.

use std::error::Error;

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use thiserror::Error;
use tracing::error;

use crate::image::IMAGE_BYTES_MAX;
use crate::storage::StorageError;

/// Why a request is not answered with what it asked for. The text is the response's body.
#[derive(Debug, Error)]
pub(super) enum Problem {
    #[error("no message: it was never set, or it has self-destructed")]
    NoMessage,
    #[error("no such image")]
    NoSuchImage,
    #[error("no such page, / lists them")]
    NoSuchPage,
    #[error("this page does not take that method")]
    MethodNotAllowed,
    #[error("the form has no file field named `image`")]
    NoImageField,
    #[error("the form is malformed")]
    MalformedForm,
    #[error("the request body broke off")]
    BrokenBody(#[source] axum::Error),
    #[error("the request body took too long")]
    SlowBody,
    #[error("images are limited to {IMAGE_BYTES_MAX} bytes")]
    TooLarge,
    #[error("send an image: a form with a file field `image`, or a raw body with content-type image/*")]
    NotAnUpload,
    #[error("only png, jpeg, gif and webp images are taken")]
    NotAnImage,
    #[error("too many uploads at once, try again")]
    Busy,
    #[error("draining")]
    Draining,
    #[error("the storage does not answer, try again")]
    Storage(#[from] StorageError),
}

impl Problem {
    const fn status(&self) -> StatusCode {
        match self {
            Self::NoMessage | Self::NoSuchImage | Self::NoSuchPage => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoImageField | Self::MalformedForm | Self::BrokenBody(_) => StatusCode::BAD_REQUEST,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotAnUpload | Self::NotAnImage => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Busy | Self::Draining | Self::Storage(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if let Self::Storage(fault) = &self {
            error!(error = fault as &dyn Error, "storage failed");
        }
        let status = self.status();
        let text = format!("{self}\n");
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return (status, [(RETRY_AFTER, "1")], text).into_response();
        }
        (status, text).into_response()
    }
}
