//! `Server-Timing` (W3C Server Timing): what each plugin of the chain said of this request and how long it took, on the
//! responses of sampled requests and for clients that may ask for it.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use sluice_model::weight::SLOTS;
use sluice_policy::ChainTrace;
use sluice_snapshot::Plugin;
use sluice_snapshot::plugin::Phase;
use sluice_wasm::{Decision, Verdict};

use crate::exchange::Exchange;
use crate::instance::Failure;

/// The field of the response.
pub(crate) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
/// The field by which a client asks. It is taken off with all that only routers say.
const ASKS: HeaderName = HeaderName::from_static("x-sluice-trace");
/// What it asks for.
const ASKS_FOR: &[u8] = b"chain";
/// Calls that are told of one request: a whole chain in three phases. Those beyond, the chunks of a long body, are left
/// out.
const CALLS_TOLD_MAX: usize = 48;
const NANOS_PER_MILLI: f64 = 1e6;

/// What is told of one request.
#[derive(Debug, Default)]
pub(crate) struct ServerTiming {
    is_wanted: Cell<bool>,
    calls: Cell<usize>,
    text: RefCell<String>,
}

/// True if the client asks, whether it may or not. Asked before its fields are taken off.
pub(crate) fn is_asked(trace: &ChainTrace, headers: &HeaderMap) -> bool {
    !trace.ask_from.is_empty() && headers.get(ASKS).is_some_and(|value| value.as_bytes() == ASKS_FOR)
}

/// Has the chain of this request told, if it is sampled, or asked for by a client that may.
pub(crate) fn note(exchange: &Exchange, is_asked: bool) {
    let worker = &exchange.connection.worker;
    let trace = &worker.settings.chain_trace;
    let share = u64::from(trace.sample.get());
    let is_sampled = share > 0 && worker.random() % u64::from(SLOTS) < share;
    if is_sampled || (is_asked && may_ask(trace, exchange.client_address())) {
        exchange.chain.trace();
    }
}

fn may_ask(trace: &ChainTrace, client: &HeaderValue) -> bool {
    let address = client.to_str().ok().and_then(|text| text.parse::<IpAddr>().ok());
    address.is_some_and(|address| trace.ask_from.iter().any(|network| network.contains(&address)))
}

impl ServerTiming {
    pub(crate) fn begin(&self) {
        self.is_wanted.set(true);
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.is_wanted.get()
    }

    /// Tells of one call. Names of plugins and variants are tokens (RFC 9110 section 5.6.2).
    pub(crate) fn add(
        &self,
        plugin: &Plugin,
        phase: Phase,
        took: Duration,
        said: Result<&Verdict, &Failure>,
        is_on_trial: bool,
    ) {
        if self.calls.replace(self.calls.get() + 1) >= CALLS_TOLD_MAX {
            return;
        }
        let mut text = self.text.borrow_mut();
        let separator = if text.is_empty() { "" } else { ", " };
        #[expect(clippy::cast_precision_loss, reason = "2^53 ns are a hundred days")]
        let took_ms = took.as_nanos() as f64 / NANOS_PER_MILLI;
        // Writing to a text cannot fail.
        let _infallible = write!(text, "{separator}{}-{};dur={took_ms:.3};desc=\"", plugin.name(), phase.as_str());
        if is_on_trial {
            let _infallible = write!(text, "{} on trial: ", plugin.digest_short());
        }
        let _infallible = match said.map(|verdict| (verdict.decision, verdict.outcome.as_ref())) {
            Ok((Decision::Next, outcome)) => match outcome.map_or(0, |outcome| outcome.edits.len()) {
                0 => write!(text, "next"),
                edits => write!(text, "next, {edits} edits"),
            },
            Ok((Decision::Done, _)) => write!(text, "done"),
            Ok((Decision::Variant(index), _)) => {
                let variant = plugin.activation.variants.get(usize::from(index));
                write!(text, "variant {}", variant.map_or("", String::as_str))
            }
            Ok((Decision::Respond { status }, _)) => write!(text, "respond {status}"),
            Err(failure) => write!(text, "failed: {}", failure.cause),
        };
        text.push('"');
    }

    /// The field, if it is wanted and there is something to tell.
    pub(crate) fn field(&self) -> Option<HeaderValue> {
        if !self.is_wanted.get() || self.text.borrow().is_empty() {
            return None;
        }
        HeaderValue::try_from(self.text.take()).ok()
    }
}
