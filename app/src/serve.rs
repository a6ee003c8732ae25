//! The listener and its connections: a bounded number, each with a limit on how long it may stay silent.
//!
//! It must not know what is served. A connection in flight when `stop` fires finishes its request and closes.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

/// Connections served at once; more wait in the kernel's backlog. Below the usual limit of 1024 descriptors.
const CONNECTIONS_MAX: usize = 768;
/// Time for a request's head to arrive. hyper counts idle time too, so it is longer than routers keep idle
/// connections (75 s is common): the router should be the one to close.
const HEAD_READ_MAX: Duration = Duration::from_secs(90);
/// Largest request head.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Pause after a failed accept: it mostly means that descriptors ran out, and those come back with time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts until `stop`, and serves each connection on `connections`.
pub(crate) async fn serve(listener: TcpListener, router: Router, stop: CancellationToken, connections: TaskTracker) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = accept(&listener, &permits) => accepted,
        };
        match accepted {
            Ok((stream, permit)) => {
                connections.spawn(connection(stream, permit, router.clone(), stop.clone()));
            }
            Err(error) => {
                warn!(%error, "accept failed");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                }
            }
        }
    }
}

/// A permit first, so that a connection beyond the bound is never accepted.
async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.expect("invariant: nobody closes this semaphore");
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, permit))
}

async fn connection(stream: TcpStream, permit: OwnedSemaphorePermit, router: Router, stop: CancellationToken) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_READ_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        debug!(%error, "connection ended early");
    }
    drop(permit);
}
