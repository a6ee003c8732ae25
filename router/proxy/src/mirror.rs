//! Beside the path: copies of requests for other upstreams, whose answers nobody reads.
//!
//! A copy runs in a task of its own and holds nothing of its exchange. It never delays or fails the request, and is never
//! sent twice.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use futures_util::future::Either;
use http::{HeaderMap, Request, header};
use http_body::Body;
use sluice_model::weight::SLOTS;
use sluice_policy::Timeouts;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use self::copied_body::{CopiedBody, Tee};

use crate::acquire::Entrance;
use crate::body::RequestBody;
use crate::client::Patience;
use crate::exchange::Exchange;
use crate::server_body::ServerBody;
use crate::upstream::Wanted;
use crate::worker::{Worker, WorkerSnapshot};

mod copied_body;

/// Copies on their way, per worker: together they hold at most 256 MiB, and only if every mirror stands still.
const COPIES_MAX: usize = 256;

/// The copies of one worker.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    on_their_way: Cell<usize>,
    end: CancellationToken,
}

impl Copies {
    /// Breaks all copies off, and those that follow: a drain waits for requests, not for copies.
    pub(crate) fn break_off(&self) {
        self.end.cancel();
    }
}

/// One copy on its way.
struct Copy {
    worker: Rc<Worker>,
    snapshot: Rc<WorkerSnapshot>,
    /// Index of the upstream.
    upstream: usize,
    timeouts: Timeouts,
}

/// Sends copies of `request` to the mirrors of its route, those whose turn it is.
pub(crate) fn copy(exchange: &Exchange, request: &Request<RequestBody>) {
    let Ok(route) = exchange.route_policy() else { return };
    for mirror in &route.filters.mirrors {
        let worker = &exchange.connection.worker;
        if worker.random() % u64::from(SLOTS) >= u64::from(mirror.share.get()) {
            continue;
        }
        if worker.copies.on_their_way.get() >= COPIES_MAX {
            worker.counters().mirrors_dropped.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let copy = Copy {
            worker: Rc::clone(worker),
            snapshot: exchange.held_snapshot(),
            upstream: mirror.upstream,
            timeouts: route.timeouts,
        };
        worker.copies.on_their_way.set(worker.copies.on_their_way.get() + 1);
        worker.tracker.spawn_local(copy.run(duplicate(exchange, request)));
    }
}

/// The request again, with a body that follows the upload.
fn duplicate(exchange: &Exchange, request: &Request<RequestBody>) -> Request<RequestBody> {
    let body = exchange.upload().map_or(RequestBody::Empty, |upload| {
        let (tee, body) = copied_body::tee(request.body().size_hint());
        upload.copy_to(tee);
        RequestBody::Copy(body)
    });
    let mut copy = Request::new(body);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = HeaderMap::clone(request.headers());
    // The client has one body to send, when the server wants it.
    copy.headers_mut().remove(header::EXPECT);
    copy
}

impl Copy {
    async fn run(self, request: Request<RequestBody>) {
        let broken_off = match request.body() {
            RequestBody::Copy(body) => Either::Left(body.broken_off()),
            RequestBody::Empty | RequestBody::Upload(_) => Either::Right(std::future::pending()),
        };
        let sent = tokio::select! {
            biased;
            () = self.worker.copies.end.cancelled() => None,
            () = broken_off => None,
            sent = self.send(request) => sent,
        };
        let counters = self.worker.counters();
        let counter = if sent.is_some() { &counters.mirrored } else { &counters.mirrors_dropped };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Sends the copy to one server and reads its answer to the end; `None` if any of it failed.
    async fn send(&self, request: Request<RequestBody>) -> Option<()> {
        let began = Instant::now();
        let deadline = began + self.timeouts.request;
        let group = self.snapshot.group(self.upstream);
        group.refresh(self.snapshot.snapshot.cells.servers(), began);
        let server = group.choose(began, Wanted::Live, |_| false, None, self.worker.random())?;
        let patience = self.timeouts.connect;
        let entrance = Entrance { worker: &self.worker, group, server: &server, patience, deadline, trail: None };
        let mut lease = entrance.open(false).await.ok()?;
        let patience = Patience { deadline, first_byte: self.timeouts.request };
        let response = lease.send(request, None, patience).await.ok()?;
        let mut body = ServerBody::new(response.into_body(), lease, self.worker.settings.body_idle, deadline);
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            frame.ok()?;
        }
        Some(())
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let copies = &self.worker.copies;
        copies.on_their_way.set(copies.on_their_way.get() - 1);
    }
}
