//! The spine: one request from its head to its answer, one line per step; and what all steps know of it.

use std::cell::{Cell, OnceCell, RefCell};
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, Version};
use sluice_policy::{Builtin, Found, PathPattern, Target};
use sluice_snapshot::time::unix_ms;
use sluice_snapshot::{Link, Route, Snapshot};
use tokio::time::Instant;

use crate::answer::{Answer, ResponseBody};
use crate::body::Upload;
use crate::codec::Incoming;
use crate::connection::Connection;
use crate::drain::Stage;
use crate::error::Error;
use crate::filters::cors::CrossOrigin;
use crate::filters::{cors, redirect};
use crate::head::Line;
use crate::instance::Surroundings;
use crate::record::Record;
use crate::seat::{Draw, WorkerSeat};
use crate::trace::Trace;
use crate::trail::Trail;
use crate::worker::WorkerSnapshot;
use crate::{
    chain, error_page, filters, forward, head, limits, list_servers, matching, mirror, panics, pick, request_id,
    respond, signed_override,
};

/// Answers one request. Never fails: whatever goes wrong is an answer too.
pub(crate) async fn answer(
    connection: Rc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let (parts, incoming) = request.into_parts();
    let exchange = Rc::new(Exchange::begin(connection, &parts, incoming));
    let counters = exchange.connection.worker.counters();
    let ran = panics::caught(counters, "request", run(&exchange, parts)).await.unwrap_or(Err(Error::Panicked));
    let answer = ran.unwrap_or_else(|error| respond::failure(&exchange, &error));
    let answer = filters::to_client(&exchange, answer);
    Ok(respond::finish(exchange, answer))
}

async fn run(exchange: &Rc<Exchange>, parts: Parts) -> Result<Answer, Error> {
    let mut head = head::read(exchange, parts)?;
    exchange.trace.settle(&mut head.headers, || exchange.connection.worker.random());
    exchange.connection.admit()?;
    if head.is_for_router {
        return Ok(respond::options());
    }
    error_page::note(exchange, &head);
    matching::find(exchange, &head)?;
    cors::note(exchange, &head);
    limits::admit(exchange, &head)?;
    if let Some(answer) = cors::preflight(exchange) {
        return Ok(answer);
    }
    signed_override::read(exchange, &mut head);
    let mut answered = chain::request(exchange, &head).await?;
    if answered.is_none() {
        answered = chain::measure(exchange, &head)?;
    }
    let answer = match (answered, exchange.target()?) {
        (Some(answer), _) => answer.instead_of_a_variant(exchange),
        (None, Target::Builtin(Builtin::Servers)) => {
            list_servers::list(exchange, &head.headers).instead_of_a_variant(exchange)
        }
        (None, Target::Redirect) => redirect::answer(exchange, &head)?.instead_of_a_variant(exchange),
        (None, Target::Upstreams(targets)) => {
            let choice = pick::pick(exchange, &head, targets);
            let request = filters::to_server(exchange, head)?;
            let taps = mirror::copy(exchange, &request);
            let mut answer = forward::forward(exchange, request, choice).await?;
            mirror::observe(taps, &mut answer);
            answer
        }
    };
    chain::response(exchange, answer).await
}

/// What the steps of one request know. It ends with the last byte of the response, or when the client leaves.
pub(crate) struct Exchange {
    pub(crate) connection: Rc<Connection>,
    pub(crate) started: Instant,
    /// When it started, Unix time.
    pub(crate) now_ms: u64,
    pub(crate) request_id: HeaderValue,
    pub(crate) record: Record,
    /// What the steps note for those who ask why.
    pub(crate) trail: Trail,
    /// What the chain keeps from phase to phase.
    pub(crate) chain: chain::Notes,
    pub(crate) trace: Trace,
    pub(crate) version: Version,
    pub(crate) is_head: bool,
    snapshot: Rc<WorkerSnapshot>,
    upload: Option<Rc<Upload>>,
    line: OnceCell<Line>,
    /// The same without what is the router's alone to read.
    line_as_told: OnceCell<Line>,
    route: Cell<Option<Found>>,
    variant: Cell<Option<usize>>,
    /// The variant that a signed override names.
    overridden: Cell<Option<usize>>,
    /// It counts towards the requests in flight of its route.
    is_counted_in: Cell<bool>,
    tag: RefCell<Option<HeaderValue>>,
    /// Who asks from elsewhere, on a route with CORS.
    cross_origin: OnceCell<CrossOrigin>,
    /// What the client likes to read, where the policy has error pages to choose from.
    accept: OnceCell<HeaderValue>,
}

