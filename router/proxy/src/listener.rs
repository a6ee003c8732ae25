//! First step of the path: sockets that listen, and the loop that accepts.
//!
//! Every worker has its own SO_REUSEPORT socket per address, so that accepting takes no turn.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sluice_policy::ListenerConfig;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::connection;
use crate::lock::AddressLock;
use crate::worker::Worker;

/// Connections that wait for `accept`, per socket; the kernel cuts it to `net.core.somaxconn` (4096 by default).
const BACKLOG: i32 = 4_096;
/// Connections beyond `connections_max` that are taken in, per worker, to be told that there are too many: enough for the
/// clients that come within the time that telling takes, and nothing to a worker's memory.
const REFUSED_MAX: usize = 64;
/// Pause after an accept that failed for want of files or memory: the condition lasts, and the socket stays readable.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why an address could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address}")]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// One listener: a socket for each worker.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) address: SocketAddr,
    pub(crate) sockets: Vec<TcpListener>,
    pub(crate) lock: Option<AddressLock>,
}

/// Binds `address` once per worker, after making sure that nobody else has it.
pub(crate) fn bind(address: SocketAddr, workers: usize) -> Result<Bound, BindError> {
    try_bind(address, workers).map_err(|source| BindError { address, source })
}

fn try_bind(address: SocketAddr, workers: usize) -> io::Result<Bound> {
    // A port that the kernel picks is nobody else's: neither lock nor probe is needed.
    let lock = if address.port() == 0 {
        None
    } else {
        let lock = AddressLock::take(address)?;
        drop(listen(address, Sharing::Alone)?);
        Some(lock)
    };
    let first = listen(address, Sharing::Workers)?;
    let address = first.local_addr()?;
    let mut sockets = vec![first];
    while sockets.len() < workers {
        sockets.push(listen(address, Sharing::Workers)?);
    }
    Ok(Bound { address, sockets, lock })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Alone,
    Workers,
}

fn listen(address: SocketAddr, sharing: Sharing) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(sharing == Sharing::Workers)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts until `stop`, and then what had connected by then. No error ends it. Beyond `connections_max` connections some
/// are taken in to be refused, and the rest waits in the backlog; as every listener waits for one with room in sight, there
/// may be one more for each listener but the first.
pub(crate) async fn accept(
    worker: Rc<Worker>,
    config: Rc<ListenerConfig>,
    listener: tokio::net::TcpListener,
    stop: CancellationToken,
) {
    let mut is_failing = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return accept_queued(&worker, &config, listener),
            accepted = accept_one(&worker, &listener) => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                if std::mem::take(&mut is_failing) {
                    tracing::info!(listener = %config.address, "accepts again");
                }
                serve(&worker, &config, stream, peer);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(listener = %config.address, error, "cannot accept, tries again and again");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn serve(worker: &Rc<Worker>, config: &Rc<ListenerConfig>, stream: TcpStream, peer: SocketAddr) {
    worker.counters().accepted.fetch_add(1, Ordering::Relaxed);
    // Counted here, so that the next accept knows of it.
    let open = worker.connections.open(worker.settings.connections_max);
    worker.tracker.spawn_local(connection::serve(Rc::clone(worker), Rc::clone(config), open, stream, peer));
}

/// Takes in what waits in the backlog, then closes the socket: the kernel resets the connections that it finds there, and
/// their clients, who may have sent a request by now, would see it fail.
fn accept_queued(worker: &Rc<Worker>, config: &Rc<ListenerConfig>, listener: tokio::net::TcpListener) {
    let Ok(listener) = listener.into_std() else { return };
    // Not by way of readiness, which the runtime may not have heard of yet.
    while worker.connections.has_room(taken_in_max(worker))
        && let Ok((stream, peer)) = listener.accept()
    {
        let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
        match stream {
            Ok(stream) => serve(worker, config, stream, peer),
            Err(error) => tracing::debug!(%error, "connection lost while it was accepted"),
        }
    }
}

async fn accept_one(worker: &Worker, listener: &tokio::net::TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    worker.connections.below(taken_in_max(worker)).await;
    listener.accept().await
}

fn taken_in_max(worker: &Worker) -> usize {
    worker.settings.connections_max.saturating_add(REFUSED_MAX)
}

/// True for errors that belong to the connection just taken from the backlog; the next one may be fine (`accept(2)`).
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_gets_a_socket_of_one_address() {
        let bound = bind("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        assert_eq!(bound.sockets.len(), 3);
        assert!(bound.sockets.iter().all(|socket| socket.local_addr().unwrap() == bound.address));
    }

    #[test]
    fn a_second_router_on_the_address_fails() {
        let first = bind("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        let error = bind(first.address, 1).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
        let address = first.address;
        drop(first);
        let again = bind(address, 2).unwrap();
        assert!(again.lock.is_some());
        assert_eq!(AddressLock::take(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
