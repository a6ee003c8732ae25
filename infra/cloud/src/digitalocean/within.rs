//! The client asks a simulator in this process: no socket and no pace, and a broken delivery means what it means over HTTP.

use std::time::Duration;

use reqwest::{StatusCode, Url};
use tokio::time::sleep;

use super::call::Call;
use super::fault;
use super::transport::{Answer, TURN_MAX};
use crate::error::CloudError;
use crate::simulator::{Delivery, Reply, Request, Simulator};

/// What addresses in answers begin with; RFC 6761 section 6.4 has it lead nowhere.
pub(super) const BASE: &str = "http://simulator.invalid";
/// The simulator takes any token.
pub(super) const TOKEN: &str = "in-process";
const SIMULATOR: &str = "simulator";

/// Sends the call once, to its own address or, for a later page of a listing, to `at`.
pub(super) async fn send(
    simulator: &Simulator,
    base: &Url,
    call: &Call,
    at: Option<&Url>,
) -> Result<Answer, CloudError> {
    let url = at.map_or_else(|| call.url(base), |url| Ok(url.clone()))?;
    let Reply { answer, delivery } = simulator.answer(&request(call, &url));
    if delivery != Delivery::Whole {
        return Err(fault::unfinished(call, format!("{}: the connection was reset", call.shown())));
    }
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status.is_success() {
        return Ok(Answer::Body(answer.body.into_bytes()));
    }
    let number = |name: &str| -> Option<u64> {
        answer.headers.iter().find(|(header, _)| *header == name).and_then(|(_, value)| value.parse().ok())
    };
    let until_reset = || number("ratelimit-reset").map(|reset| reset.saturating_sub(simulator.now_ms() / 1_000));
    let again_in = number("retry-after").or_else(until_reset).map(Duration::from_secs);
    let error = fault::of_status(SIMULATOR, call, status, answer.body.as_bytes(), again_in);
    if status == StatusCode::NOT_FOUND {
        return Ok(Answer::Missing(error));
    }
    // Over HTTP the pace waits before a read is sent again.
    if let CloudError::RateLimited { after } = &error
        && call.only_reads()
        && *after <= TURN_MAX
    {
        sleep(*after).await;
    }
    Err(error)
}

fn request(call: &Call, url: &Url) -> Request {
    Request {
        method: call.method.as_str().to_owned(),
        path: url.path().to_owned(),
        query: url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
        token: Some(TOKEN.to_owned()),
        base: BASE.to_owned(),
        body: call.body.as_ref().map(|body| body.to_string().into_bytes()).unwrap_or_default(),
        is_dangerous: false,
    }
}
