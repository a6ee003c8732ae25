//! Syntax of HTTP fields and methods (RFC 9110 sections 5 and 9), for what a plugin wants to write into a message.

/// Fields that frame a message or belong to one connection (RFC 9110 section 7.6.1): the router alone sets them.
const ROUTER_FIELDS: [&str; 8] =
    ["connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

/// Names that no plugin edits, beside those: they address the message (`host`; the path is what a plugin may change), say
/// by whom and for whom it was passed on (`via`, `forwarded`, `x-real-ip`), or ask something of one hop (`expect`). The
/// router writes them after all edits, or has taken them off before.
const RESERVED_FIELDS: [&str; 6] = ["expect", "forwarded", "host", "http2-settings", "via", "x-real-ip"];

/// Beginnings of such names: what is said to and by proxies, the way of a request, and what only this router says.
const RESERVED_PREFIXES: [&str; 3] = ["proxy-", "x-forwarded-", "x-sluice-"];

/// True for a token (RFC 9110 section 5.6.2), such as a field name.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// True for a method in upper case, as plugins declare them.
pub(crate) fn is_method(text: &str) -> bool {
    is_token(text) && !text.bytes().any(|byte| byte.is_ascii_lowercase())
}

/// True for a field value: no control characters but the tab (RFC 9110 section 5.5), so no second line.
pub(crate) fn is_value(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}

/// True for a field that a plugin may not set in a response.
pub(crate) fn is_set_by_router(name: &str) -> bool {
    ROUTER_FIELDS.iter().any(|field| field.eq_ignore_ascii_case(name))
}

/// True for a field that a plugin may not edit.
pub(crate) fn is_reserved(name: &str) -> bool {
    let begins = |prefix: &&str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    is_set_by_router(name)
        || RESERVED_FIELDS.iter().any(|field| field.eq_ignore_ascii_case(name))
        || RESERVED_PREFIXES.iter().any(begins)
}

/// True for an absolute path: characters of RFC 3986 section 3.3, encoded or not. Whether it is in normal form is
/// another question.
pub(crate) fn is_path(text: &str) -> bool {
    text.starts_with('/')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/".contains(&byte))
}

/// True for a query: what the `http` crate takes, which is a little more than RFC 3986 section 3.4 has.
pub(crate) fn is_query(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"#<>".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_methods() {
        assert!(is_token("x-user") && is_token("X_1"));
        assert!(!is_token("") && !is_token("a b") && !is_token("a:") && !is_token("ü"));
        assert!(is_method("GET") && is_method("M-SEARCH") && !is_method("get"));
    }

    #[test]
    fn a_value_is_one_line() {
        assert!(is_value("") && is_value("a b\tc") && is_value("für"));
        for text in ["a\rb", "a\nb", "a\0b", "a\x7fb"] {
            assert!(!is_value(text), "{text:?}");
        }
    }

    #[test]
    fn what_is_reserved_is_so_in_any_case_of_letters() {
        for name in ["Host", "VIA", "x-forwarded-For", "Proxy-Status", "X-Sluice-Tag", "te", "Transfer-Encoding"] {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["x-forwarded", "proxy", "date", "cookie", "x-slice"] {
            assert!(!is_reserved(name), "{name}");
        }
    }

    #[test]
    fn paths_and_queries_are_one_token() {
        assert!(is_path("/") && is_path("/a%2Fb;c=1") && !is_path("a") && !is_path("/a b") && !is_path("/a?"));
        assert!(is_query("") && is_query("a[]=|&b=/?") && !is_query("a b") && !is_query("a\r"));
    }

    #[test]
    fn framing_is_the_router_s() {
        assert!(is_set_by_router("Content-Length") && is_set_by_router("transfer-encoding"));
        assert!(!is_set_by_router("content-type"));
    }
}
