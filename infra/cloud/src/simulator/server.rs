//! The simulator behind HTTP: requests in, answers out, and connections broken where a fault says so.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request as HttpRequest, State};
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::call::{Answer, Delivery, Refusal, Reply, Request};
use super::{Simulator, control};

/// Longest body of a request: user-data of 64 KiB, escaped, with room.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Serves the API until it is told to stop.
///
/// # Errors
/// If the listener fails.
pub async fn serve(listener: TcpListener, simulator: Simulator, stop: CancellationToken) -> io::Result<()> {
    let router = Router::new().fallback(handle).with_state((simulator, stop.clone()));
    let service = router.into_make_service_with_connect_info::<Peer>();
    axum::serve(Wires(listener), service).with_graceful_shutdown(stop.cancelled_owned()).await
}

/// Who asks, and how to break the connection.
#[derive(Clone, Debug)]
struct Peer {
    address: SocketAddr,
    is_cut: Arc<AtomicBool>,
}

impl Connected<IncomingStream<'_, Wires>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Wires>) -> Self {
        Self { address: *stream.remote_addr(), is_cut: Arc::clone(&stream.io().is_cut) }
    }
}

type Shared = (Simulator, CancellationToken);

async fn handle(
    State((simulator, stop)): State<Shared>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: HttpRequest,
) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return response(Refusal::new(413, "too_large", "the body is too large").into_answer(""), simulator.now_ms());
    };
    let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("simulator");
    let request = Request {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: query(head.uri.query().unwrap_or_default()),
        token: token(&head.headers),
        base: format!("http://{host}"),
        body: body.into(),
        is_dangerous: head.headers.get("x-dangerous").is_some_and(|value| value == "true"),
    };
    if request.path.starts_with("/_sim/") {
        // The name too: a page in a browser on this machine comes from loopback as well.
        let answer = if peer.address.ip().is_loopback() && is_loopback(host) {
            control::answer(&simulator, &request)
        } else {
            Refusal::new(403, "Forbidden", "only over loopback").into_answer("")
        };
        return response(answer, simulator.now_ms());
    }
    let Reply { answer, delivery } = simulator.answer(&request);
    let now_ms = simulator.now_ms();
    match delivery {
        Delivery::Whole => response(answer, now_ms),
        Delivery::Never(time) => {
            tokio::select! {
                () = tokio::time::sleep(time) => {}
                () = stop.cancelled() => {}
            }
            peer.is_cut.store(true, Ordering::Relaxed);
            response(answer, now_ms)
        }
        Delivery::Cut => broken(answer, now_ms, peer.is_cut),
    }
}

fn response(answer: Answer, now_ms: u64) -> Response {
    let Answer { status, headers, body } = answer;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    let json = header::HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    // Clients tell the time of `ratelimit-reset` by it.
    let now =
        i64::try_from(now_ms).ok().and_then(|now_ms| Timestamp::from_millisecond(now_ms).ok()).unwrap_or_default();
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&now).ok().and_then(|date| date.parse().ok());
    if let Some(date) = date {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

/// Half of the answer, then a reset.
fn broken(answer: Answer, now_ms: u64, is_cut: Arc<AtomicBool>) -> Response {
    let length = answer.body.len();
    let half = Bytes::copy_from_slice(&answer.body.as_bytes()[..length / 2]);
    let mut response = response(Answer { body: String::new(), ..answer }, now_ms);
    response.headers_mut().insert(header::CONTENT_LENGTH, length.max(1).into());
    *response.body_mut() = Body::new(Half { half: Some(half), is_cut });
    response
}

/// A body that ends too early.
struct Half {
    half: Option<Bytes>,
    is_cut: Arc<AtomicBool>,
}

impl hyper::body::Body for Half {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, io::Error>>> {
        if let Some(half) = self.half.take() {
            // Waking itself lets the half be written first.
            context.waker().wake_by_ref();
            return Poll::Ready(Some(Ok(hyper::body::Frame::data(half))));
        }
        self.is_cut.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())))
    }
}

fn token(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(ToOwned::to_owned)
}

fn query(text: &str) -> Vec<(String, String)> {
    let url = reqwest::Url::parse(&format!("http://simulator/?{text}"));
    url.map(|url| url.query_pairs().into_owned().collect()).unwrap_or_default()
}

/// Whether a `Host` header names this machine.
fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name);
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Accepts connections that can be broken.
struct Wires(TcpListener);

impl Listener for Wires {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        (Wire { stream, is_cut: Arc::default() }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A connection; once cut, nothing more is written, and its end is a reset.
struct Wire {
    stream: TcpStream,
    is_cut: Arc<AtomicBool>,
}

impl Wire {
    fn whole(&self) -> io::Result<()> {
        if self.is_cut.load(Ordering::Relaxed) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.is_cut.load(Ordering::Relaxed) {
            // Without it the client sees an orderly end; it is a rehearsal of a worse one.
            drop(self.stream.set_zero_linger());
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.whole()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.whole()?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for (host, is) in [("127.0.0.1:1", true), ("localhost", true), ("[::1]:80", true), ("evil.example", false)] {
            assert_eq!(is_loopback(host), is, "{host}");
        }
    }
}
