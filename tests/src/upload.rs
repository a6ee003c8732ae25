//! Uploads of images of an exact size.

use std::convert::Infallible;

use anyhow::Result;
use bytes::Bytes;
use futures_util::stream;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::multipart::{Form, Part};
use reqwest::{Body, RequestBuilder, Response};

use crate::client;

/// Largest image that the demo's policy takes without an alert.
pub const LIMIT_BYTES: usize = 50_000;
/// Bytes of one chunk of a body without a declared length.
const CHUNK_BYTES: usize = 8_192;

/// How an image is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrapping {
    /// As the body, with its length declared.
    Declared,
    /// As the body, in chunks.
    Chunked,
    /// As the file field of a form.
    Form,
}

impl Wrapping {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Declared, Self::Chunked, Self::Form];

    fn wrap(self, image: Bytes, request: RequestBuilder) -> Result<RequestBuilder> {
        Ok(match self {
            Self::Declared => request.header(CONTENT_TYPE, "image/gif").header(CONTENT_LENGTH, image.len()).body(image),
            Self::Chunked => {
                let chunks: Vec<_> = image.chunks(CHUNK_BYTES).map(|chunk| image.slice_ref(chunk)).collect();
                let body = Body::wrap_stream(stream::iter(chunks.into_iter().map(Ok::<_, Infallible>)));
                request.header(CONTENT_TYPE, "image/gif").body(body)
            }
            Self::Form => {
                let part = Part::stream_with_length(image.clone(), u64::try_from(image.len())?);
                request.multipart(Form::new().part("image", part.file_name("cat.gif").mime_str("image/gif")?))
            }
        })
    }
}

/// A GIF of exactly this many bytes, as far as anyone looks.
#[must_use]
pub fn gif(image_bytes: usize) -> Bytes {
    let mut image = b"GIF89a".to_vec();
    image.resize(image_bytes, 0);
    image.into()
}

/// Uploads a GIF of `image_bytes` to a server or the edge at `base`, as the user `uid`.
///
/// # Errors
/// If there is no answer.
pub async fn upload(base: &str, wrapping: Wrapping, image_bytes: usize, uid: u32) -> Result<Response> {
    let request = client::as_user(client::http().post(format!("{base}/upload")), uid);
    Ok(wrapping.wrap(gif(image_bytes), request)?.send().await?)
}
