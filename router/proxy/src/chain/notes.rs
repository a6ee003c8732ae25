//! What the chain keeps of one request between its phases. It lies inside the exchange; what no plugin asked for takes no
//! memory of its own.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use http::{HeaderValue, Response};
use sluice_model::stats::COUNTERS_MAX;
use sluice_snapshot::plugin::Phase;
use sluice_snapshot::{Link, Plugin};
use sluice_wasm::{Edit, Verdict};

use crate::answer::Content;
use crate::edits::{self, RequestEdits};
use crate::exchange::Exchange;
use crate::instance::Failure;
use crate::seat::Draw;
use crate::server_timing::ServerTiming;

/// Places of the chain, one bit each; the policy has no longer chains.
#[derive(Debug, Default)]
struct Positions(Cell<u64>);

impl Positions {
    fn add(&self, position: usize) {
        self.0.set(self.0.get() | bit(position));
    }

    fn has(&self, position: usize) -> bool {
        self.0.get() & bit(position) != 0
    }

    fn is_empty(&self) -> bool {
        self.0.get() == 0
    }
}

fn bit(position: usize) -> u64 {
    u32::try_from(position).ok().and_then(|position| 1_u64.checked_shl(position)).unwrap_or_default()
}

/// See the module.
pub(crate) struct Notes {
    /// Which trials it takes part in.
    pub(crate) draw: Draw,
    /// What plugins asked to be handed back, by position in the chain; those who asked for 0 are left out.
    contexts: RefCell<Vec<(usize, u32)>>,
    /// The same of their shadows.
    shadow_contexts: RefCell<Vec<(usize, u32)>>,
    /// Whose word counted was called here.
    called: Positions,
    /// A shadow was called here.
    shadowed: Positions,
    /// A shadow said something else than the one whose word counts.
    differing: Positions,
    /// Wants to see no more of the body.
    sated: Positions,
    /// The same of the shadows.
    shadow_sated: Positions,
    request_edits: RefCell<Vec<Edit>>,
    response_edits: RefCell<Vec<Edit>>,
    timing: ServerTiming,
    /// What plugins counted on a route with a rollout, as `PLUGIN/COUNTER`, until it is known which variant served.
    counted: RefCell<Vec<(String, u64)>>,
}

impl Notes {
    pub(crate) fn new(draw: Draw) -> Self {
        Self {
            draw,
            contexts: RefCell::default(),
            shadow_contexts: RefCell::default(),
            called: Positions::default(),
            shadowed: Positions::default(),
            differing: Positions::default(),
            sated: Positions::default(),
            shadow_sated: Positions::default(),
            request_edits: RefCell::default(),
            response_edits: RefCell::default(),
            timing: ServerTiming::default(),
            counted: RefCell::default(),
        }
    }

    /// What the plugin at a place of the chain asked to be handed back.
    pub(super) fn context(&self, link: Link) -> u32 {
        find(&self.contexts, link)
    }

    pub(super) fn set_context(&self, link: Link, ctx: u32) {
        put(&self.contexts, link, ctx);
    }

    /// What its shadow asked for.
    pub(super) fn shadow_context(&self, link: Link) -> u32 {
        find(&self.shadow_contexts, link)
    }

    pub(super) fn set_shadow_context(&self, link: Link, ctx: u32) {
        put(&self.shadow_contexts, link, ctx);
    }

    pub(super) fn called(&self, link: Link) {
        self.called.add(link.position);
    }

    pub(super) fn shadowed(&self, link: Link, is_same: bool) {
        self.shadowed.add(link.position);
        if !is_same {
            self.differing.add(link.position);
        }
    }

    /// The plugin at a place of the chain is shown nothing more of the body.
    pub(super) fn has_seen_enough(&self, link: Link) {
        self.sated.add(link.position);
    }

    pub(super) fn shadow_has_seen_enough(&self, link: Link) {
        self.shadow_sated.add(link.position);
    }

    pub(super) fn is_shadow_sated(&self, link: Link) -> bool {
        self.shadow_sated.has(link.position)
    }

    pub(super) fn is_sated(&self, link: Link) -> bool {
        self.sated.has(link.position)
    }

