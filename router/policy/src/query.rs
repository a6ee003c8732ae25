//! Query parameters: compared as decoded, without decoding into a buffer.

use crate::path::percent_byte;
use crate::route::NameValue;

/// True if `query` (what follows the `?`) holds `parameter`, read as `application/x-www-form-urlencoded`.
pub(crate) fn query_has(query: &str, parameter: &NameValue<String>) -> bool {
    query.split('&').any(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Decoded(name.as_bytes()).eq(parameter.name.bytes()) && parameter.value.accepts(Decoded(value.as_bytes()))
    })
}

/// The bytes that a form-encoded text stands for; a `%` without two digits stands for itself (WHATWG URL section 5.1).
struct Decoded<'a>(&'a [u8]);

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        let (byte, rest) = match (first, percent_byte(self.0)) {
            (b'%', Some(byte)) => (byte, &rest[2..]),
            (b'+', _) => (b' ', rest),
            (other, _) => (other, rest),
        };
        self.0 = rest;
        Some(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pattern;
    use crate::route::ValuePattern;

    fn has(query: &str, name: &str, value: &str) -> bool {
        query_has(query, &NameValue { name: name.into(), value: ValuePattern::Exact(value.into()) })
    }

    #[test]
    fn patterns_see_the_decoded_value() {
        let parameter = NameValue { name: "a".into(), value: ValuePattern::Regex(Pattern::new("x y|z+").unwrap()) };
        assert!(query_has("a=x+y", &parameter) && query_has("a=1&a=%7Az", &parameter));
        assert!(!query_has("a=x+yz", &parameter) && !query_has("b=z", &parameter));
    }

    #[test]
    fn parameters_are_compared_decoded() {
        assert!(has("a=1&b=2", "b", "2"));
        assert!(has("b=1&b=2", "b", "2"), "one occurrence is enough");
        assert!(has("a%62=x+y%26", "ab", "x y&"));
        assert!(has("flag", "flag", ""));
        assert!(has("a=%&b=%4", "b", "%4"));
        assert!(has("a=1%2", "a", "1%2"));
    }

    #[test]
    fn other_parameters_do_not_match() {
        for query in ["", "a=12", "A=1", "xa=1", "a=1 ", "a"] {
            assert!(!has(query, "a", "1"), "{query}");
        }
    }
}
