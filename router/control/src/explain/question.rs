//! A question as someone asks it, and the request head that the router would make of it.

use std::net::{IpAddr, Ipv4Addr};

use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use serde::{Deserialize, Serialize};
use sluice_policy::EncodedSlash;
use sluice_policy::path::{self, PathFault};
use sluice_snapshot::fields::RequestFields;

/// Header fields of one question; as many as the edge takes in one request.
pub const HEADERS_MAX: usize = 100;
/// Whose request it is unless the question says so.
const CLIENT_DEFAULT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What would become of this request?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Method; GET by default.
    #[serde(default = "get")]
    pub method: String,
    /// `http://host/path?query`, or only the path beside a `host` field.
    pub url: String,
    /// Names and values of the header fields.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Bytes of the body.
    #[serde(default)]
    pub body_bytes: Option<u64>,
    /// Address of the client; loopback by default.
    #[serde(default)]
    pub client: Option<IpAddr>,
}

fn get() -> String {
    Method::GET.to_string()
}

/// Why a question cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// No method.
    #[error("`{0}` is no method")]
    Method(String),
    /// No URL.
    #[error("`{0}` is no URL: write http://HOST/PATH, or /PATH with -H 'host: HOST'")]
    Url(String),
    /// No host in it.
    #[error("the request has no host: write http://HOST/PATH, or add -H 'host: HOST'")]
    Host,
    /// No header field.
    #[error("`{0}` is no header field: write NAME: VALUE")]
    Header(String),
    /// Too many header fields.
    #[error("{0} header fields, at most {HEADERS_MAX}")]
    Headers(usize),
}

/// The head that is asked about.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    /// Path in normal form; the fault is answered by the router.
    pub(crate) path: Result<String, PathFault>,
    /// Path as asked.
    pub(crate) sent_path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) client: String,
    pub(crate) body_bytes: Option<u64>,
}

impl Head {
    /// Reads a question.
    ///
    /// # Errors
    /// [`QuestionError`]: it is no request at all.
    pub(crate) fn read(question: &Question) -> Result<Self, QuestionError> {
        let method = Method::from_bytes(question.method.to_ascii_uppercase().as_bytes());
        let method = method.map_err(|_| QuestionError::Method(question.method.clone()))?;
        let uri: Uri = question.url.parse().map_err(|_| QuestionError::Url(question.url.clone()))?;
        let whole = uri.path_and_query().ok_or_else(|| QuestionError::Url(question.url.clone()))?;
        let mut headers = headers(&question.headers)?;
        let host = match (uri.authority(), headers.get(header::HOST)) {
            (Some(authority), _) => authority.clone(),
            (None, Some(field)) => Authority::try_from(field.as_bytes()).map_err(|_| QuestionError::Host)?,
            (None, None) => return Err(QuestionError::Host),
        };
        if let Ok(field) = HeaderValue::from_str(host.as_str()) {
            headers.insert(header::HOST, field);
        }
        if let (Some(bytes), false) = (question.body_bytes, headers.contains_key(header::TRANSFER_ENCODING)) {
            headers.entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(bytes));
        }
        Ok(Self {
            method,
            host: host.host().to_ascii_lowercase().trim_end_matches('.').to_owned(),
            port: host.port_u16(),
            path: path::normalise(whole.path(), EncodedSlash::Keep).map(std::borrow::Cow::into_owned),
            sent_path: whole.path().to_owned(),
            query: whole.query().map(ToOwned::to_owned),
            headers,
            client: question.client.unwrap_or(CLIENT_DEFAULT).to_string(),
            body_bytes: question.body_bytes,
        })
    }

    /// The path in normal form, empty if it has none.
    pub(crate) fn path(&self) -> &str {
        self.path.as_deref().unwrap_or_default()
    }

    /// What plugins and keys read of it.
    pub(crate) fn fields(&self) -> RequestFields<'_> {
        RequestFields {
            method: &self.method,
            path: self.path(),
            query: self.query.as_deref(),
            host: &self.host,
            headers: &self.headers,
            client_address: self.client.as_bytes(),
        }
    }
}

fn headers(given: &[(String, String)]) -> Result<HeaderMap, QuestionError> {
    if given.len() > HEADERS_MAX {
        return Err(QuestionError::Headers(given.len()));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let fault = || QuestionError::Header(format!("{name}: {value}"));
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| fault())?;
        let value = HeaderValue::from_str(value.trim()).map_err(|_| fault())?;
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(url: &str) -> Question {
        Question { method: "get".to_owned(), url: url.to_owned(), headers: Vec::new(), body_bytes: None, client: None }
    }

    #[test]
    fn a_url_is_read_as_the_edge_reads_it() {
        let head = Head::read(&question("http://Example.ORG.:8080/a/../%73et?x=1")).unwrap();
        assert_eq!((head.host.as_str(), head.path(), head.query.as_deref()), ("example.org", "/set", Some("x=1")));
        assert_eq!(head.sent_path, "/a/../%73et");
        assert_eq!(head.method, Method::GET);
        assert_eq!(head.client, "127.0.0.1");
        assert!(Head::read(&question("http://h/%zz")).unwrap().path.is_err());
    }

    #[test]
    fn a_path_needs_a_host_field() {
        assert_eq!(Head::read(&question("/set")).unwrap_err(), QuestionError::Host);
        let headers = vec![("Host".to_owned(), "a:80".to_owned())];
        let head = Head::read(&Question { headers, ..question("/set") }).unwrap();
        assert_eq!(head.host, "a");
    }

    #[test]
    fn a_body_declares_its_length() {
        let head = Head::read(&Question { body_bytes: Some(7), ..question("http://a/") }).unwrap();
        assert_eq!(head.headers[header::CONTENT_LENGTH], "7");
    }

    #[test]
    fn header_fields_are_bounded() {
        let many = |count| vec![("x-a".to_owned(), "1".to_owned()); count];
        assert!(Head::read(&Question { headers: many(HEADERS_MAX), ..question("http://a/") }).is_ok());
        let error = Head::read(&Question { headers: many(HEADERS_MAX + 1), ..question("http://a/") }).unwrap_err();
        assert_eq!(error, QuestionError::Headers(HEADERS_MAX + 1));
        let odd = vec![("a b".to_owned(), String::new())];
        assert!(Head::read(&Question { headers: odd, ..question("http://a/") }).is_err());
    }
}
