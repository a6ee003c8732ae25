//! Last step of the path: the request is counted and written to the access log, at its last byte or when it is dropped.

use std::cell::Cell;
use std::time::Duration;

use sluice_snapshot::Reason;

use crate::exchange::Exchange;

/// What is noted of one request while it is on its way.
#[derive(Debug, Default)]
pub(crate) struct Record {
    status: Cell<Option<u16>>,
    reason: Cell<Option<Reason>>,
    /// Index of the plugin that answered.
    plugin: Cell<Option<usize>>,
    bytes: Cell<u64>,
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

    /// The router itself answers, for this reason.
    pub(crate) fn refused(&self, reason: Reason) {
        self.reason.set(Some(reason));
    }

    /// A plugin answers.
    pub(crate) fn answered_by(&self, plugin: usize) {
        self.plugin.set(Some(plugin));
        self.reason.set(Some(Reason::PluginResponse));
    }

    /// The response broke off after its head, for this reason.
    pub(crate) fn broke_off(&self, reason: Reason) {
        self.reason.set(Some(reason));
    }

    /// Bytes of the response's body went out.
    pub(crate) fn sent(&self, bytes: usize) {
        self.bytes.set(self.bytes.get() + bytes as u64);
    }

    /// The client left; unless everything was over before.
    pub(crate) fn abandoned(&self) {
        if !self.is_closed.get() {
            self.is_abandoned.set(true);
        }
    }

    /// True the first time.
    pub(crate) fn close(&self) -> bool {
        !self.is_closed.replace(true)
    }

    /// Counts and logs.
    pub(crate) fn write(&self, exchange: &Exchange) {
        let took = exchange.started.elapsed();
        let status = self.status.get().filter(|_| !self.is_abandoned.get());
        if let Some(route) = exchange.route() {
            route.traffic.finished(exchange.connection.worker.index, exchange.variant(), status, took);
        }
        if tracing::enabled!(target: "access", tracing::Level::INFO) {
            self.log(exchange, took);
        }
    }

    fn log(&self, exchange: &Exchange, took: Duration) {
        let line = exchange.line();
        let reason = if self.is_abandoned.get() { Some(Reason::ClientGone) } else { self.reason.get() };
        let tag = exchange.tag();
        tracing::info!(
            target: "access",
            method = line.map(|line| line.method.as_str()),
            path = line.map(|line| line.target.path()),
            status = self.status.get(),
            route = exchange.route_name(),
            variant = exchange.variant_name(),
            request_id = exchange.request_id_text(),
            client = exchange.connection.peer.address_field.to_str().ok(),
            duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            bytes = self.bytes.get(),
            plugin = self.plugin.get().map(|plugin| exchange.snapshot().plugins[plugin].name()),
            tag = tag.as_ref().and_then(|tag| tag.to_str().ok()),
            reason = reason.map(Reason::as_str),
            "request"
        );
    }
}
