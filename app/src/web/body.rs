//! Reading a request body: bounded in bytes and in time. A body that is refused is still read for a while, because
//! closing a connection on which bytes arrive resets it, and the sender would never see the answer.

use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, EXPECT};
use http_body_util::BodyExt as _;

use super::Problem;

/// Longest time for a whole body: 10 MiB at 1.4 Mbit/s.
const BODY_READ_MAX: Duration = Duration::from_secs(60);
/// Most of a refused body that is read.
const REFUSED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Longest time spent on a refused body.
const REFUSED_READ_MAX: Duration = Duration::from_secs(5);

/// The whole body, at most `bytes_max`.
pub(super) async fn read(headers: &HeaderMap, mut body: Body, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|declared| declared > bytes_max) {
        // Who expects 100-continue has not begun to send (RFC 9110, section 10.1.1).
        if !headers.contains_key(EXPECT) {
            discard(body).await;
        }
        return Err(Problem::TooLarge);
    }
    let outcome = tokio::time::timeout(BODY_READ_MAX, collect(&mut body, bytes_max)).await;
    let outcome = outcome.unwrap_or(Err(Problem::SlowBody));
    if let Err(Problem::TooLarge) = outcome {
        discard(body).await;
    }
    outcome
}

async fn collect(body: &mut Body, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        // Trailers say nothing here.
        let Ok(data) = frame.map_err(Problem::BrokenBody)?.into_data() else { continue };
        if data.len() > bytes_max - bytes.len() {
            return Err(Problem::TooLarge);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// Reads on and forgets, up to a bound.
async fn discard(mut body: Body) {
    let reading = async {
        let mut left = REFUSED_BYTES_MAX;
        while let (true, Some(Ok(frame))) = (left > 0, body.frame().await) {
            left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len()));
        }
    };
    // Past the time the connection closes, which is all that is left to say.
    let _elapsed = tokio::time::timeout(REFUSED_READ_MAX, reading).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_bound_holds_declared_and_counted() {
        let declared = |bytes: &str| HeaderMap::from_iter([(CONTENT_LENGTH, bytes.parse().unwrap())]);
        let counted = HeaderMap::new();
        for (headers, body, fits) in [
            (&declared("4"), "1234", true),
            (&declared("5"), "12345", false),
            (&counted, "1234", true),
            (&counted, "12345", false),
        ] {
            let outcome = read(headers, Body::from(body), 4).await;
            assert_eq!(outcome.is_ok(), fits, "{body}");
            assert!(fits || matches!(outcome, Err(Problem::TooLarge)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_times_out() {
        let (_sender, silent) = http_body_util::channel::Channel::<axum::body::Bytes>::new(1);
        let outcome = read(&HeaderMap::new(), Body::new(silent), 4).await;
        assert!(matches!(outcome, Err(Problem::SlowBody)));
    }
}
