//! Step of the path: a signed override, where the rollout of the route takes any. Who holds one is served by the variant that
//! it names, whatever a bucket or a weight says.
//!
//! The fields that may hold one are taken off here, before plugins, mirrors or servers see the request: a token is a secret of
//! its holder. A token that does not count is noted and changes nothing else.

use std::sync::atomic::Ordering;

use http::header::COOKIE;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue};
use sluice_model::field::Field;
use sluice_model::override_token::OverrideFault;
use sluice_snapshot::fields;

use crate::exchange::Exchange;
use crate::head::Head;

const MS_PER_S: u64 = 1_000;

/// Takes the override off the request and leaves the variant that it names in the exchange.
pub(crate) fn read(exchange: &Exchange, head: &mut Head) {
    let Some(rollout) = exchange.rollout_policy().filter(|rollout| !rollout.overrides.is_empty()) else { return };
    let (mut token, mut target) = (None, None);
    for field in &rollout.overrides {
        let found = match field {
            Field::Header(name) => head.headers.remove(name.as_str()),
            Field::Cookie(name) => take_cookie(name, &mut head.headers),
            Field::QueryParameter(name) => take_query_parameter(name, &mut target, exchange),
            // The policy takes overrides from nowhere else.
            _ => None,
        };
        token = token.or(found);
    }
    if let Some(target) = target {
        exchange.tell_target(target);
    }
    let Some(token) = token else { return };
    let counters = exchange.connection.worker.counters();
    match variant(exchange, &rollout.name, &token) {
        Ok(variant) => {
            counters.overrides.fetch_add(1, Ordering::Relaxed);
            exchange.set_overridden(variant);
        }
        Err(why) => {
            counters.overrides_refused.fetch_add(1, Ordering::Relaxed);
            exchange.set_tag(why);
        }
    }
}

/// The variant of the route's rollout that a token names, or the tag that says why it does not count.
fn variant(exchange: &Exchange, rollout: &str, token: &HeaderValue) -> Result<usize, &'static str> {
    let key = exchange.connection.worker.settings.override_key.as_ref().ok_or("override-without-key")?;
    let token = token.to_str().map_err(|_| "override-malformed")?;
    let name = key.verify(rollout, token, exchange.now_ms / MS_PER_S).map_err(|fault| match fault {
        OverrideFault::Syntax => "override-malformed",
        OverrideFault::Signature => "override-forged",
        OverrideFault::Expired => "override-expired",
    })?;
    exchange.variant_index(name).ok_or("override-of-no-variant")
}

/// Takes the parameters of this name off; the first one counts. `told` is the target without those taken off so far.
fn take_query_parameter(name: &str, told: &mut Option<PathAndQuery>, exchange: &Exchange) -> Option<HeaderValue> {
    let target = told.as_ref().or_else(|| exchange.line().map(|line| &line.target))?;
    let (value, rest) = fields::take_query_parameter(target.query()?, name)?;
    let separator = if rest.is_empty() { "" } else { "?" };
    let without = format!("{}{separator}{rest}", target.path());
    *told = Some(PathAndQuery::try_from(without).expect("invariant: a part of a query is one"));
    HeaderValue::from_bytes(&value).ok()
}

/// Takes the cookies of this name off; the first one counts. All others stay as they are, and in their order.
fn take_cookie(name: &str, headers: &mut HeaderMap) -> Option<HeaderValue> {
    let is_it = |pair: &[u8]| value_of(pair, name).is_some();
    if !headers.get_all(COOKIE).iter().any(|line| pairs(line).any(is_it)) {
        return None;
    }
    let mut found = None;
    let lines: Vec<HeaderValue> = headers.get_all(COOKIE).iter().cloned().collect();
    headers.remove(COOKIE);
    for line in lines {
        if !pairs(&line).any(is_it) {
            headers.append(COOKIE, line);
            continue;
        }
        found = found.or_else(|| HeaderValue::from_bytes(pairs(&line).find_map(|pair| value_of(pair, name))?).ok());
        let others: Vec<&[u8]> = pairs(&line).filter(|pair| !pair.is_empty() && !is_it(pair)).collect();
        if let Ok(rest) = HeaderValue::from_bytes(&others.join(&b"; "[..]))
            && !rest.is_empty()
        {
            headers.append(COOKIE, rest);
        }
    }
    found
}

fn pairs(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii)
}

fn value_of<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(lines: &[&str]) -> (Option<String>, Vec<String>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, line.parse().unwrap());
        }
        let found = take_cookie("o", &mut headers);
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        (found.as_ref().map(text), headers.get_all(COOKIE).iter().map(text).collect())
    }

    #[test]
    fn a_cookie_goes_and_the_others_stay_as_they_are() {
        let kept = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        for (lines, token, left) in [
            (&["a=1; b=2"][..], None, &["a=1; b=2"][..]),
            (&["o=t"], Some("t"), &[]),
            (&["a=1;o=t ; b=\"2\""], Some("t"), &["a=1; b=\"2\""]),
            (&["a=1", "o=t; oo=3", "o=u;"], Some("t"), &["a=1", "oo=3"]),
            (&["a=o=t"], None, &["a=o=t"]),
            (&["o="], Some(""), &[]),
        ] {
            assert_eq!(cookies(lines), (token.map(str::to_owned), kept(left)), "{lines:?}");
        }
    }
}
