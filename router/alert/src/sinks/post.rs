//! One POST to one address: no proxy, no redirect, no connection kept, an answer of which little is read.
//!
//! Notices are rare, so each has a connection of its own; and an answer decides nothing but whether to try again.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{HOST, HeaderName, HeaderValue, RETRY_AFTER};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{RETRY_AFTER_MAX, SendError, SettingsError};

/// Longest way to a connection, name look-up and TLS handshake included.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5);
/// Longest wait for an answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);
/// Bytes of an answer's body that are read: a line that says what was wrong.
const ANSWER_BYTES_MAX: usize = 1_024;
/// Largest head of an answer.
const ANSWER_HEAD_BYTES_MAX: usize = 16 * 1_024;
/// Who we say that we are.
const USER_AGENT: &str = concat!("sluice/", env!("CARGO_PKG_VERSION"));

/// Where to.
pub(super) struct Target {
    host: String,
    port: u16,
    authority: Authority,
    path: PathAndQuery,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// Without the path, which may be a secret.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Target {
    /// Reads an address.
    ///
    /// # Errors
    /// [`SettingsError`]; it does not repeat the address.
    pub(super) fn parse(url: &str) -> Result<Self, SettingsError> {
        let uri: Uri = url.trim().parse().map_err(|_| SettingsError::Url("it is no URL"))?;
        let parts = uri.into_parts();
        let is_tls = match parts.scheme {
            Some(scheme) if scheme == Scheme::HTTPS => true,
            Some(scheme) if scheme == Scheme::HTTP => false,
            _ => return Err(SettingsError::Url("it begins with neither https:// nor http://")),
        };
        let authority = parts.authority.ok_or(SettingsError::Url("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(SettingsError::Url("it holds a name or a password before the host"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = || ServerName::try_from(host.clone()).map_err(|_| SettingsError::Url("its host is no name"));
        let tls = if is_tls { Some((connector()?, name()?)) } else { None };
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let path = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        Ok(Self { host, port, authority, path, tls })
    }

    /// Path and query.
    pub(super) fn path(&self) -> &str {
        self.path.as_str()
    }

    /// Posts JSON. Answers of 2xx are a success; 408, 429 and 5xx ask for another try, as does everything that is no
    /// answer; anything else is a word that another try would not change.
    ///
    /// # Errors
    /// [`SendError`].
    pub(super) async fn post(
        &self,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
        body: Vec<u8>,
    ) -> Result<(), SendError> {
        let request = self.request(headers, body)?;
        let connected = timeout(CONNECT_WAIT_MAX, self.connect()).await;
        let stream = connected.map_err(|_late| SendError::passing("no connection in time"))??;
        let answered = timeout(ANSWER_WAIT_MAX, Box::pin(exchange(stream, request))).await;
        judge(&answered.map_err(|_late| SendError::passing("no answer in time"))??)
    }

    fn request(
        &self,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
        body: Vec<u8>,
    ) -> Result<Request<Full<Bytes>>, SendError> {
        let request = Request::builder().method(Method::POST).uri(Uri::from(self.path.clone()));
        let request = request.header(HOST, self.authority.as_str());
        let request = request.header(http::header::CONTENT_TYPE, "application/json");
        let request = request.header(http::header::USER_AGENT, USER_AGENT);
        let mut request =
            request.body(Full::new(Bytes::from(body))).map_err(|_| SendError::lasting("no such request"))?;
        request.headers_mut().extend(headers);
        Ok(request)
    }

    async fn connect(&self) -> Result<Stream, SendError> {
        let failed = |error: std::io::Error| SendError::passing(&format!("no connection: {error}"));
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(failed)?;
        Ok(match &self.tls {
            None => Box::pin(TokioIo::new(stream)),
            Some((connector, name)) => {
                Box::pin(TokioIo::new(connector.connect(name.clone(), stream).await.map_err(failed)?))
            }
        })
    }
}

/// A connection, encrypted or not.
trait Duplex: Read + Write + Send {}
impl<T: Read + Write + Send> Duplex for T {}
type Stream = std::pin::Pin<Box<dyn Duplex>>;

/// What is read of an answer.
struct Answer {
    status: StatusCode,
    retry_after: Option<Duration>,
    /// The beginning of its body.
    says: String,
}

async fn exchange(stream: Stream, request: Request<Full<Bytes>>) -> Result<Answer, SendError> {
    let failed = |error: hyper::Error| SendError::passing(&format!("no answer: {error}"));
    let handshake = http1::Builder::new().max_buf_size(ANSWER_HEAD_BYTES_MAX).handshake(stream).await;
    let (mut sender, connection) = handshake.map_err(failed)?;
    let mut answer = pin!(async {
        let response = sender.send_request(request).await.map_err(failed)?;
        Ok(read(response).await)
    });
    tokio::select! {
        answer = &mut answer => return answer,
        // It may have ended behind the answer.
        _ended = connection => {}
    }
    answer.await
}

async fn read(response: Response<Incoming>) -> Answer {
    let (head, mut body) = response.into_parts();
    let mut says = Vec::new();
    while says.len() < ANSWER_BYTES_MAX
        && let Some(Ok(frame)) = body.frame().await
    {
        let data = frame.into_data().unwrap_or_default();
        says.extend_from_slice(&data[..data.len().min(ANSWER_BYTES_MAX - says.len())]);
    }
    let says = String::from_utf8_lossy(&says).into_owned();
    Answer { status: head.status, retry_after: retry_after(&head.headers, SystemTime::now()), says }
}

/// RFC 9110 section 10.2.3: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = text.parse().ok().map(Duration::from_secs);
    let until = || httpdate::parse_http_date(text).ok()?.duration_since(now).ok();
    Some(seconds.or_else(until)?.min(RETRY_AFTER_MAX))
}

fn judge(answer: &Answer) -> Result<(), SendError> {
    let Answer { status, retry_after, says } = answer;
    if status.is_success() {
        return Ok(());
    }
    let asks_again = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(status);
    let retryable = asks_again || status.is_server_error();
    let error = SendError::new(retryable, &format!("it answers {}: {says}", status.as_u16()));
    Err(SendError { retry_after: *retry_after, ..error })
}

/// TLS 1.2 and 1.3 with the certificates that the system trusts.
fn connector() -> Result<TlsConnector, SettingsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reason = found.errors.first().map_or_else(|| "the system has none".to_owned(), ToString::to_string);
        return Err(SettingsError::Certificates(reason));
    }
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| SettingsError::Certificates(error.to_string()))?;
    Ok(TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, says: &str) -> Answer {
        Answer { status: StatusCode::from_u16(status).unwrap(), retry_after: None, says: says.to_owned() }
    }

    #[test]
    fn an_answer_says_whether_to_try_again() {
        for status in [200, 202, 204] {
            assert_eq!(judge(&answer(status, "")), Ok(()));
        }
        for (status, retryable) in
            [(408, true), (429, true), (500, true), (503, true), (301, false), (400, false), (410, false)]
        {
            assert_eq!(judge(&answer(status, "")).unwrap_err().retryable, retryable, "{status}");
        }
        let told = judge(&answer(400, "no\r\nsuch\u{1b}[2J channel")).unwrap_err().reason;
        assert_eq!(told, "it answers 400: no such [2J channel");
    }

    #[test]
    fn a_receiver_may_ask_for_a_bounded_wait() {
        let asks = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_str(text).unwrap())]);
            retry_after(&headers, SystemTime::UNIX_EPOCH)
        };
        assert_eq!(asks("300"), Some(RETRY_AFTER_MAX));
        assert_eq!(asks("301"), Some(RETRY_AFTER_MAX));
        assert_eq!(asks("7"), Some(Duration::from_secs(7)));
        assert_eq!(asks("Thu, 01 Jan 1970 00:00:09 GMT"), Some(Duration::from_secs(9)));
        assert_eq!((asks("-1"), asks("soon"), asks("99999999999999999999999")), (None, None, None));
    }

    #[test]
    fn an_address_is_read_and_its_path_not_shown() {
        let target = Target::parse("http://[::1]:81/T0/secret").unwrap();
        assert_eq!((target.host.as_str(), target.port, target.authority.as_str()), ("::1", 81, "[::1]:81"));
        assert!(!format!("{target:?}").contains("secret"));
        assert_eq!(Target::parse("http://example.org").unwrap().port, 80);
        for wrong in ["", "example.org", "ftp://example.org/", "http://user:pw@example.org/", "http:///x", "/x"] {
            let told = Target::parse(wrong).unwrap_err().to_string();
            assert!(!told.contains("pw"), "{told}");
        }
    }
}
