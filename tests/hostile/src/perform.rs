//! What each act does, phase by phase.

use sluice_plugin::bounds::EFFECTS_MAX;
use sluice_plugin::{Activation, Alert, BodyChunk, Outcome, Verdict, log};

use crate::act::Act;
use crate::harm::{hoard, overflow, spin, trap};

/// Past any bound on a response body.
const HUGE_BODY_BYTES: usize = 8 << 20;

/// A body that does not even fit into the memory of a plugin.
const GIGANTIC_BODY_BYTES: usize = 1 << 30;

/// Past any bound on a text.
const HUGE_TEXT_BYTES: usize = 1 << 20;

/// Past any bound on names, effects, edits and log lines.
const FAR_TOO_MANY: usize = 10_000;

/// Sets bits that the contract says are zero.
const NONSENSE: u64 = 0xf7;

/// Routes to variant 200 of 1.
const BAD_VARIANT: u64 = 200 << 8 | 1;

/// Routes to variant 0, which only the request phase may.
const VARIANT_ZERO: u64 = 1;

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
            Self::OverflowStack => {
                let _depth = overflow(0);
            }
            Self::NonsenseVerdict => return Verdict::from_bits(NONSENSE),
            Self::BadVariantIndex => return Verdict::from_bits(BAD_VARIANT),
            Self::BadStatus => return Verdict::respond(199),
            Self::DoneInRequest => return Verdict::done(),
            Self::HugeOutcome
            | Self::GiganticBody
            | Self::HeaderInjection
            | Self::FramingHeaders
            | Self::EditBesideRespond
            | Self::Respond => return self.respond(outcome),
            _ => {
                self.affect(outcome);
                self.edit_request(outcome);
            }
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

    pub(crate) fn on_body_chunk(self, chunk: &BodyChunk<'_>, outcome: &mut Outcome) -> Verdict {
        match self {
            Self::SpinInBodyChunk => spin(),
            Self::TrapInBodyChunk => trap(),
            Self::CountChunks => outcome.add("bytes", chunk.bytes.len() as u64),
            Self::EditInBodyChunk => outcome.set_header("x-edited", "chunk"),
            Self::RespondInBodyChunk => return self.respond(outcome),
            Self::RespondInLastChunk if chunk.is_last => {
                outcome.text(format!("{} bytes\n", chunk.offset + chunk.bytes.len() as u64));
                return Verdict::respond(418);
            }
            Self::DoneAfterOneChunk if chunk.offset == 0 => return Verdict::done(),
            Self::DoneAfterOneChunk => trap(),
            _ => {}
        }
        Verdict::next()
    }

    pub(crate) fn on_response(self, outcome: &mut Outcome) -> Verdict {
        match self {
            Self::SpinInResponse => spin(),
            Self::TrapInResponse => trap(),
            Self::VariantInResponse => return Verdict::from_bits(VARIANT_ZERO),
            Self::DoneInResponse => return Verdict::done(),
            Self::Edit => {
                outcome.set_header("x-edited", "response");
                outcome.remove_header("x-removed");
            }
            Self::EditStatus => outcome.set_status(299),
            Self::EditStatus999 => outcome.set_status(999),
            Self::EditPathInResponse => outcome.set_path("/late"),
            _ => {}
        }
        Verdict::next()
    }

    fn affect(self, outcome: &mut Outcome) {
        match self {
            Self::Count => outcome.add("requests", 1),
            Self::Tag => outcome.tag("hostile"),
            Self::Log => log::info("hostile: logged as told"),
            Self::Alert => outcome.raise(alert(false)),
            Self::Abort => outcome.raise(alert(true)),
            Self::LogFlood => (0..FAR_TOO_MANY).for_each(|_| log::warn("flood")),
            Self::AlertFlood => (0..EFFECTS_MAX).for_each(|_| outcome.raise(alert(false))),
            Self::AbortFlood => (0..EFFECTS_MAX).for_each(|_| outcome.raise(alert(true))),
            Self::TooManyEffects => (0..FAR_TOO_MANY).for_each(|_| outcome.add("flood", 1)),
            Self::HugeText => outcome.raise(Alert { message: "x".repeat(HUGE_TEXT_BYTES), ..alert(false) }),
            _ => {}
        }
    }

    fn edit_request(self, outcome: &mut Outcome) {
        match self {
            Self::Edit => {
                outcome.set_header("x-edited", "request");
                outcome.remove_header("x-removed");
            }
            Self::EditPath => {
                outcome.set_path("/get");
                outcome.set_query("edited=1");
            }
            Self::EditInjection => outcome.append_header("x-edited", "a\r\nx-smuggled: 1"),
            Self::PathInjection => outcome.set_path("/a HTTP/1.1\r\nx-smuggled: 1"),
            Self::PathNotNormal => outcome.set_path("/public/../set"),
            Self::EditHost => outcome.set_header("Host", "elsewhere.test"),
            Self::EditContentLength => outcome.remove_header("content-length"),
            Self::EditStatusInRequest => outcome.set_status(204),
            Self::TooManyEdits => (0..FAR_TOO_MANY).for_each(|_| outcome.append_header("x-edited", "1")),
            _ => {}
        }
    }

    fn respond(self, outcome: &mut Outcome) -> Verdict {
        match self {
            Self::HugeOutcome => outcome.body(vec![b'x'; HUGE_BODY_BYTES]),
            Self::GiganticBody => outcome.body(vec![b'x'; GIGANTIC_BODY_BYTES]),
            Self::HeaderInjection => outcome.header("x-hostile", "a\r\nset-cookie: stolen=1"),
            Self::FramingHeaders => {
                outcome.header("content-length", "1");
                outcome.header("transfer-encoding", "chunked");
                outcome.header("connection", "x-sluice-variant");
                outcome.body("longer than one byte");
            }
            Self::EditBesideRespond => outcome.set_header("x-edited", "1"),
            _ => outcome.text("short and stout\n"),
        }
        Verdict::respond(418)
    }
}

fn alert(abort_rollout: bool) -> Alert {
    let message = "raised as told".to_owned();
    Alert { rule: "hostile".to_owned(), message, observed: 2, limit: 1, abort_rollout }
}
