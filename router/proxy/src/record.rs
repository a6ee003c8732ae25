//! Last step of the path: the request is counted, kept for `sluice why`, and written to the access log, at its last byte
//! or when it is dropped.

use std::cell::Cell;

use http::Version;
use sluice_snapshot::Reason;
use sluice_snapshot::decisions::Facts;
use sluice_snapshot::time::unix_ms;
use sluice_snapshot::traffic::Finished;

use crate::connection::Connection;
use crate::exchange::Exchange;
use crate::trail::Told;

/// The first status that stands for a fault on this side (RFC 9110 section 15.6).
const SERVER_ERROR: u16 = 500;

/// What is noted of one request while it is on its way.
#[derive(Debug, Default)]
pub(crate) struct Record {
    status: Cell<Option<u16>>,
    reason: Cell<Option<Reason>>,
    bytes_out: Cell<u64>,
    is_broken_off: Cell<bool>,
    is_abandoned: Cell<bool>,
    is_closed: Cell<bool>,
}

impl Record {
    /// The status that was decided.
    pub(crate) fn status(&self) -> Option<u16> {
        self.status.get()
    }

    pub(crate) fn set_status(&self, status: u16) {
        self.status.set(Some(status));
    }

    /// Why the router or a plugin answers.
    pub(crate) fn refused(&self, reason: Reason) {
        self.reason.set(Some(reason));
    }

    /// The response broke off after its head, for this reason.
    pub(crate) fn broke_off(&self, reason: Reason) {
        self.reason.set(Some(reason));
    }

    /// The server broke its response off, for this reason.
    pub(crate) fn server_broke_off(&self, reason: Reason) {
        self.is_broken_off.set(true);
        self.broke_off(reason);
    }

    /// Bytes of the response's body went out.
    pub(crate) fn sent(&self, bytes: usize) {
        self.bytes_out.set(self.bytes_out.get() + bytes as u64);
    }

    /// The client left; unless everything was over before.
    pub(crate) fn abandoned(&self) {
        if !self.is_closed.get() {
            self.is_abandoned.set(true);
            self.reason.set(Some(Reason::ClientGone));
        }
    }

    /// True once the request was counted.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    /// True the first time.
    pub(crate) fn close(&self) -> bool {
        !self.is_closed.replace(true)
    }

    /// Counts, keeps and logs.
    pub(crate) fn write(&self, exchange: &Exchange) {
        let worker = &exchange.connection.worker;
        let finished = Finished {
            status: self.status.get().filter(|_| !self.is_abandoned.get()),
            is_broken_off: self.is_broken_off.get(),
            took: exchange.started.elapsed(),
            bytes_in: exchange.upload().map_or(0, |upload| upload.bytes()),
            bytes_out: self.bytes_out.get(),
        };
        if let Some(route) = exchange.route() {
            route.traffic.finished(worker.index, exchange.variant(), &finished);
        }
        exchange.chain.settle_counters(exchange);
        exchange.chain.count(exchange, finished.status.is_some_and(|status| status >= SERVER_ERROR));
        if let Some(reason) = self.reason.get() {
            worker.counters().reasons.count(reason);
        }
        Told::by(exchange, |told| {
            let tag = exchange.tag();
            let facts = self.facts(exchange, &finished, told, tag.as_ref().map_or(b"", |tag| tag.as_bytes()));
            worker.shared.traffic.decisions().keep(worker.index, &facts, told.steps(), told.attempts());
            if let Some(log) = &worker.access_log {
                log.write(&facts, told);
            }
        });
    }

    fn facts<'a>(&self, exchange: &'a Exchange, finished: &Finished, told: &Told<'a>, tag: &'a [u8]) -> Facts<&'a str> {
        let line = exchange.line();
        let peer = exchange.connection.peer.address_field.to_str().unwrap_or_default();
        Facts {
            time_ms: exchange.now_ms,
            request_id: exchange.request_id_text(),
            trace_id: exchange.trace.id(),
            client: exchange.client_address().to_str().unwrap_or(peer),
            peer,
            protocol: protocol(exchange.version),
            method: line.map(|line| line.method.as_str()),
            host: line.map(|line| line.host.name()),
            path: line.map(|line| line.target.path()),
            status: self.status.get(),
            reason: self.reason.get().map(Reason::as_str),
            route: Some(exchange.route_name()).filter(|route| !route.is_empty()),
            variant: exchange.variant_name(),
            variant_by: told.variant_by.filter(|_| exchange.variant().is_some()),
            upstream: told.upstream,
            bytes_in: finished.bytes_in,
            bytes_out: finished.bytes_out,
            duration_us: u64::try_from(finished.took.as_micros()).unwrap_or(u64::MAX),
            upstream_us: told.upstream_us(),
            tag: std::str::from_utf8(tag).ok().filter(|tag| !tag.is_empty()),
            revision: exchange.snapshot().revision,
            worker: exchange.connection.worker.index,
        }
    }
}

/// A head that could not be read was refused: counted, and logged as far as anything is known. HTTP/1 only: over HTTP/2
/// the connection ends instead.
pub(crate) fn refused_unread(connection: &Connection, status: u16, reason: Reason) {
    let worker = &connection.worker;
    worker.counters().reasons.count(reason);
    let Some(log) = &worker.access_log else { return };
    let peer = connection.peer.address_field.to_str().unwrap_or_default();
    let facts = Facts {
        time_ms: unix_ms(),
        client: peer,
        peer,
        protocol: protocol(Version::HTTP_11),
        status: Some(status),
        reason: Some(reason.as_str()),
        revision: worker.current().snapshot.revision,
        worker: worker.index,
        ..Facts::default()
    };
    log.write(&facts, &Told::default());
}

const fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 | Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}
