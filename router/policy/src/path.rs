//! Normal form of a path: the one text that routes and plugins match and that the upstream receives.
//!
//! Two paths that a server may take for the same one have the same normal form, so that no gate on a path can be passed
//! by another spelling: dot segments resolved (RFC 3986 section 5.2.4), empty segments merged, unreserved characters
//! decoded and everything that may not stand in a path encoded (section 6.2.2). An encoded percent stays `%25`, so nothing
//! is decoded twice. What becomes of an encoded slash is the listener's choice; by default it stays `%2F` and separates
//! nothing.

use std::borrow::Cow;

use crate::process::EncodedSlash;

/// A path that has no normal form. The router answers 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// Does not begin with `/`.
    #[error("a path begins with `/`")]
    NotAbsolute,
    /// A `%` without two hexadecimal digits after it.
    #[error("`%` at byte {at} is not followed by two hexadecimal digits")]
    Percent {
        /// Where, in bytes from 0.
        at: usize,
    },
    /// A control character, plain or encoded; NUL ends strings in some servers.
    #[error("control character at byte {at}")]
    Control {
        /// Where, in bytes from 0.
        at: usize,
    },
    /// `%2F`, where [`EncodedSlash::Reject`] says so.
    #[error("encoded slash at byte {at}")]
    EncodedSlash {
        /// Where, in bytes from 0.
        at: usize,
    },
}

/// The normal form of `raw`, the path of a request target without its query. Borrows when `raw` is normal already.
///
/// # Errors
/// [`PathFault`] if it has none.
pub fn normalise(raw: &str, slash: EncodedSlash) -> Result<Cow<'_, str>, PathFault> {
    if !raw.starts_with('/') {
        return Err(PathFault::NotAbsolute);
    }
    if is_normal(raw.as_bytes(), slash) {
        return Ok(Cow::Borrowed(raw));
    }
    Ok(Cow::Owned(resolve_dots(&recode(raw.as_bytes(), slash)?)))
}

/// True if [`normalise`] would change nothing; one pass, no allocation.
fn is_normal(path: &[u8], slash: EncodedSlash) -> bool {
    let mut segment_start = 1;
    let mut at = 1;
    while at < path.len() {
        match path[at] {
            b'/' => {
                if matches!(&path[segment_start..at], b"" | b"." | b"..") {
                    return false;
                }
                segment_start = at + 1;
                at += 1;
            }
            b'%' => {
                let upper = path[at..].iter().skip(1).take(2).all(|digit| !digit.is_ascii_lowercase());
                match percent_byte(&path[at..]) {
                    Some(b'/') if slash != EncodedSlash::Keep => return false,
                    Some(byte) if upper && !is_unreserved(byte) && !byte.is_ascii_control() => at += 3,
                    _ => return false,
                }
            }
            byte if is_path_character(byte) => at += 1,
            _ => return false,
        }
    }
    !matches!(&path[segment_start..], b"." | b"..")
}

/// Decodes what needs no encoding and encodes what does; segment bounds change only where `slash` says so.
fn recode(path: &[u8], slash: EncodedSlash) -> Result<String, PathFault> {
    let mut recoded = String::with_capacity(path.len());
    let mut at = 0;
    while at < path.len() {
        let (byte, encoded) = match path[at] {
            b'%' => (percent_byte(&path[at..]).ok_or(PathFault::Percent { at })?, true),
            byte => (byte, false),
        };
        if byte.is_ascii_control() {
            return Err(PathFault::Control { at });
        }
        let decoded_slash = encoded && byte == b'/' && slash == EncodedSlash::Decode;
        if encoded && byte == b'/' && slash == EncodedSlash::Reject {
            return Err(PathFault::EncodedSlash { at });
        }
        let plain =
            decoded_slash || if encoded { is_unreserved(byte) } else { byte == b'/' || is_path_character(byte) };
        if plain {
            recoded.push(char::from(byte))
        } else {
            push_encoded(&mut recoded, byte)
        }
        at += if encoded { 3 } else { 1 };
    }
    Ok(recoded)
}

/// Merges empty segments and resolves `.` and `..`; `..` at the root stays at the root.
fn resolve_dots(path: &str) -> String {
    let mut resolved = String::with_capacity(path.len());
    let mut open = true;
    for segment in path.split('/').skip(1) {
        open = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => resolved.truncate(resolved.rfind('/').unwrap_or(0)),
            other => {
                resolved.push('/');
                resolved.push_str(other);
            }
        }
    }
    if open {
        resolved.push('/');
    }
    resolved
}

/// The byte that `text`, which begins with `%`, encodes.
pub(crate) fn percent_byte(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| text.get(at).and_then(|&digit| char::from(digit).to_digit(16));
    u8::try_from(digit(1)? * 16 + digit(2)?).ok()
}

fn push_encoded(text: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    text.push('%');
    text.push(char::from(DIGITS[usize::from(byte >> 4)]));
    text.push(char::from(DIGITS[usize::from(byte & 0xF)]));
}

