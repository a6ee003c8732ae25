//! The glue between the exports of the contract and a [`Plugin`]; authors only meet its macro, [`crate::plugin!`].
//!
//! A component runs on one thread, so its one instance lives in a thread-local `RefCell`: no lock and no `unsafe`.

use std::cell::RefCell;

use crate::bindings;
use crate::{BodyChunk, BodySize, Fields, Outcome, Plugin, Request, ResponseHead, SizeUnit, Verdict};

/// Holds the plugin of a component from `init` on, and the outcome that the host has yet to fetch.
pub struct Slot<P>(RefCell<Option<Running<P>>>);

struct Running<P> {
    plugin: P,
    outcome: Outcome,
}

impl<P: Plugin> Slot<P> {
    /// Before `init`.
    #[must_use]
    pub const fn empty() -> Self {
        Self(RefCell::new(None))
    }

    /// Export `init`.
    ///
    /// # Errors
    /// What the plugin says of its configuration.
    pub fn init(&self, config: &str) -> Result<bindings::Activation, String> {
        #[cfg(target_arch = "wasm32")]
        log_panics();
        let (plugin, activation) = P::init(config)?;
        *self.0.borrow_mut() = Some(Running { plugin, outcome: Outcome::default() });
        Ok(activation.document)
    }

    /// Export `on-state`.
    ///
    /// # Errors
    /// What the plugin says of the value.
    pub fn on_state(&self, key: &str, value: Option<&str>) -> Result<(), String> {
        self.run(|plugin, _outcome| plugin.on_state(key, value))
    }

    /// Export `on-request`.
    pub fn on_request(&self, fields: &[u8], now_ms: u64, random: u64) -> u64 {
        let request = Request { fields: Fields::new(fields), now_ms, random };
        self.decide(|plugin, outcome| plugin.on_request(&request, outcome))
    }

    /// Export `on-body-size`.
    pub fn on_body_size(&self, ctx: u32, bytes: u64, unit: SizeUnit, declared: bool) -> u64 {
        let size = BodySize { ctx, bytes, unit, declared };
        self.decide(|plugin, outcome| plugin.on_body_size(&size, outcome))
    }

    /// Export `on-body-chunk`.
    pub fn on_body_chunk(&self, ctx: u32, bytes: &[u8], offset: u64, is_last: bool) -> u64 {
        let chunk = BodyChunk { ctx, bytes, offset, is_last };
        self.decide(|plugin, outcome| plugin.on_body_chunk(&chunk, outcome))
    }

    /// Export `on-response`.
    pub fn on_response(&self, ctx: u32, fields: &[u8]) -> u64 {
        let response = ResponseHead { fields: Fields::new(fields), ctx };
        self.decide(|plugin, outcome| plugin.on_response(&response, outcome))
    }

    /// Export `take-outcome`.
    pub fn take_outcome(&self) -> bindings::Outcome {
        self.run(|_plugin, outcome| outcome.take())
    }

    /// Runs a hot call and announces its outcome, if there is one.
    #[inline]
    fn decide(&self, call: impl FnOnce(&mut P, &mut Outcome) -> Verdict) -> u64 {
        self.run(|plugin, outcome| {
            let verdict = call(plugin, outcome);
            if outcome.is_empty() { verdict } else { verdict.with_more() }.bits()
        })
    }

    #[inline]
    fn run<T>(&self, call: impl FnOnce(&mut P, &mut Outcome) -> T) -> T {
        let mut slot = self.0.borrow_mut();
        let running = slot.as_mut().expect("invariant: the contract has the host call init before anything else");
        call(&mut running.plugin, &mut running.outcome)
    }
}

/// Sends what a panic says to the plugin's log before it becomes a trap: on this target nothing else would show it.
#[cfg(target_arch = "wasm32")]
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| crate::log::warn(&panic.to_string())));
}

/// Makes a [`Plugin`] the plugin of this crate's component: `plugin!(Type)`, `plugin!(Type, state = ["rollout:*"])`,
/// `plugin!(Type, state = ["flag:*"], needs = [alerts, abort, counters, tags, log, edits, body])`.
///
/// Exports it, and writes the static manifest from the package's name and version and from the needs: the state keys
/// (or prefixes that end in `*`) that its activation may name, and what it cannot do without. A policy has to grant the
/// needs, and may grant more: leave out what only some configurations use.
#[macro_export]
macro_rules! plugin {
    (
        $plugin:ty
        $(, state = [$first:literal $(, $rest:literal)* $(,)?])?
        $(, needs = [$($need:ident),+ $(,)?])?
        $(,)?
    ) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            const MANIFEST: &str = concat!(
                "{\"name\":\"", env!("CARGO_PKG_NAME"),
                "\",\"version\":\"", env!("CARGO_PKG_VERSION"),
                "\",\"contract\":\"0.2\",\"needs\":{\"state\":[",
                $("\"", $first, "\"", $(",\"", $rest, "\"",)*)?
                "]",
                $($(",\"", $crate::need!($need), "\":true",)+)?
                "}}",
            );

            #[used]
            #[unsafe(link_section = "sluice:plugin")]
            static SECTION: [u8; MANIFEST.len()] = $crate::guest::section(MANIFEST);

            ::std::thread_local! {
                static SLOT: $crate::guest::Slot<$plugin> = const { $crate::guest::Slot::empty() };
            }

            struct Component;

            impl $crate::bindings::Guest for Component {
                fn init(config: String) -> Result<$crate::bindings::Activation, String> {
                    SLOT.with(|slot| slot.init(&config))
                }

                fn on_state(key: String, value: Option<String>) -> Result<(), String> {
                    SLOT.with(|slot| slot.on_state(&key, value.as_deref()))
                }

                fn on_request(fields: Vec<u8>, now_ms: u64, random: u64) -> u64 {
                    SLOT.with(|slot| slot.on_request(&fields, now_ms, random))
                }

                fn on_body_size(ctx: u32, bytes: u64, unit: $crate::SizeUnit, declared: bool) -> u64 {
                    SLOT.with(|slot| slot.on_body_size(ctx, bytes, unit, declared))
                }

                fn on_body_chunk(ctx: u32, chunk: Vec<u8>, offset: u64, last: bool) -> u64 {
                    SLOT.with(|slot| slot.on_body_chunk(ctx, &chunk, offset, last))
                }

                fn on_response(ctx: u32, fields: Vec<u8>) -> u64 {
                    SLOT.with(|slot| slot.on_response(ctx, &fields))
                }

                fn take_outcome() -> $crate::bindings::Outcome {
                    SLOT.with(|slot| slot.take_outcome())
                }
            }

            $crate::bindings::export!(Component with_types_in $crate::bindings);
        };

        // Natively there is nothing to export; the type is still checked, and its needs are.
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            const fn is_a_plugin<P: $crate::Plugin>() {}
            is_a_plugin::<$plugin>();
            $($(let _ = $crate::need!($need);)+)?
        };
    };
}

/// A need as the manifest spells it; anything else does not compile.
#[doc(hidden)]
#[macro_export]
macro_rules! need {
    (alerts) => {
        "alerts"
    };
    (abort) => {
        "abort"
    };
    (counters) => {
        "counters"
    };
    (tags) => {
        "tags"
    };
    (log) => {
        "log"
    };
    (edits) => {
        "edits"
    };
    (body) => {
        "body"
    };
}

/// The bytes of a manifest, for the static that becomes its custom section.
///
/// # Panics
/// At compile time, if `N` is not the length of `manifest`.
#[doc(hidden)]
#[must_use]
pub const fn section<const N: usize>(manifest: &str) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(manifest.as_bytes());
    bytes
}
