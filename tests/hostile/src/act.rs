//! Each way to misbehave, by its name in the configuration, and where it strikes.

use serde::Deserialize;
use sluice_plugin::{Activation, Alert, Outcome, Verdict, log};

/// Past any limit on memory that a test sets.
const HOARD_BYTES: usize = 1 << 30;

/// Hoarded at a time.
const HOARD_STEP_BYTES: usize = 1 << 20;

/// Past any bound on a response body.
const HUGE_BODY_BYTES: usize = 8 << 20;

/// Past any bound on names, effects and log lines.
const FAR_TOO_MANY: usize = 10_000;

/// Sets bits that the contract says are zero.
const NONSENSE: u64 = 0xf7;

/// Routes to variant 200 of 1.
const BAD_VARIANT: u64 = 200 << 8 | 1;

/// Routes to variant 0, which only the request phase may.
const VARIANT_ZERO: u64 = 1;

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Act {
    // Behaves.
    /// Nothing at all.
    Nothing,
    /// Adds 1 to the counter `requests`.
    Count,
    /// Tags the request `hostile`.
    Tag,
    /// Raises an alert.
    Alert,
    /// Raises an alert that stops the rollout.
    Abort,
    /// Answers 418.
    Respond,
    // Never returns.
    SpinInInit,
    SpinInState,
    SpinInRequest,
    SpinInBodySize,
    SpinInResponse,
    // Traps.
    TrapInInit,
    TrapInState,
    TrapInRequest,
    TrapInBodySize,
    TrapInResponse,
    // Says no.
    RefuseInit,
    /// Refuses every value but `none`.
    RefuseState,
    // Takes too much.
    /// Hoards memory in the request phase.
    HoardMemory,
    /// Hoards memory in `init`.
    HoardMemoryInInit,
    HugeOutcome,
    TooManyEffects,
    LogFlood,
    // Returns nonsense.
    NonsenseVerdict,
    BadVariantIndex,
    /// Chooses a variant in the response phase.
    VariantInResponse,
    /// Answers with status 199.
    BadStatus,
    /// CR and LF in a response header.
    HeaderInjection,
    /// Sets hop-by-hop and framing headers.
    FramingHeaders,
    // Lies in its activation.
    /// Names a state key outside its manifest.
    LieState,
    TooManyFields,
    /// Asks for a field that does not exist.
    UnknownField,
}

impl Act {
    pub(crate) fn on_init(self) -> Result<(), String> {
        match self {
            Self::SpinInInit => spin(),
            Self::TrapInInit => trap(),
            Self::HoardMemoryInInit => hoard(),
            Self::RefuseInit => return Err("hostile: refused as told".to_owned()),
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn lie(self, activation: &mut Activation) {
        match self {
            Self::LieState => activation.state("rollout:outside-of-its-manifest"),
            Self::TooManyFields => {
                for number in 0..FAR_TOO_MANY {
                    let _field = activation.request_field(format!("header:x-{number}"));
                }
            }
            Self::UnknownField => {
                let _field = activation.request_field("password");
            }
            _ => {}
        }
    }

    pub(crate) fn on_state(self, value: Option<&str>) -> Result<(), String> {
        match (self, value) {
            // A missing key is what a plugin starts with: it must get that far.
            (_, None) => Ok(()),
            (Self::SpinInState, Some(_)) => spin(),
            (Self::TrapInState, Some(_)) => trap(),
            (Self::RefuseState, Some(value)) => Err(format!("hostile: refused {value} as told")),
            (_, Some(_)) => Ok(()),
        }
    }

    pub(crate) fn on_request(self, outcome: &mut Outcome) -> Verdict {
        match self {
            Self::SpinInRequest => spin(),
            Self::TrapInRequest => trap(),
            Self::HoardMemory => hoard(),
            Self::NonsenseVerdict => return Verdict::from_bits(NONSENSE),
            Self::BadVariantIndex => return Verdict::from_bits(BAD_VARIANT),
            Self::BadStatus => return Verdict::respond(199),
            Self::LogFlood => (0..FAR_TOO_MANY).for_each(|_| log::warn("flood")),
            Self::TooManyEffects => (0..FAR_TOO_MANY).for_each(|_| outcome.add("flood", 1)),
            Self::Count => outcome.add("requests", 1),
            Self::Tag => outcome.tag("hostile"),
            Self::Alert => outcome.raise(alert(false)),
            Self::Abort => outcome.raise(alert(true)),
            Self::HugeOutcome | Self::HeaderInjection | Self::FramingHeaders | Self::Respond => {
                return self.respond(outcome);
            }
            _ => {}
        }
        Verdict::next()
    }

    pub(crate) fn on_body_size(self) {
        match self {
            Self::SpinInBodySize => spin(),
            Self::TrapInBodySize => trap(),
            _ => {}
        }
    }

    pub(crate) fn on_response(self) -> Verdict {
        match self {
            Self::SpinInResponse => spin(),
            Self::TrapInResponse => trap(),
            Self::VariantInResponse => Verdict::from_bits(VARIANT_ZERO),
            _ => Verdict::next(),
        }
    }

    fn respond(self, outcome: &mut Outcome) -> Verdict {
        match self {
            Self::HugeOutcome => outcome.body(vec![b'x'; HUGE_BODY_BYTES]),
            Self::HeaderInjection => outcome.header("x-hostile", "a\r\nset-cookie: stolen=1"),
            Self::FramingHeaders => {
                outcome.header("content-length", "1");
                outcome.header("transfer-encoding", "chunked");
                outcome.header("connection", "x-sluice-variant");
                outcome.body("longer than one byte");
            }
            _ => outcome.text("short and stout\n"),
        }
        Verdict::respond(418)
    }
}

fn alert(abort_rollout: bool) -> Alert {
    let message = "raised as told".to_owned();
    Alert { rule: "hostile".to_owned(), message, observed: 2, limit: 1, abort_rollout }
}

/// Never returns, and does nothing that a host call would interrupt.
fn spin() -> ! {
    loop {
        std::hint::black_box(());
    }
}

#[expect(clippy::panic, reason = "that is what it is for")]
fn trap() -> ! {
    panic!("hostile: trapped as told")
}

fn hoard() {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    for _ in 0..HOARD_BYTES / HOARD_STEP_BYTES {
        hoard.push(vec![1; HOARD_STEP_BYTES]);
    }
    std::hint::black_box(hoard);
}
