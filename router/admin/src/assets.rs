//! The dashboard: three static files. They hold nothing secret; what they show comes through the guarded API.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header;

use crate::Shared;

/// The page may load only its own script, style and API, and nobody may frame it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/", get(async || asset("text/html; charset=utf-8", include_str!("dashboard/index.html"))))
        .route(
            "/dashboard.js",
            get(async || asset("text/javascript; charset=utf-8", include_str!("dashboard/dashboard.js"))),
        )
        .route(
            "/dashboard.css",
            get(async || asset("text/css; charset=utf-8", include_str!("dashboard/dashboard.css"))),
        )
}

fn asset(content_type: &'static str, body: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, body).into_response()
}
