//! `POST /upload`: one image, as the file field `image` of a form or as a raw body.
//!
//! File names, declared types and other fields are ignored: the id is random, the kind is read from the bytes.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Multipart, Request, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use serde::Serialize;

use super::{App, Problem, body};
use crate::image::{IMAGE_BYTES_MAX, Image, ImageId, ImageKind};

/// The form field that holds the image.
const IMAGE_FIELD: &str = "image";
/// What a form may add to its image: boundaries, part headers, small fields.
const FORM_OVERHEAD_BYTES_MAX: usize = 64 * 1024;
/// Form fields looked at before giving up.
const FIELDS_MAX: usize = 16;
/// Longest wait for a place among the uploads in flight.
const PLACE_WAIT_MAX: Duration = Duration::from_secs(5);

/// The answer to an upload.
#[derive(Serialize)]
pub(super) struct Uploaded {
    id: ImageId,
    bytes: usize,
}

pub(super) async fn upload(State(app): State<Arc<App>>, request: Request) -> Result<Json<Uploaded>, Problem> {
    let form = Encoding::of(&request)?;
    let place = tokio::time::timeout(PLACE_WAIT_MAX, app.uploads.acquire()).await.map_err(|_| Problem::Busy)?;
    let _place = place.expect("invariant: nobody closes this semaphore");

    let (head, body) = request.into_parts();
    let content = match form {
        Encoding::Raw => body::read(&head.headers, body, IMAGE_BYTES_MAX).await?.into(),
        Encoding::Form(content_type) => {
            let form = body::read(&head.headers, body, IMAGE_BYTES_MAX + FORM_OVERHEAD_BYTES_MAX).await?;
            image_field(content_type, form).await?
        }
    };
    if content.len() > IMAGE_BYTES_MAX {
        return Err(Problem::TooLarge);
    }
    let kind = ImageKind::sniff(&content).ok_or(Problem::NotAnImage)?;
    let image = Image { id: ImageId::random(), kind, content };
    app.storage.put_image(&image).await?;
    Ok(Json(Uploaded { id: image.id, bytes: image.content.len() }))
}

/// How the image is wrapped.
enum Encoding {
    Raw,
    /// With the content type, which holds the boundary.
    Form(HeaderValue),
}

impl Encoding {
    fn of(request: &Request) -> Result<Self, Problem> {
        let value = request.headers().get(CONTENT_TYPE).ok_or(Problem::NotAnUpload)?;
        let media_type = value.to_str().map_err(|_| Problem::NotAnUpload)?.to_ascii_lowercase();
        if media_type.starts_with("multipart/form-data") {
            Ok(Self::Form(value.clone()))
        } else if media_type.starts_with("image/") {
            Ok(Self::Raw)
        } else {
            Err(Problem::NotAnUpload)
        }
    }
}

/// The first field `image` of a form that was read whole.
async fn image_field(content_type: HeaderValue, form: Vec<u8>) -> Result<Bytes, Problem> {
    let mut request = Request::new(Body::from(form));
    request.headers_mut().insert(CONTENT_TYPE, content_type);
    // The bytes are here and counted already.
    DefaultBodyLimit::disable().apply(&mut request);
    let mut form = Multipart::from_request(request, &()).await.map_err(|_| Problem::MalformedForm)?;
    for _ in 0..FIELDS_MAX {
        let field = form.next_field().await.map_err(|_| Problem::MalformedForm)?;
        let field = field.ok_or(Problem::NoImageField)?;
        if field.name() == Some(IMAGE_FIELD) {
            return field.bytes().await.map_err(|_| Problem::MalformedForm);
        }
    }
    Err(Problem::NoImageField)
}
