//! What a client reads when the router itself answers with an error, where the policy has a page for it.
//!
//! Only the body and its type change; status and other fields stay. A page repeats nothing that a client sent.

use http::{HeaderValue, Response, StatusCode, header};
use sluice_policy::ErrorPage;
use sluice_policy::limits::PagePart;
use sluice_snapshot::Reason;

use crate::answer::Content;
use crate::exchange::Exchange;
use crate::head::{Head, tokens};

/// The weight of a media type that is accepted without one, in thousandths (RFC 9110 section 12.4.2).
const QUALITY_MAX: u16 = 1_000;

/// Keeps what the client likes to read, if there is a choice.
pub(crate) fn note(exchange: &Exchange, head: &Head) {
    if exchange.snapshot().policy.error_pages.len() > 1
        && let Some(accept) = head.headers.get(header::ACCEPT)
    {
        exchange.set_accept(accept.clone());
    }
}

/// Puts the page for this error in place of the text that `response` has; without a page it stays.
pub(crate) fn put(exchange: &Exchange, reason: Reason, response: &mut Response<Content>) {
    let policy = &exchange.snapshot().policy;
    if policy.error_pages.is_empty() {
        return;
    }
    let own = exchange.route_policy().map_or(&[][..], |route| &route.error_pages);
    let (status, accept) = (response.status(), exchange.accept());
    let page = if own.is_empty() {
        choose(policy.error_pages.iter().filter(|page| page.is_default), status, accept)
    } else {
        choose(own.iter().map(|page| &policy.error_pages[*page]), status, accept)
    };
    if let Some(page) = page {
        *response.body_mut() = Content::whole(text(page, status, reason.as_str(), exchange.request_id_text()));
        response.headers_mut().insert(header::CONTENT_TYPE, page.content_type.clone());
    }
}

/// Of the pages for a status the one that the client likes best; of equals, and if it likes none, the first.
fn choose<'a>(
    pages: impl Iterator<Item = &'a ErrorPage>,
    status: StatusCode,
    accept: Option<&HeaderValue>,
) -> Option<&'a ErrorPage> {
    let mut best: Option<(u16, &ErrorPage)> = None;
    for page in pages.filter(|page| page.serves(status.as_u16())) {
        let quality = accept.map_or(QUALITY_MAX, |accept| quality(accept.as_bytes(), page.content_type.as_bytes()));
        if best.is_none_or(|(known, _)| quality > known) {
            best = Some((quality, page));
        }
    }
    best.map(|(_, page)| page)
}

/// How much a client likes a media type, in thousandths: what the most specific range that covers it says (RFC 9110
/// section 12.5.1). Parameters of types are not looked at.
fn quality(accept: &[u8], content_type: &[u8]) -> u16 {
    let essence = |text: &[u8]| {
        let end = memchr::memchr(b';', text).unwrap_or(text.len());
        text[..end].trim_ascii().to_ascii_lowercase()
    };
    let wanted = essence(content_type);
    let kind = &wanted[..=memchr::memchr(b'/', &wanted).unwrap_or(wanted.len() - 1)];
    let specificity = |range: &[u8]| match range {
        range if range == wanted => Some(2),
        range if range.strip_suffix(b"*") == Some(kind) => Some(1),
        b"*/*" => Some(0),
        _ => None,
    };
    let ranges = tokens(accept).filter_map(|range| Some((specificity(&essence(range))?, weight(range))));
    ranges.max().map_or(0, |(_, quality)| quality)
}

/// The `q` of a media range, in thousandths.
fn weight(range: &[u8]) -> u16 {
    let mut parameters = range.split(|byte| *byte == b';').skip(1).map(<[u8]>::trim_ascii);
    let value =
        parameters.find_map(|parameter| parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q=")));
    let Some(value) = value else { return QUALITY_MAX };
    let mut digits = value.iter().filter(|byte| byte.is_ascii_digit()).map(|digit| u16::from(digit - b'0'));
    let thousandths = [QUALITY_MAX, 100, 10, 1].iter().map(|unit| unit * digits.next().unwrap_or(0)).sum::<u16>();
    thousandths.min(QUALITY_MAX)
}

/// The text of a page.
fn text(page: &ErrorPage, status: StatusCode, reason: &str, request_id: &str) -> String {
    let mut text = String::new();
    for part in &page.body {
        text.push_str(match part {
            PagePart::Text(piece) => piece,
            PagePart::Status => status.as_str(),
            PagePart::Reason => reason,
            PagePart::RequestId => request_id,
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(name: &str, content_type: &'static str) -> ErrorPage {
        ErrorPage {
            name: name.to_owned(),
            statuses: vec![404..=404, 500..=599],
            is_default: true,
            content_type: HeaderValue::from_static(content_type),
            body: vec![PagePart::Status, PagePart::Text(" & ".to_owned()), PagePart::Reason, PagePart::RequestId],
        }
    }

    #[test]
    fn the_status_decides_then_what_the_client_likes_then_the_order() {
        let pages = [page("html", "text/html; charset=utf-8"), page("json", "application/json")];
        let chosen = |status, accept: Option<&'static str>| {
            let accept = accept.map(HeaderValue::from_static);
            choose(pages.iter(), StatusCode::from_u16(status).unwrap(), accept.as_ref()).map(|page| page.name.as_str())
        };
        assert_eq!(chosen(403, None), None);
        for (accept, expected) in [
            ("*/*", "html"),
            ("application/json", "json"),
            ("text/*;q=0.5, application/json;q=0.4", "html"),
            ("text/html;q=0.5, */*;q=0.8", "json"),
            ("text/html;q=0, application/*", "json"),
            ("image/png", "html"),
            ("", "html"),
            ("Application/JSON; q=1.000, text/html; q=0.999", "json"),
        ] {
            assert_eq!(chosen(404, Some(accept)), Some(expected), "{accept}");
        }
        assert_eq!(chosen(599, None), Some("html"));
    }

    #[test]
    fn placeholders_are_filled_in() {
        let page = page("a", "text/plain");
        assert_eq!(text(&page, StatusCode::NOT_FOUND, "no_route", "id7"), "404 & no_routeid7");
    }
}
