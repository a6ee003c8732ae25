//! Servers that speak HTTP/2: one that behaves, by way of the `h2` crate. Those that do not are written by hand in the
//! tests.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, SendResponse};
use http::request::Parts;
use http::{Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::origin::{Notes, Origin};

/// A server on a port of its own; gone with its drop.
pub(crate) struct H2Origin {
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
    _accepting: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    open: AtomicUsize,
    in_flight: AtomicUsize,
    busiest: AtomicUsize,
    requests: Mutex<Vec<(Parts, Vec<u8>)>>,
    release: Notify,
}

impl H2Origin {
    /// Answers 200 with what it got as a body.
    pub(crate) async fn start() -> Self {
        Self::start_with(Builder::new(), false).await
    }

    /// `is_held`: it answers nothing before it is told to.
    pub(crate) async fn start_with(builder: Builder, is_held: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let noted = Arc::clone(&seen);
        let accepting = TaskTracker::new().spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, builder.clone(), Arc::clone(&noted), is_held));
            }
        });
        Self { address, seen, _accepting: AbortOnDropHandle::new(accepting) }
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn open_connections(&self) -> usize {
        self.seen.open.load(Ordering::SeqCst)
    }

    /// Requests that wait for their answer.
    pub(crate) fn in_flight(&self) -> usize {
        self.seen.in_flight.load(Ordering::SeqCst)
    }

    /// The most requests that one connection had at a time.
    pub(crate) fn busiest(&self) -> usize {
        self.seen.busiest.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> Vec<(Parts, Vec<u8>)> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// Answers what waits.
    pub(crate) fn release(&self) {
        self.seen.release.notify_waiters();
    }
}

async fn serve(stream: TcpStream, builder: Builder, seen: Arc<Seen>, is_held: bool) {
    stream.set_nodelay(true).unwrap();
    seen.connections.fetch_add(1, Ordering::SeqCst);
    seen.open.fetch_add(1, Ordering::SeqCst);
    let busy = Arc::new(AtomicUsize::new(0));
    let mut streams = JoinSet::new();
    if let Ok(mut connection) = builder.handshake(stream).await {
        while let Some(Ok((request, respond))) = connection.accept().await {
            seen.busiest.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            seen.in_flight.fetch_add(1, Ordering::SeqCst);
            let (busy, seen) = (Arc::clone(&busy), Arc::clone(&seen));
            streams.spawn(async move {
                answer(request, respond, &seen, is_held).await;
                busy.fetch_sub(1, Ordering::SeqCst);
                seen.in_flight.fetch_sub(1, Ordering::SeqCst);
            });
        }
    }
    drop(streams);
    seen.open.fetch_sub(1, Ordering::SeqCst);
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, seen: &Seen, is_held: bool) {
    let (parts, mut stream) = request.into_parts();
    let mut body = Vec::new();
    while let Some(chunk) = stream.data().await {
        let Ok(chunk) = chunk else { return };
        let _gone = stream.flow_control().release_capacity(chunk.len());
        body.extend_from_slice(&chunk);
    }
    seen.requests.lock().unwrap().push((parts, body.clone()));
    if is_held {
        tokio::select! {
            () = seen.release.notified() => {}
            _reset = std::future::poll_fn(|cx| respond.poll_reset(cx)) => return,
        }
    }
    let Ok(mut out) = respond.send_response(Response::new(()), body.is_empty()) else { return };
    if !body.is_empty() {
        let _gone = crate::h2client::send(&mut out, body).await;
    }
}

/// A policy that sends everything to these servers over HTTP/2; `more` are lines of the upstream.
pub(crate) fn everything_over_h2_to(addresses: &[SocketAddr], more: &str) -> String {
    let servers: Vec<String> = addresses.iter().map(|address| format!("{:?}", address.to_string())).collect();
    format!(
        "[upstreams.app]\nprotocol = \"h2c\"\nservers = [{}]\n{more}\n[[routes]]\nname = \"app\"\nto = \"app\"\n\
         timeouts = {{ connect = \"1s\", request = \"10s\" }}\n",
        servers.join(", ")
    )
}

/// A server whose frames are written by hand: `serve` gets each connection after its preface.
pub(crate) async fn by_hand<F>(serve: impl Fn(crate::h2wire::Wire, Notes) -> F + Send + Sync + 'static) -> Origin
where
    F: Future<Output = ()> + Send + 'static,
{
    let serve = Arc::new(serve);
    Origin::raw(move |stream, notes| {
        let serve = Arc::clone(&serve);
        async move {
            stream.set_nodelay(true).unwrap();
            if let Some(wire) = crate::h2wire::Wire::accept(stream).await {
                serve(wire, notes).await;
            }
        }
    })
    .await
}
