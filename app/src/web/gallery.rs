//! `/meow`, the page of the newest images, and the images themselves. The releases differ here and nowhere else.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse};

use super::html::page;
use super::{App, Problem};
use crate::image::ImageSummary;
use crate::release::CANARY_SHOWS_BYTES_MAX;

/// Images on the page.
const PAGE_IMAGES_MAX: usize = 20;
/// The content of an id never changes.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// `GET /meow`: the newest images, of which the canary release leaves out the large ones.
pub(super) async fn page_of_images(State(app): State<Arc<App>>) -> Result<Html<String>, Problem> {
    let newest = app.storage.newest_images(PAGE_IMAGES_MAX).await?;
    let (shown, left_out): (Vec<_>, Vec<_>) = newest.iter().partition(|image| app.release.shows(image.bytes));
    let mut content = String::from("<div class=\"images\">\n");
    for image in &shown {
        content.push_str(&figure(image));
    }
    content.push_str("</div>\n");
    if newest.is_empty() {
        content.push_str("<p>No images yet.</p>\n");
    }
    if !left_out.is_empty() {
        let (count, limit) = (left_out.len(), thousands(CANARY_SHOWS_BYTES_MAX));
        writeln!(content, "<p>Left out: {count} larger than {limit} bytes.</p>")
            .expect("invariant: a string takes every write");
    }
    Ok(page(&app, &content))
}

/// `GET /image/{id}`.
pub(super) async fn image(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<impl IntoResponse + use<>, Problem> {
    let id = id.parse().map_err(|_| Problem::NoSuchImage)?;
    let image = app.storage.image(&id).await?.ok_or(Problem::NoSuchImage)?;
    Ok(([(CONTENT_TYPE, image.kind.content_type()), (CACHE_CONTROL, FOREVER)], image.content))
}

/// One image; every part of it is ours (an id, a kind, a number), so nothing is left to escape.
fn figure(image: &ImageSummary) -> String {
    let (id, kind, bytes) = (&image.id, image.kind.as_str(), thousands(image.bytes));
    format!(
        "<figure><img src=\"/image/{id}\" alt=\"{kind} image of {bytes} bytes\" loading=\"lazy\">\
         <figcaption>{bytes} bytes, {kind}</figcaption></figure>\n"
    )
}

/// `50001` as `50,001`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::thousands;

    #[test]
    fn numbers_are_grouped() {
        let grouped = [0, 999, 1_000, 50_001, 10_485_760].map(thousands);
        assert_eq!(grouped, ["0", "999", "1,000", "50,001", "10,485,760"]);
    }
}