    pub(super) fn edit(&self, phase: Phase, edits: Vec<Edit>) {
        // The host takes edits in two phases only.
        let all = if phase == Phase::Response { &self.response_edits } else { &self.request_edits };
        all.borrow_mut().extend(edits);
    }

    /// What plugins change of the request as the server gets it; `None` = nothing.
    pub(crate) fn take_request_edits(&self) -> Option<RequestEdits> {
        let edits = self.request_edits.take();
        (!edits.is_empty()).then(|| RequestEdits::new(edits))
    }

    pub(super) fn edit_response(&self, response: &mut Response<Content>) {
        let edits = self.response_edits.take();
        if !edits.is_empty() {
            edits::edit_response(edits, response);
        }
    }

    /// The response is going to tell what plugins said and how long it took.
    pub(crate) fn trace(&self) {
        self.timing.begin();
    }

    pub(super) fn is_traced(&self) -> bool {
        self.timing.is_wanted()
    }

    pub(super) fn time(
        &self,
        plugin: &Plugin,
        phase: Phase,
        took: Option<Duration>,
        said: Result<&Verdict, &Failure>,
        is_candidate: bool,
    ) {
        if let Some(took) = took.filter(|_| self.timing.is_wanted()) {
            self.timing.add(plugin, phase, took, said, is_candidate);
        }
    }

    /// The field `Server-Timing`, if it is wanted and there is something to tell.
    pub(crate) fn server_timing(&self) -> Option<HeaderValue> {
        self.timing.field()
    }

    /// A plugin counts something: it counts for the variant that serves the request in the end.
    pub(crate) fn add(&self, exchange: &Exchange, plugin: &Plugin, counter: &str, value: u64) {
        let Some(route) = exchange.route().filter(|route| route.rollout.is_some()) else { return };
        let counter = format!("{}/{counter}", plugin.name());
        if exchange.record.is_closed() {
            // A body that goes on after its response: the variant is known.
            if let Some(variant) = exchange.variant() {
                route.traffic.add(exchange.connection.worker.index, variant, &counter, value);
            }
            return;
        }
        let mut counted = self.counted.borrow_mut();
        if let Some((_, sum)) = counted.iter_mut().find(|(known, _)| *known == counter) {
            *sum = sum.saturating_add(value);
        } else if counted.len() < COUNTERS_MAX {
            counted.push((counter, value));
        }
    }

    /// The variant that served is known: what plugins counted is its.
    pub(crate) fn settle_counters(&self, exchange: &Exchange) {
        let counted = self.counted.take();
        if let (Some(route), Some(variant)) = (exchange.route(), exchange.variant()) {
            for (counter, value) in counted {
                route.traffic.add(exchange.connection.worker.index, variant, &counter, value);
            }
        }
    }

    /// The request is over: the digests that were called count it.
    pub(crate) fn count(&self, exchange: &Exchange, is_5xx: bool) {
        if self.called.is_empty() && self.shadowed.is_empty() {
            return;
        }
        let (Ok(policy), worker) = (exchange.route_policy(), exchange.connection.worker.index) else { return };
        for (position, plugin) in policy.chain.iter().enumerate() {
            let seat = exchange.seat(Link { position, plugin: *plugin });
            if self.called.has(position)
                && let Some(counting) = seat.counting(self.draw)
            {
                counting.instance.plugin.stats.request_ended(worker, is_5xx);
            }
            if self.shadowed.has(position)
                && let Some(candidate) = seat.shadow(self.draw)
            {
                candidate.instance.plugin.stats.request_ended(worker, is_5xx);
                candidate.trial.comparisons.compared(worker, !self.differing.has(position));
            }
        }
    }
}

fn find(contexts: &RefCell<Vec<(usize, u32)>>, link: Link) -> u32 {
    contexts.borrow().iter().find(|(position, _)| *position == link.position).map_or(0, |(_, ctx)| *ctx)
}

fn put(contexts: &RefCell<Vec<(usize, u32)>>, link: Link, ctx: u32) {
    let mut contexts = contexts.borrow_mut();
    match contexts.iter_mut().find(|(position, _)| *position == link.position) {
        Some((_, old)) => *old = ctx,
        None if ctx == 0 => {}
        None => contexts.push((link.position, ctx)),
    }
}
