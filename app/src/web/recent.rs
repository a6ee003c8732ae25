//! The last visited pages: noted before each request is handled, listed by `/recent`.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, VARY};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::{info, warn};

use super::about::{HEALTH_PATH, VERSION_PATH};
use super::{App, Problem};

/// Most of a path that is kept.
const PATH_BYTES_MAX: usize = 256;

/// Notes the visit. A visit that cannot be noted is lost, the request is not.
pub(super) async fn record(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    // Probes come every second and would leave nothing else to see.
    if path != HEALTH_PATH && path != VERSION_PATH {
        let outcome = app.storage.record_path(bounded(path)).await;
        let lost_before = app.visits_lost.swap(outcome.is_err(), Ordering::Relaxed);
        match outcome {
            Err(error) if !lost_before => warn!(error = &error as &dyn Error, "visits are not recorded"),
            Ok(()) if lost_before => info!("visits are recorded again"),
            _ => {}
        }
    }
    next.run(request).await
}

/// `GET /recent`: newest first, one a line; JSON for who prefers it.
pub(super) async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    let paths = app.storage.recent_paths().await?;
    let body = if accepts_json(&headers) {
        Json(paths).into_response()
    } else {
        paths.iter().map(|path| format!("{path}\n")).collect::<String>().into_response()
    };
    Ok(([(VARY, ACCEPT.as_str())], body).into_response())
}

/// The path, cut at a character.
fn bounded(path: &str) -> &str {
    &path[..path.floor_char_boundary(PATH_BYTES_MAX)]
}

/// True if JSON is asked for by name (RFC 9110, section 12.5.1); `*/*` alone is content with text.
fn accepts_json(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
        let refused = |part: &str| part.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
        named && !parts.any(refused)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_for_who_names_it() {
        let accepts = |value: &str| accepts_json(&HeaderMap::from_iter([(ACCEPT, value.parse().unwrap())]));
        assert!(accepts("application/json"));
        assert!(accepts("text/html;q=0.5, Application/JSON; q=0.9"));
        assert!(!accepts("*/*") && !accepts("text/plain") && !accepts("application/json;q=0"));
        assert!(!accepts_json(&HeaderMap::new()));
    }

    #[test]
    fn a_path_is_cut_at_a_character() {
        assert_eq!(bounded("/short"), "/short");
        let long = "é".repeat(PATH_BYTES_MAX);
        assert_eq!(bounded(&format!("/{long}")).len(), PATH_BYTES_MAX - 1);
        assert_eq!(bounded(&"/".repeat(PATH_BYTES_MAX + 1)).len(), PATH_BYTES_MAX);
    }
}
