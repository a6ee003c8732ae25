//! The dashboard: static files. They hold nothing secret; what they show comes through the guarded API.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header;

use crate::Shared;

/// The page may load only its own script, style and API, and nobody may frame it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// Where each file is, what it is, and its content.
const FILES: [(&str, &str, &str); 8] = [
    ("/", HTML, include_str!("dashboard/index.html")),
    ("/dashboard.css", STYLE, include_str!("dashboard/dashboard.css")),
    ("/dashboard.js", SCRIPT, include_str!("dashboard/dashboard.js")),
    ("/alerts.js", SCRIPT, include_str!("dashboard/alerts.js")),
    ("/flags.js", SCRIPT, include_str!("dashboard/flags.js")),
    ("/page.js", SCRIPT, include_str!("dashboard/page.js")),
    ("/plugins.js", SCRIPT, include_str!("dashboard/plugins.js")),
    ("/rollouts.js", SCRIPT, include_str!("dashboard/rollouts.js")),
];

pub(crate) fn routes() -> Router<Shared> {
    FILES.into_iter().fold(Router::new(), |router, (path, content_type, body)| {
        router.route(path, get(async move || asset(content_type, body)))
    })
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
