//! What every response carries: which release and server made it, and headers that keep hostile uploads harmless.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::debug;

use super::App;

const RELEASE: HeaderName = HeaderName::from_static("x-meow-release");
const SERVER: HeaderName = HeaderName::from_static("x-meow-server");

/// Nothing runs, nothing loads from elsewhere; only our images, our inline style and our own upload form.
const POLICY: &str = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// Adds the headers, outermost: to errors and unknown pages too.
pub(super) async fn stamp(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    debug!(%method, path, status = response.status().as_u16(), "request");

    let headers = response.headers_mut();
    headers.insert(RELEASE, HeaderValue::from_static(app.release.as_str()));
    let id = HeaderValue::from_str(app.id.as_str()).expect("invariant: a name is a header value");
    headers.insert(SERVER, id);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if app.is_draining() {
        // Empties the connection pools of routers while we still accept, so that none finds a dead connection.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
