//! Syntax of HTTP fields and methods (RFC 9110 sections 5 and 9), for what a plugin wants to write into a message.

/// Fields that frame a message or belong to one connection (RFC 9110 section 7.6.1): the router alone sets them.
const ROUTER_FIELDS: [&str; 8] =
    ["connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

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
    fn framing_is_the_router_s() {
        assert!(is_set_by_router("Content-Length") && is_set_by_router("transfer-encoding"));
        assert!(!is_set_by_router("content-type"));
    }
}
