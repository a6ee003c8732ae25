//! One check of one server: a real request over a connection of its own, in the protocol of the upstream.

use std::pin::pin;

use http::{Request, StatusCode, header};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use sluice_policy::Protocol;
use sluice_policy::upstream::HealthCheck;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Whom servers see in their logs.
const USER_AGENT: &str = concat!("sluice/", env!("CARGO_PKG_VERSION"), " health check");

/// Why a server did not pass.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProbeError {
    /// The check cannot be written as a request.
    #[error("the check is no request")]
    Request(#[source] http::Error),
    /// No connection.
    #[error("no connection")]
    Connect(#[source] std::io::Error),
    /// No answer over HTTP/1.1.
    #[error("no answer")]
    Http1(#[source] hyper::Error),
    /// No answer over HTTP/2.
    #[error("no answer")]
    Http2(#[source] h2::Error),
    /// An answer with another status than those that are good.
    #[error("status {0}")]
    Status(StatusCode),
    /// No answer in time.
    #[error("no answer in time")]
    Late,
}

/// Asks `address` (`host:port`) once. Cancel safe.
pub(super) async fn probe(address: &str, check: &HealthCheck, protocol: Protocol) -> Result<(), ProbeError> {
    let asked = async {
        let stream = TcpStream::connect(address).await.map_err(ProbeError::Connect)?;
        match protocol {
            Protocol::Http1 => over_http1(stream, address, check).await,
            Protocol::H2c => over_http2(stream, address, check).await,
        }
    };
    let status = timeout(check.timeout, asked).await.map_err(|_| ProbeError::Late)??;
    if check.statuses.contains(&status.as_u16()) { Ok(()) } else { Err(ProbeError::Status(status)) }
}

async fn over_http1(stream: TcpStream, address: &str, check: &HealthCheck) -> Result<StatusCode, ProbeError> {
    let host = check.host.as_deref().unwrap_or(address);
    let request = Request::get(&check.path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(ProbeError::Request)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(ProbeError::Http1)?;
    let answer = sender.send_request(request);
    driven(answer, connection).await.map(|answer| answer.status()).map_err(ProbeError::Http1)
}

async fn over_http2(stream: TcpStream, address: &str, check: &HealthCheck) -> Result<StatusCode, ProbeError> {
    let host = check.host.as_deref().unwrap_or(address);
    let request = Request::get(format!("http://{host}{}", check.path))
        .version(http::Version::HTTP_2)
        .header(header::USER_AGENT, USER_AGENT)
        .body(())
        .map_err(ProbeError::Request)?;
    let (sender, connection) = h2::client::handshake(stream).await.map_err(ProbeError::Http2)?;
    let answer = async {
        let mut sender = sender.ready().await.map_err(ProbeError::Http2)?;
        let (answer, _no_body) = sender.send_request(request, true).map_err(ProbeError::Http2)?;
        answer.await.map(|answer| answer.status()).map_err(ProbeError::Http2)
    };
    driven(answer, connection).await
}

/// What `answer` gives while `connection` moves the bytes. A connection that ends has given all that it will: the answer is
/// there, or what went wrong is.
async fn driven<T>(answer: impl Future<Output = T>, connection: impl Future) -> T {
    let mut answer = pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        _ended = connection => answer.await,
    }
}
