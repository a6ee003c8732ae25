//! What a host refuses in edits: names that are the router's, texts that are no path or query, the wrong phase.

use super::check::{at_most, header, is_token};
use crate::bounds::{EDITS_MAX, TEXT_BYTES_MAX};
use crate::{Edit, Phases};

/// Headers that frame a message, address it, belong to one connection or are said by routers only: no plugin edits them.
const NAMES_OF_ROUTER: [&str; 13] = [
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-real-ip",
];

/// Beginnings of such names.
const PREFIXES_OF_ROUTER: [&str; 3] = ["proxy-", "x-forwarded-", "x-sluice-"];

/// The bound or rule that edits made in `phase` break.
pub(super) fn check(edits: &[Edit], phase: Phases, is_respond: bool) -> Result<(), String> {
    at_most("edits", edits.len(), EDITS_MAX)?;
    if is_respond && !edits.is_empty() {
        return Err("edits beside a response: it has its own headers".to_owned());
    }
    edits.iter().try_for_each(|edit| {
        is_of_phase(edit, phase)?;
        match edit {
            Edit::SetHeader(line) | Edit::AppendHeader(line) => header(line).and_then(|()| editable(&line.name)),
            Edit::RemoveHeader(name) if is_token(name) => editable(name),
            Edit::RemoveHeader(name) => Err(format!("{name:?} is no name of a header")),
            Edit::SetPath(path) => good_path(path),
            Edit::SetQuery(query) => good_query(query),
            Edit::SetStatus(200..=599) => Ok(()),
            Edit::SetStatus(status) => Err(format!("the status {status} is not in 200-599")),
        }
    })
}

fn is_of_phase(edit: &Edit, phase: Phases) -> Result<(), String> {
    let (what, phases) = match edit {
        Edit::SetHeader(_) | Edit::AppendHeader(_) | Edit::RemoveHeader(_) => {
            ("a header is edited", Phases::REQUEST | Phases::RESPONSE)
        }
        Edit::SetPath(_) => ("a path is edited", Phases::REQUEST),
        Edit::SetQuery(_) => ("a query is edited", Phases::REQUEST),
        Edit::SetStatus(_) => ("a status is edited", Phases::RESPONSE),
    };
    if phases.contains(phase) { Ok(()) } else { Err(format!("{what} in {phases:?} only")) }
}

fn editable(name: &str) -> Result<(), String> {
    let name = name.to_ascii_lowercase();
    let is_of_router =
        NAMES_OF_ROUTER.contains(&name.as_str()) || PREFIXES_OF_ROUTER.iter().any(|prefix| name.starts_with(prefix));
    if is_of_router { Err(format!("the header {name:?} is set by the router alone")) } else { Ok(()) }
}

/// A path in the normal form of the router, which matches no other: one spelling of each path (RFC 3986 section 6.2.2).
fn good_path(path: &str) -> Result<(), String> {
    at_most("bytes of a path", path.len(), TEXT_BYTES_MAX)?;
    let Some(segments) = path.strip_prefix('/') else { return Err(format!("the path {path:?} does not start with /")) };
    let mut segments = segments.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_empty = segment.is_empty() && segments.peek().is_some();
        if is_empty || matches!(segment, "." | "..") || !is_normal(segment) {
            return Err(format!("the path {path:?} is not in normal form"));
        }
    }
    Ok(())
}

/// Only characters of a path, encoded exactly if they have to be.
fn is_normal(segment: &str) -> bool {
    let mut bytes = segment.bytes();
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let digit = |bytes: &mut std::str::Bytes<'_>| {
        let digit = bytes.next().filter(|digit| !digit.is_ascii_lowercase())?;
        char::from(digit).to_digit(16)
    };
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let (Some(high), Some(low)) = (digit(&mut bytes), digit(&mut bytes)) else { return false };
            let Ok(encoded) = u8::try_from(high * 16 + low) else { return false };
            if is_unreserved(encoded) || encoded.is_ascii_control() {
                return false;
            }
        } else if !is_unreserved(byte) && !b"!$&'()*+,;=:@".contains(&byte) {
            return false;
        }
    }
    true
}