impl Exchange {
    fn begin(connection: Rc<Connection>, parts: &Parts, incoming: Incoming) -> Self {
        let worker = &connection.worker;
        worker.counters().in_flight.fetch_add(1, Ordering::Relaxed);
        connection.begin_request();
        let now_ms = unix_ms();
        let (random, draw) = (u128::from(worker.random()) << 64, worker.random());
        let started = Instant::now();
        Self {
            started,
            now_ms,
            request_id: request_id::make(now_ms, random | u128::from(draw)),
            record: Record::default(),
            trail: Trail::new(started),
            chain: chain::Notes::new(Draw::new(draw)),
            trace: Trace::default(),
            version: parts.version,
            is_head: parts.method == Method::HEAD,
            snapshot: worker.current(),
            upload: Upload::open(incoming, worker.settings.body_idle),
            line: OnceCell::new(),
            line_as_told: OnceCell::new(),
            route: Cell::new(None),
            variant: Cell::new(None),
            overridden: Cell::new(None),
            is_counted_in: Cell::new(false),
            tag: RefCell::default(),
            cross_origin: OnceCell::new(),
            accept: OnceCell::new(),
            connection,
        }
    }

    /// The snapshot that this request reads to its end.
    pub(crate) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot.snapshot
    }

    /// The same, for what may outlive the request.
    pub(crate) fn held_snapshot(&self) -> Rc<WorkerSnapshot> {
        Rc::clone(&self.snapshot)
    }

    pub(crate) fn worker_snapshot(&self) -> &WorkerSnapshot {
        &self.snapshot
    }

    /// Its body, if it has one.
    pub(crate) fn upload(&self) -> Option<&Rc<Upload>> {
        self.upload.as_ref()
    }

    /// Method and target, once the head was read.
    pub(crate) fn line(&self) -> Option<&Line> {
        self.line_as_told.get().or_else(|| self.line.get())
    }

    /// The address of the client: of the peer, unless that is a trusted proxy that names another.
    pub(crate) fn client_address(&self) -> &HeaderValue {
        let named = self.line().and_then(|line| line.client.as_ref());
        named.unwrap_or(&self.connection.peer.address_field)
    }

    pub(crate) fn set_line(&self, line: Line) {
        // A head is read once.
        let _first = self.line.set(line);
    }

    /// Has everyone see another target: what was taken out is the router's alone to read.
    pub(crate) fn tell_target(&self, target: PathAndQuery) {
        if let Some(line) = self.line() {
            // Only an override is taken out, once.
            let _first = self.line_as_told.set(Line { target, ..line.clone() });
        }
    }

    pub(crate) fn set_route(&self, found: Found) {
        self.route.set(Some(found));
    }

    /// The route, once one matched.
    pub(crate) fn route(&self) -> Option<&Route> {
        self.route.get().map(|found| &self.snapshot().routes[found.route])
    }

    /// The route as its policy says it.
    pub(crate) fn route_policy(&self) -> Result<&sluice_policy::Route, Error> {
        self.route.get().map(|found| &self.snapshot().policy.routes[found.route]).ok_or(Error::NoRoute)
    }

    /// What the match that took the request says of its path.
    pub(crate) fn path_pattern(&self) -> Result<&PathPattern, Error> {
        let Found { route, matched } = self.route.get().ok_or(Error::NoRoute)?;
        Ok(&self.snapshot().policy.routes[route].matches[matched].path)
    }

    /// Name of the route, empty before one matched.
    pub(crate) fn route_name(&self) -> &str {
        self.route().map_or("", |route| route.traffic.route())
    }

    fn target(&self) -> Result<&Target, Error> {
        self.route_policy().map(|route| &route.target)
    }

    fn rollout(&self) -> Option<usize> {
        self.route_policy().ok()?.rollout
    }

    /// The request counts towards the limit of its route until it ends.
    pub(crate) fn set_counted_in(&self) {
        self.is_counted_in.set(true);
    }

    /// The rollout of the route.
    pub(crate) fn rollout_policy(&self) -> Option<&sluice_policy::Rollout> {
        self.rollout().map(|rollout| &self.snapshot().policy.rollouts[rollout])
    }

    /// The variant chosen so far, as an index into the rollout's variants.
    pub(crate) fn variant(&self) -> Option<usize> {
        self.variant.get()
    }

    pub(crate) fn set_variant(&self, variant: Option<usize>) {
        self.variant.set(variant);
    }

    /// The variant that a signed override names.
    pub(crate) fn overridden(&self) -> Option<usize> {
        self.overridden.get()
    }

    pub(crate) fn set_overridden(&self, variant: usize) {
        self.overridden.set(Some(variant));
    }

    /// The index of a variant of the route's rollout.
    pub(crate) fn variant_index(&self, name: &str) -> Option<usize> {
        self.rollout_policy()?.variants.iter().position(|(variant, _)| variant == name)
    }

    /// Name of the variant chosen so far.
    pub(crate) fn variant_name(&self) -> Option<&str> {
        self.name_of_variant(self.variant.get()?)
    }

    /// Name of a variant of the route's rollout.
    pub(crate) fn name_of_variant(&self, variant: usize) -> Option<&str> {
        self.snapshot.variant(self.rollout()?, variant).to_str().ok()
    }

    /// The same as a header value.
    pub(crate) fn variant_field(&self) -> Option<&HeaderValue> {
        Some(self.snapshot.variant(self.rollout()?, self.variant.get()?))
    }

    /// Who sits at a place of the chain, on this worker.
    pub(crate) fn seat(&self, link: Link) -> &WorkerSeat {
        self.snapshot.seat(link.plugin)
    }

    /// What an instance needs to be called.
    pub(crate) fn surroundings(&self) -> Surroundings<'_> {
        Surroundings { cells: &self.snapshot().cells, effects: &self.connection.worker.shared.effects }
    }

    /// What plugins marked the request with.
    pub(crate) fn tag(&self) -> Option<HeaderValue> {
        self.tag.borrow().clone()
    }

    /// Marks the request; several marks are a list.
    pub(crate) fn set_tag(&self, tag: &str) {
        let mut current = self.tag.borrow_mut();
        let joined = match current.as_ref().and_then(|tag| tag.to_str().ok()) {
            Some(before) => HeaderValue::from_str(&format!("{before}, {tag}")),
            None => HeaderValue::from_str(tag),
        };
        if let Ok(joined) = joined {
            *current = Some(joined);
        }
    }

    /// Who asks from elsewhere, on a route with CORS.
    pub(crate) fn cross_origin(&self) -> Option<&CrossOrigin> {
        self.cross_origin.get()
    }

    pub(crate) fn set_cross_origin(&self, cross_origin: CrossOrigin) {
        // A route is found once.
        let _first = self.cross_origin.set(cross_origin);
    }

    /// What the client likes to read.
    pub(crate) fn accept(&self) -> Option<&HeaderValue> {
        self.accept.get()
    }

    pub(crate) fn set_accept(&self, accept: HeaderValue) {
        // A head is read once.
        let _first = self.accept.set(accept);
    }

    pub(crate) fn request_id_text(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }

    /// True once the head of the response is decided.
    pub(crate) fn is_answered(&self) -> bool {
        self.record.status().is_some()
    }

    /// The response is out: the request is counted and logged, once.
    pub(crate) fn finish(&self) {
        if self.record.close() {
            self.record.write(self);
            if self.is_counted_in.take() {
                limits::leave(self);
            }
            self.connection.worker.counters().in_flight.fetch_sub(1, Ordering::Relaxed);
            self.connection.end_request();
        }
    }

    /// The client left before its response was out.
    pub(crate) fn abandon(&self) {
        self.record.abandoned();
        self.finish();
    }

    /// Reads what is left of the body after an early answer, in a task of its own. A stream of HTTP/2 is reset instead.
    pub(crate) fn discard_upload(exchange: &Rc<Self>) {
        let worker = &exchange.connection.worker;
        if let Some(upload) = exchange.upload().filter(|upload| !upload.is_complete())
            && !exchange.connection.is_http2()
            && worker.connections.stage() < Stage::Over
        {
            worker.tracker.spawn_local(Rc::clone(upload).discard(Rc::clone(exchange)));
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.abandon();
    }
}