/// RFC 3986 section 2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// `pchar` of RFC 3986 section 3.3 without percent-encoding.
const fn is_path_character(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SLASHES: [EncodedSlash; 3] = [EncodedSlash::Keep, EncodedSlash::Reject, EncodedSlash::Decode];

    fn normal(raw: &str) -> String {
        normalise(raw, EncodedSlash::Keep).unwrap().into_owned()
    }

    #[test]
    fn every_spelling_of_a_path_becomes_one() {
        for spelling in
            ["/set", "/%73et", "/%73%65%74", "//set", "/./set", "/a/../set", "/%2e/set", "/a/%2E./set", "/../set"]
        {
            assert_eq!(normal(spelling), "/set", "{spelling}");
        }
        for spelling in ["/a/b/", "/a/b/.", "/a//b//", "/a/b/c/..", "/a/%2e%2e/a/b/%2e"] {
            assert_eq!(normal(spelling), "/a/b/", "{spelling}");
        }
        for spelling in ["/", "//", "/..", "/../..", "/a/..", "/.", "/a//../..//"] {
            assert_eq!(normal(spelling), "/", "{spelling}");
        }
    }

    #[test]
    fn what_separates_or_escapes_stays_encoded() {
        assert_eq!(normal("/a%2fb"), "/a%2Fb");
        assert_eq!(normal("/..%2fset"), "/..%2Fset");
        assert_eq!(normal("/%252e%252e/set"), "/%252e%252e/set");
        assert_eq!(normal("/%3f%23%5c"), "/%3F%23%5C");
        assert_eq!(normal("/é\\|"), "/%C3%A9%5C%7C");
        assert_eq!(normal("/..."), "/...");
    }

    #[test]
    fn nonsense_is_refused() {
        for raw in ["", "set", "*", "http://x/"] {
            assert_eq!(normalise(raw, EncodedSlash::Keep), Err(PathFault::NotAbsolute), "{raw}");
        }
        for raw in ["/%", "/%4", "/%zz", "/%4g", "/% 41", "/%+1"] {
            assert_eq!(normalise(raw, EncodedSlash::Keep), Err(PathFault::Percent { at: 1 }), "{raw}");
        }
        for raw in ["/\0", "/%00", "/\n", "/%0d", "/\u{7f}", "/%7F"] {
            assert_eq!(normalise(raw, EncodedSlash::Keep), Err(PathFault::Control { at: 1 }), "{raw}");
        }
    }

    #[test]
    fn an_encoded_slash_is_kept_refused_or_decoded() {
        assert_eq!(normalise("/a%2fb", EncodedSlash::Reject), Err(PathFault::EncodedSlash { at: 2 }));
        assert_eq!(normalise("/a%2Fb", EncodedSlash::Reject), Err(PathFault::EncodedSlash { at: 2 }));
        assert_eq!(normalise("/a/../b", EncodedSlash::Reject).unwrap(), "/b");
        for (raw, decoded) in [
            ("/a%2Fb", "/a/b"),
            ("/a%2f%2e%2e%2fb", "/b"),
            ("/a%2F/b", "/a/b"),
            ("/a%2F", "/a/"),
            ("/a%252Fb", "/a%252Fb"),
        ] {
            assert_eq!(normalise(raw, EncodedSlash::Decode).unwrap(), decoded, "{raw}");
        }
    }

    #[test]
    fn a_normal_path_is_borrowed() {
        for path in ["/", "/set", "/a/b/", "/a%2Fb", "/%C3%A9", "/a.b/.c/..d", "/x;y=1:@"] {
            assert!(matches!(normalise(path, EncodedSlash::Keep), Ok(Cow::Borrowed(same)) if same == path), "{path}");
        }
    }

    proptest! {
        #[test]
        fn the_normal_form_is_a_fixed_point(raw in "/([/.a%~é]|%2[eEfF5]|%[0-9a-fA-F]{2}|\\PC){0,24}") {
            for slash in SLASHES {
                let Ok(once) = normalise(&raw, slash) else { continue };
                prop_assert!(matches!(normalise(&once, slash), Ok(Cow::Borrowed(_))), "{raw:?} -> {once:?}");
                prop_assert!(once.starts_with('/') && once.is_ascii() && !once.contains("//"));
                prop_assert!(once.split('/').all(|segment| segment != "." && segment != ".."));
                prop_assert!(slash == EncodedSlash::Keep || !once.contains("%2F"));
            }
        }

        #[test]
        fn encoding_an_unreserved_character_changes_nothing(
            path in "/[a-z.][a-z./]{0,12}",
            pick in any::<prop::sample::Index>(),
        ) {
            let unreserved: Vec<usize> = path.match_indices(|character| character != '/').map(|(at, _)| at).collect();
            let at = *pick.get(&unreserved);
            let spelled = format!("{}%{:02x}{}", &path[..at], path.as_bytes()[at], &path[at + 1..]);
            for slash in SLASHES {
                prop_assert_eq!(normalise(&spelled, slash), normalise(&path, slash));
            }
        }

        #[test]
        fn no_text_panics(raw in any::<String>()) {
            for slash in SLASHES {
                drop(normalise(&raw, slash));
            }
        }
    }
}
