//! Origins: real servers, small enough to misbehave on purpose.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::client::find;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A server on a port of its own; gone with its drop.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    accepting: tokio::task::JoinHandle<()>,
    _token: TaskTrackerToken,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    open: usize,
    requests: Vec<Request>,
}

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Its place on its connection, from 0.
    pub(crate) place: usize,
}

impl Request {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// What to write; and whether the connection ends after it.
pub(crate) struct Plan {
    bytes: Vec<u8>,
    is_last: bool,
}

impl Plan {
    pub(crate) fn keep(bytes: impl AsRef<[u8]>) -> Self {
        Self { bytes: bytes.as_ref().to_vec(), is_last: false }
    }

    pub(crate) fn close(bytes: impl AsRef<[u8]>) -> Self {
        Self { bytes: bytes.as_ref().to_vec(), is_last: true }
    }

    pub(crate) fn ok(body: &str) -> Self {
        Self::keep(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
    }
}

impl Origin {
    /// Answers every whole request as `plan` says.
    pub(crate) async fn start(plan: impl Fn(&Request) -> Plan + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), plan).await
    }

    /// The same, at this address.
    pub(crate) async fn at(address: SocketAddr, plan: impl Fn(&Request) -> Plan + Send + Sync + 'static) -> Self {
        let plan = Arc::new(plan);
        let listener = TcpListener::bind(address).await.unwrap();
        Self::serve(listener, move |mut stream, seen| {
            let plan = Arc::clone(&plan);
            async move {
                let mut buffer = Vec::new();
                for place in 0.. {
                    let Some(request) = read_request(&mut stream, &mut buffer, place).await else { return };
                    let Plan { bytes, is_last } = plan(&request);
                    seen.note(request);
                    if stream.write_all(&bytes).await.is_err() || is_last {
                        return;
                    }
                }
            }
        })
    }

    /// Answers 200 with the given text.
    pub(crate) async fn saying(text: &'static str) -> Self {
        Self::start(move |_| Plan::ok(text)).await
    }

    /// Answers with the body of the request.
    pub(crate) async fn echo() -> Self {
        Self::start(|request| {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", request.body.len());
            Plan::keep([head.as_bytes(), &request.body].concat())
        })
        .await
    }

    /// Answers `ok` to everything but requests for `/slow`, which it never answers.
    pub(crate) async fn slow() -> Self {
        Self::raw(|mut stream, _| async move {
            let mut buffer = Vec::new();
            while let Some(head) = read_head(&mut stream, &mut buffer).await {
                if head.starts_with("GET /slow") {
                    std::future::pending::<()>().await;
                }
                let _sent = stream.write_all(OK).await;
            }
        })
        .await
    }

    /// Answers `ok` to one request, without a body, for each notice.
    pub(crate) async fn held() -> (Self, Arc<Notify>) {
        let release = Arc::new(Notify::new());
        let released = Arc::clone(&release);
        let origin = Self::raw(move |mut stream, notes| {
            let released = Arc::clone(&released);
            async move {
                let mut buffer = Vec::new();
                for place in 0.. {
                    let Some(head) = read_head(&mut stream, &mut buffer).await else { return };
                    notes.note(Request { head, body: Vec::new(), place });
                    released.notified().await;
                    if stream.write_all(OK).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await;
        (origin, release)
    }

    /// Hands every connection to `serve`.
    pub(crate) async fn raw<F>(serve: impl Fn(TcpStream, Notes) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::serve(TcpListener::bind("127.0.0.1:0").await.unwrap(), serve)
    }

    fn serve<F>(listener: TcpListener, serve: impl Fn(TcpStream, Notes) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let notes = Notes(Arc::clone(&seen));
        let tracker = TaskTracker::new();
        let accepting = tracker.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let notes = notes.opened();
                let served = serve(stream, notes.clone());
                connections.spawn(async move {
                    served.await;
                    notes.0.lock().unwrap().open -= 1;
                });
            }
        });
        Self { address, seen, accepting, _token: tracker.token() }
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    pub(crate) fn open_connections(&self) -> usize {
        self.seen.lock().unwrap().open
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().requests.clone()
    }

    /// The only request so far.
    pub(crate) fn request(&self) -> Request {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests[0].clone()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Where an origin notes what it sees.
#[derive(Clone)]
pub(crate) struct Notes(Arc<Mutex<Seen>>);

impl Notes {
    fn opened(&self) -> Self {
        let mut seen = self.0.lock().unwrap();
        seen.connections += 1;
        seen.open += 1;
        self.clone()
    }

    pub(crate) fn note(&self, request: Request) {
        self.0.lock().unwrap().requests.push(request);
    }
}

/// Reads a head; `None` at the end of the connection.
pub(crate) async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(at) = find(buffer, b"\r\n\r\n") {
            return Some(String::from_utf8(buffer.drain(..at + 4).collect()).unwrap());
        }
        fill(stream, buffer).await?;
    }
}

/// Reads a whole request; `None` at the end of the connection.
pub(crate) async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>, place: usize) -> Option<Request> {
    let head = read_head(stream, buffer).await?;
    let mut request = Request { head, body: Vec::new(), place };
    let length: usize = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    if request.header("transfer-encoding").is_some() {
        loop {
            let Some(at) = find(buffer, b"\r\n") else {
                fill(stream, buffer).await?;
                continue;
            };
            let size = usize::from_str_radix(std::str::from_utf8(&buffer[..at]).unwrap(), 16).unwrap();
            while buffer.len() < at + 2 + size + 2 {
                fill(stream, buffer).await?;
            }
            request.body.extend_from_slice(&buffer[at + 2..at + 2 + size]);
            buffer.drain(..at + 2 + size + 2);
            if size == 0 {
                break;
            }
        }
    }
    while buffer.len() < length {
        fill(stream, buffer).await?;
    }
    request.body.extend(buffer.drain(..length));
    Some(request)
}

/// Reads some more; `None` at the end of the connection.
pub(crate) async fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    matches!(stream.read_buf(buffer).await, Ok(bytes) if bytes > 0).then_some(())
}
