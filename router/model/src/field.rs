//! Fields: what of a request or response a plugin or a sticky key may ask for, as it is written in a policy file and
//! in a plugin's activation.

use std::fmt;
use std::str::FromStr;

/// One field of a request or response.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// Request method.
    Method,
    /// Normalised path.
    Path,
    /// Host, lower case, without port.
    Host,
    /// Query string, without `?`.
    Query,
    /// Address of the client, without port.
    ClientAddress,
    /// Declared length of the body, in bytes.
    ContentLength,
    /// Status of the response.
    Status,
    /// A header; the name is lower case.
    Header(String),
    /// A cookie; names are case-sensitive (RFC 6265 section 4.1.1).
    Cookie(String),
    /// A parameter of the query string.
    QueryParameter(String),
    /// The sticky key of the rollout of this name, as the policy declares it.
    RolloutKey(String),
}

/// A text that names no field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no field: {hint}")]
pub struct FieldError {
    /// The text as it was written.
    pub text: String,
    /// What to write instead.
    pub hint: String,
}

const FORMS: &str = "write method, path, host, query, client-address, content-length, status, \
    header:NAME, cookie:NAME, query:NAME or rollout-key:NAME";

impl FromStr for Field {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<Self, FieldError> {
        match text.split_once(':') {
            None => plain(text),
            Some((kind, name)) => named(text, kind, name),
        }
    }
}

fn plain(text: &str) -> Result<Field, FieldError> {
    Ok(match text {
        "method" => Field::Method,
        "path" => Field::Path,
        "host" => Field::Host,
        "query" => Field::Query,
        "client-address" => Field::ClientAddress,
        "content-length" => Field::ContentLength,
        "status" => Field::Status,
        "header" | "cookie" | "rollout-key" => return fault(text, format!("write {text}:NAME")),
        _ => return fault(text, FORMS.to_owned()),
    })
}

fn named(text: &str, kind: &str, name: &str) -> Result<Field, FieldError> {
    if name.is_empty() {
        return fault(text, format!("a name follows `{kind}:`"));
    }
    match kind {
        "header" if is_token(name) => Ok(Field::Header(name.to_ascii_lowercase())),
        "cookie" if is_token(name) => Ok(Field::Cookie(name.to_owned())),
        "header" | "cookie" => fault(text, format!("a {kind} name has letters, digits and !#$%&'*+-.^_`|~ only")),
        "query" => Ok(Field::QueryParameter(name.to_owned())),
        "rollout-key" => Ok(Field::RolloutKey(name.to_owned())),
        _ => fault(text, FORMS.to_owned()),
    }
}

fn fault(text: &str, hint: String) -> Result<Field, FieldError> {
    Err(FieldError { text: text.to_owned(), hint })
}

/// RFC 9110 section 5.6.2.
fn is_token(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method => f.write_str("method"),
            Self::Path => f.write_str("path"),
            Self::Host => f.write_str("host"),
            Self::Query => f.write_str("query"),
            Self::ClientAddress => f.write_str("client-address"),
            Self::ContentLength => f.write_str("content-length"),
            Self::Status => f.write_str("status"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::QueryParameter(name) => write!(f, "query:{name}"),
            Self::RolloutKey(name) => write!(f, "rollout-key:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads_and_writes_alike() {
        for text in [
            "method",
            "path",
            "host",
            "query",
            "client-address",
            "content-length",
            "status",
            "header:x-user",
            "cookie:uid",
            "query:page",
            "rollout-key:demo",
        ] {
            assert_eq!(text.parse::<Field>().unwrap().to_string(), text);
        }
        assert_eq!("header:X-User".parse(), Ok(Field::Header("x-user".into())), "header names are lower case");
        assert_eq!("cookie:Uid".parse(), Ok(Field::Cookie("Uid".into())), "cookie names are not");
    }

    #[test]
    fn a_wrong_form_says_what_to_write() {
        for (text, hint) in [
            ("header", "header:NAME"),
            ("cookie:", "a name follows"),
            ("header:a b", "letters"),
            ("body", "method, path"),
            ("heder:x", "method, path"),
            ("", "method, path"),
        ] {
            let error = text.parse::<Field>().unwrap_err();
            assert!(error.hint.contains(hint), "{text:?}: {error}");
        }
    }
}
