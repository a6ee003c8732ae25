//! A client that speaks HTTP/2 as it should, by way of the `h2` crate.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Method, Request};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use tokio_util::task::TaskTracker;

use crate::client::PATIENCE;

/// Windows that no test fills by accident.
const WINDOW_BYTES: u32 = 16 << 20;

pub(crate) struct H2Client {
    requests: SendRequest<Bytes>,
    driving: AbortOnDropHandle<Result<(), h2::Error>>,
}

/// A whole response.
#[derive(Debug)]
pub(crate) struct H2Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl H2Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// A request for `path`.
pub(crate) fn get(path: &str) -> Request<()> {
    request(Method::GET, path)
}

pub(crate) fn post(path: &str) -> Request<()> {
    request(Method::POST, path)
}

fn request(method: Method, path: &str) -> Request<()> {
    Request::builder().method(method).uri(format!("http://test{path}")).body(()).unwrap()
}

impl H2Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::connect_with(address, WINDOW_BYTES).await
    }

    /// `window_bytes`: what each stream may send before it is read.
    pub(crate) async fn connect_with(address: SocketAddr, window_bytes: u32) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut builder = Builder::new();
        builder.initial_window_size(window_bytes).initial_connection_window_size(WINDOW_BYTES);
        let (requests, connection) = builder.handshake(stream).await.unwrap();
        let driving = AbortOnDropHandle::new(TaskTracker::new().spawn(connection));
        Self { requests, driving }
    }

    /// Sends the head of a request; the stream takes its body.
    pub(crate) async fn open(
        &self,
        request: Request<()>,
        is_whole: bool,
    ) -> Result<(h2::client::ResponseFuture, SendStream<Bytes>), h2::Error> {
        let mut ready = self.requests.clone().ready().await?;
        ready.send_request(request, is_whole)
    }

    /// Sends a request and reads its whole response.
    pub(crate) async fn ask(&self, request: Request<()>, body: Option<Vec<u8>>) -> Result<H2Reply, h2::Error> {
        let asked = async {
            let (response, mut stream) = self.open(request, body.is_none()).await?;
            if let Some(body) = body {
                send(&mut stream, body).await?;
            }
            read(response.await?).await
        };
        timeout(PATIENCE, asked).await.expect("a response in time")
    }

    pub(crate) async fn get(&self, path: &str) -> Result<H2Reply, h2::Error> {
        self.ask(get(path), None).await
    }

    /// Waits until the connection has ended.
    pub(crate) async fn ended(self) -> Result<(), h2::Error> {
        timeout(PATIENCE, self.driving).await.expect("an end in time").unwrap()
    }
}

/// Sends a body as fast as the window allows, and ends it.
pub(crate) async fn send(stream: &mut SendStream<Bytes>, body: Vec<u8>) -> Result<(), h2::Error> {
    let mut left = Bytes::from(body);
    while !left.is_empty() {
        stream.reserve_capacity(left.len());
        let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
        let room = room.unwrap_or(Err(h2::Reason::CANCEL.into()))?;
        stream.send_data(left.split_to(room.min(left.len())), false)?;
    }
    stream.send_data(Bytes::new(), true)
}

/// Reads a response to its end.
pub(crate) async fn read(response: http::Response<RecvStream>) -> Result<H2Reply, h2::Error> {
    let (parts, mut stream) = response.into_parts();
    let mut body = Vec::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk?;
        stream.flow_control().release_capacity(chunk.len())?;
        body.extend_from_slice(&chunk);
    }
    Ok(H2Reply { status: parts.status.as_u16(), headers: parts.headers, body })
}