fn good_query(query: &str) -> Result<(), String> {
    at_most("bytes of a query", query.len(), TEXT_BYTES_MAX)?;
    let is_query = query.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"#<>".contains(&byte));
    if is_query { Ok(()) } else { Err(format!("{query:?} is no query")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Header, Outcome};

    fn made(phase: Phases, fill: impl Fn(&mut Outcome)) -> Result<(), String> {
        let mut outcome = Outcome::default();
        fill(&mut outcome);
        check(&outcome.take().edits, phase, false)
    }

    #[test]
    fn edits_hold_at_their_bound_and_not_past_it() {
        let many = |count| made(Phases::REQUEST, |outcome| (0..count).for_each(|_| outcome.set_header("x-a", "1")));
        assert_eq!(many(EDITS_MAX), Ok(()));
        assert_eq!(many(EDITS_MAX + 1), Err("65 edits, at most 64".to_owned()));
    }

    #[test]
    fn edits_belong_to_their_phase_and_to_no_response() {
        assert!(made(Phases::REQUEST, |outcome| outcome.set_path("/a")).is_ok());
        assert!(made(Phases::RESPONSE, |outcome| outcome.set_path("/a")).is_err());
        assert!(made(Phases::RESPONSE, |outcome| outcome.set_query("a")).is_err());
        assert!(made(Phases::RESPONSE, |outcome| outcome.set_status(204)).is_ok());
        assert!(made(Phases::REQUEST, |outcome| outcome.set_status(204)).is_err());
        assert!(made(Phases::BODY_CHUNK, |outcome| outcome.remove_header("x-a")).is_err());
        let line = Header { name: "x-a".to_owned(), value: "1".to_owned() };
        assert!(check(&[Edit::SetHeader(line)], Phases::REQUEST, true).is_err());
    }

    #[test]
    fn headers_of_the_router_stay() {
        for name in ["Host", "content-length", "via", "X-Forwarded-For", "x-sluice-tag", "proxy-authorization"] {
            assert!(made(Phases::REQUEST, |outcome| outcome.set_header(name, "1")).is_err(), "{name}");
            assert!(made(Phases::RESPONSE, |outcome| outcome.remove_header(name)).is_err(), "{name}");
        }
        assert!(made(Phases::REQUEST, |outcome| outcome.append_header("x-a", "1\r\nx-b: 2")).is_err());
        assert!(made(Phases::REQUEST, |outcome| outcome.remove_header("x a")).is_err());
    }

    #[test]
    fn a_path_is_in_normal_form() {
        for path in ["/", "/a", "/a/b/", "/a%2Fb", "/%C3%A9", "/a.b/..c;x=1@"] {
            assert_eq!(made(Phases::REQUEST, |outcome| outcome.set_path(path)), Ok(()), "{path}");
        }
        for path in ["", "a", "//a", "/a//b", "/./a", "/a/..", "/%41", "/%2f", "/%0A", "/%4", "/a b", "/é", "/a?b"] {
            assert!(made(Phases::REQUEST, |outcome| outcome.set_path(path)).is_err(), "{path}");
        }
    }

    #[test]
    fn queries_and_statuses_have_their_form() {
        for query in ["", "a=1&b[]=%20", "?"] {
            assert_eq!(made(Phases::REQUEST, |outcome| outcome.set_query(query)), Ok(()), "{query}");
        }
        for query in ["a b", "a#b", "a\nb", "é"] {
            assert!(made(Phases::REQUEST, |outcome| outcome.set_query(query)).is_err(), "{query}");
        }
        for (status, is_good) in [(199, false), (200, true), (599, true), (600, false)] {
            assert_eq!(made(Phases::RESPONSE, |outcome| outcome.set_status(status)).is_ok(), is_good, "{status}");
        }
    }
}
