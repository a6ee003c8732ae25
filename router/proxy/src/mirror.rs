//! Beside the path: copies of requests for other upstreams, whose answers nobody reads, or which are compared with the
//! answer that the client gets.
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
use sluice_snapshot::shadow::{self, Difference};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

pub(crate) use self::comparison::Tap;
use self::comparison::{Compared, Comparison, Differing};
pub(crate) use self::copied_body::{CopiedBody, Tee};
use crate::answer::{Answer, Content};

use crate::acquire::Entrance;
use crate::body::RequestBody;
use crate::client::Patience;
use crate::exchange::Exchange;
use crate::server_body::ServerBody;
use crate::upstream::Wanted;
use crate::worker::{Worker, WorkerSnapshot};

mod comparison;
mod copied_body;

/// Copies on their way, per worker: together they hold at most 256 MiB of requests, and only if every mirror stands still; those
/// that compare as much of answers, and only if clients or mirrors do.
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
    shadow: Option<Shadow>,
}

/// A copy whose answer is compared.
struct Shadow {
    comparison: Comparison,
    /// What is told of the request, with nothing that differs.
    told: Box<Difference>,
}

/// Sends copies of `request` to the mirrors of its route, those whose turn it is. The taps are for [`observe`].
pub(crate) fn copy(exchange: &Exchange, request: &Request<RequestBody>) -> Vec<Tap> {
    let mut taps = Vec::new();
    let Ok(route) = exchange.route_policy() else { return taps };
    for mirror in &route.filters.mirrors {
        let worker = &exchange.connection.worker;
        if worker.random() % u64::from(SLOTS) >= u64::from(mirror.share.get()) {
            continue;
        }
        if worker.copies.on_their_way.get() >= COPIES_MAX {
            worker.counters().mirrors_dropped.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        // A request that is not safe may have another effect the second time, and another answer with it (RFC 9110
        // section 9.2.1).
        let compare = mirror.compare.as_ref().filter(|_| request.method().is_safe());
        let shadow = compare.map(|compare| {
            let (tap, comparison) = comparison::begin(compare);
            taps.push(tap);
            Shadow { comparison, told: Box::new(told(exchange, mirror.upstream)) }
        });
        let copy = Copy {
            worker: Rc::clone(worker),
            snapshot: exchange.held_snapshot(),
            upstream: mirror.upstream,
            timeouts: route.timeouts,
            shadow,
        };
        worker.copies.on_their_way.set(worker.copies.on_their_way.get() + 1);
        worker.tracker.spawn_local(copy.run(duplicate(exchange, request)));
    }
    taps
}

/// Shows the answer that the client gets to the comparisons, as it goes by.
pub(crate) fn observe(taps: Vec<Tap>, answer: &mut Answer) {
    let (status, headers) = (answer.response.status(), answer.response.headers());
    taps.iter().for_each(|tap| tap.head(status, headers));
    match answer.response.body_mut() {
        Content::Streamed(body) => body.tap(taps),
        Content::Whole(bytes) => {
            for tap in taps {
                bytes.iter().for_each(|bytes| tap.push(bytes));
                tap.complete();
            }
        }
    }
}

/// What is told of a request whose answers differ. Of its target the path alone: queries hold secrets.
fn told(exchange: &Exchange, upstream: usize) -> Difference {
    let line = exchange.line();
    let path = line.map_or("", |line| line.target.path());
    Difference {
        time_ms: exchange.now_ms,
        request_id: exchange.request_id_text().to_owned(),
        method: line.map_or_else(String::new, |line| line.method.to_string()),
        path: shadow::cut(path, shadow::PATH_BYTES_MAX),
        route: exchange.route_name().to_owned(),
        mirror: exchange.snapshot().policy.upstreams[upstream].name.clone(),
        status: None,
        headers: Vec::new(),
        body: None,
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
        let deadline = Instant::now() + self.timeouts.request;
        let sent = tokio::select! {
            biased;
            () = self.worker.copies.end.cancelled() => None,
            () = broken_off => None,
            sent = self.send(request, deadline) => sent,
        };
        let counters = self.worker.counters();
        let counter = if sent.is_some() { &counters.mirrored } else { &counters.mirrors_dropped };
        counter.fetch_add(1, Ordering::Relaxed);
        if let Some(Shadow { comparison, told }) = &self.shadow {
            if sent.is_some() {
                tokio::select! {
                    biased;
                    () = self.worker.copies.end.cancelled() => {}
                    () = sleep_until(deadline) => {}
                    () = comparison.client_ended() => {}
                }
            }
            self.keep(comparison.result(), told);
        }
    }

    fn keep(&self, compared: Compared, told: &Difference) {
        let outcome = match compared {
            Compared::Unfinished => shadow::Comparison::Unfinished,
            Compared::Same { is_cut } => shadow::Comparison::Same { is_cut },
            Compared::Different(Differing { status, headers, body }) => {
                shadow::Comparison::Different(Box::new(Difference { status, headers, body, ..told.clone() }))
            }
        };
        self.worker.shared.traffic.shadows().keep(self.worker.index, &told.route, &told.mirror, outcome);
    }

    /// Sends the copy to one server and reads its answer to the end; `None` if any of it failed.
    async fn send(&self, request: Request<RequestBody>, deadline: Instant) -> Option<()> {
        let began = Instant::now();
        let comparison = self.shadow.as_ref().map(|shadow| &shadow.comparison);
        let group = self.snapshot.group(self.upstream);
        group.refresh(self.snapshot.snapshot.cells.servers(), began);
        let server = group.choose(began, Wanted::Live, |_| false, None, self.worker.random())?;
        let patience = self.timeouts.connect;
        let entrance = Entrance { worker: &self.worker, group, server: &server, patience, deadline, trail: None };
        let mut lease = entrance.open(false).await.ok()?;
        let patience = Patience { deadline, first_byte: self.timeouts.request };
        let response = lease.send(request, None, patience).await.ok()?;
        if let Some(comparison) = comparison {
            comparison.head(response.status(), response.headers());
        }
        let mut body = ServerBody::new(response.into_body(), lease, self.worker.settings.body_idle, deadline);
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let frame = frame.ok()?;
            if let Some((comparison, chunk)) = comparison.zip(frame.data_ref()) {
                comparison.push(chunk);
            }
        }
        if let Some(comparison) = comparison {
            comparison.complete();
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
