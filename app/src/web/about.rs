//! What the server says of itself: the index, health, version.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Html;
use serde::Serialize;

use super::html::page;
use super::{App, Problem};

pub(super) const HEALTH_PATH: &str = "/healthz";
pub(super) const VERSION_PATH: &str = "/version";

const INDEX: &str = r#"<ul>
<li><a href="/set">/set</a> stores a message for 10 seconds</li>
<li><a href="/get">/get</a> reads it</li>
<li><a href="/recent">/recent</a> the last visited pages</li>
<li><a href="/meow">/meow</a> the newest images</li>
<li><a href="/version">/version</a> and <a href="/healthz">/healthz</a></li>
</ul>
<form action="/upload" method="post" enctype="multipart/form-data">
<label>Upload an image: <input type="file" name="image" accept="image/*" required></label>
<button>Upload</button>
</form>
"#;

/// `GET /`.
pub(super) async fn index(State(app): State<Arc<App>>) -> Html<String> {
    page(&app, INDEX)
}

/// `GET /healthz`: 503 while draining, so that health checks stop sending requests.
pub(super) async fn health(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    if app.is_draining() { Err(Problem::Draining) } else { Ok("ok\n") }
}

/// `GET /version`.
#[derive(Serialize)]
pub(super) struct Version {
    app: &'static str,
    release: &'static str,
    version: &'static str,
    id: String,
}

pub(super) async fn version(State(app): State<Arc<App>>) -> Json<Version> {
    Json(Version {
        app: env!("CARGO_PKG_NAME"),
        release: app.release.as_str(),
        version: env!("CARGO_PKG_VERSION"),
        id: app.id.as_str().to_owned(),
    })
}
