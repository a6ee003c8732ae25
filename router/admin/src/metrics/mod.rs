//! `/metrics` in the Prometheus text format, summed over the workers at each scrape. `docs/metrics.md` lists every family.
//!
//! Labels are names from the operator's files and words of our own, never what a client sent: the number of series has a
//! bound that the policy sets.

mod alerts;
mod control;
mod families;
mod flags;
mod plugins;
mod process;
mod shadow;
mod traffic;
mod upstreams;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use prometheus::{Encoder, TextEncoder};

use crate::Shared;

/// Answers a scrape.
pub(crate) async fn scrape(State(context): State<Shared>) -> Response {
    let handle = &context.handle;
    let (_, snapshot) = handle.published().load();
    let mut families = traffic::families(handle.traffic());
    families.extend(shadow::families(handle.traffic()));
    families.extend(upstreams::families(&snapshot));
    families.extend(plugins::families(handle, &snapshot));
    families.extend(control::families(handle));
    families.extend(flags::families(handle));
    families.extend(alerts::families(handle));
    families.extend(process::families());
    // The format has no families without samples.
    families.retain(|family| !family.get_metric().is_empty());
    let encoder = TextEncoder::new();
    let mut body = Vec::new();
    match encoder.encode(&families, &mut body) {
        Ok(()) => ([(header::CONTENT_TYPE, encoder.format_type().to_owned())], body).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics could not be encoded");
            http::StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
