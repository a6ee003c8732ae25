//! Step of the path: what a route limits. Before its plugins, so that refusing costs little.
//!
//! A declared body, then the rate, then the requests in flight: what is refused for the first reason does not count
//! towards the next. Limits of the rate and of requests in flight are shared by all workers; nothing here waits.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::error::Error;
use crate::exchange::Exchange;
use crate::fields;
use crate::head::Head;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// When a client may come again that a full route refused: requests end all the time. Seconds.
const FULL_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Lets a request in, or says why not.
pub(crate) fn admit(exchange: &Exchange, head: &Head) -> Result<(), Error> {
    let Some(route) = exchange.route() else { return Ok(()) };
    let limits = &exchange.route_policy()?.limits;
    if let (Some(max), Some(upload)) = (limits.body_bytes_max, exchange.upload()) {
        upload.limit(max)?;
    }
    if let Some(rate) = &route.limiter.rate {
        let request = fields::of_request(exchange, head);
        // Those that have none of the fields share one limit.
        let key = request.and_then(|request| request.first_present(&rate.limit().key));
        rate.admit(key, exchange.started.into_std()).map_err(|wait| Error::RateLimited { wait })?;
    }
    if let (Some(max), Some(in_flight)) = (limits.in_flight_max, &route.limiter.in_flight) {
        if !in_flight.enter(max) {
            return Err(Error::RouteBusy);
        }
        exchange.set_counted_in();
    }
    Ok(())
}

/// A request that was let in has ended.
pub(crate) fn leave(exchange: &Exchange) {
    if let Some(in_flight) = exchange.route().and_then(|route| route.limiter.in_flight.as_ref()) {
        in_flight.leave();
    }
}

/// Tells a refused client when to come again, and what the limit is (draft-ietf-httpapi-ratelimit-headers-10).
pub(crate) fn tell(exchange: &Exchange, error: &Error, fields: &mut HeaderMap) {
    let wait = match error {
        Error::RateLimited { wait } => *wait,
        Error::RouteBusy => FULL_RETRY_AFTER,
        _ => return,
    };
    let seconds = whole_seconds(wait);
    fields.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    let limiter = exchange.route().and_then(|route| route.limiter.rate.as_ref());
    let Some(limit) = limiter.map(|limiter| limiter.limit()).filter(|_| matches!(error, Error::RateLimited { .. }))
    else {
        return;
    };
    let mut policy = format!("\"route\";q={}", limit.requests);
    if limit.per.subsec_nanos() == 0 {
        // The window is a number of whole seconds, and may be left out.
        policy.push_str(&format!(";w={}", limit.per.as_secs()));
    }
    let said = [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, format!("\"route\";r=0;t={seconds}"))];
    for (name, value) in said {
        if let Ok(value) = HeaderValue::from_str(&value) {
            fields.insert(name, value);
        }
    }
}

/// Rounded up, so that whoever waits as long is let in (RFC 9110 section 10.2.3 knows whole seconds only).
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_times_are_rounded_up() {
        assert_eq!(whole_seconds(Duration::from_nanos(1)), 1);
        assert_eq!(whole_seconds(Duration::from_secs(2)), 2);
        assert_eq!(whole_seconds(Duration::from_millis(2_001)), 3);
    }
}
