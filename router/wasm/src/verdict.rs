//! The verdict of a hot call, unpacked from the `u64` of the contract. Bits that break its rules count as a trap.

use crate::outcome::{Outcome, OutcomeFault};

const DECISION_MASK: u64 = 0b111;
const MORE: u64 = 1 << 3;
const ZERO_MASK: u64 = 0xf0;
const VARIANT_SHIFT: u32 = 8;
const STATUS_SHIFT: u32 = 16;
const CTX_SHIFT: u32 = 32;

/// Statuses a plugin may answer with: those of a final response (RFC 9110 section 15).
pub(crate) const STATUSES: std::ops::RangeInclusive<u16> = 200..=599;

/// What a plugin says of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What becomes of it.
    pub decision: Decision,
    /// Handed back to later phases of the same request.
    pub ctx: u32,
    /// What else: already fetched.
    pub outcome: Option<Box<Outcome>>,
}

impl Verdict {
    /// Of a plugin that has nothing to say.
    pub(crate) const fn silent(ctx: u32) -> Self {
        Self { decision: Decision::Next, ctx, outcome: None }
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// On to the next plugin.
    Next,
    /// To this variant: an index into the activation's `variants`, always a valid one.
    Variant(u8),
    /// The plugin answers; headers and body, if any, are in the outcome.
    Respond {
        /// Status, 200 to 599.
        status: u16,
    },
    /// On to the next plugin, and no more chunks of this body: in the body-chunk phase only.
    Done,
}

/// A phase, as far as it bounds what a verdict may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Head of the request.
    Request {
        /// Variants of the activation, which a verdict may choose from.
        variants: usize,
    },
    /// Size of its body.
    BodySize,
    /// Bytes of its body.
    BodyChunk,
    /// Head of the response.
    Response,
}

/// Why a verdict is nonsense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerdictFault {
    /// Bits 0-2 name no decision.
    #[error("{0} is no decision")]
    Decision(u64),
    /// Bits are set that this decision does not have.
    #[error("bits are set that the decision does not have: {0:#x}")]
    StrayBits(u64),
    /// The variant's index lies outside the activation.
    #[error("variant {index} of {variants}")]
    Variant {
        /// The index.
        index: u8,
        /// Variants of the activation.
        variants: usize,
    },
    /// Only the request phase chooses a variant.
    #[error("a variant is chosen in the request phase only")]
    VariantPhase,
    /// Only the body-chunk phase knows chunks.
    #[error("`done` is said in the body-chunk phase only")]
    DonePhase,
    /// An outcome is announced, and there is no export to fetch it.
    #[error("an outcome is announced, but the export `take-outcome` is missing")]
    NoOutcome,
    /// Not 200 to 599.
    #[error("{0} is no status of a response")]
    Status(u16),
    /// The outcome is out of bounds.
    #[error("the outcome is not acceptable")]
    Outcome(#[source] OutcomeFault),
}

/// A verdict without its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bits {
    pub(crate) decision: Decision,
    pub(crate) has_more: bool,
    pub(crate) ctx: u32,
}

impl Bits {
    /// Unpacks `bits`, said in `phase`.
    #[inline]
    pub(crate) fn unpack(bits: u64, phase: Phase) -> Result<Self, VerdictFault> {
        let variant = byte(bits >> VARIANT_SHIFT);
        let status = u16::from_le_bytes([byte(bits >> STATUS_SHIFT), byte(bits >> (STATUS_SHIFT + 8))]);
        let (decision, is_clean) = match bits & DECISION_MASK {
            0 => (Decision::Next, variant == 0 && status == 0),
            1 => (Decision::Variant(variant), status == 0),
            2 => (Decision::Respond { status }, variant == 0),
            3 => (Decision::Done, variant == 0 && status == 0),
            other => return Err(VerdictFault::Decision(other)),
        };
        if !is_clean || bits & ZERO_MASK != 0 {
            return Err(VerdictFault::StrayBits(bits));
        }
        match decision {
            Decision::Next => {}
            Decision::Variant(index) => check_variant(index, phase)?,
            Decision::Done if phase == Phase::BodyChunk => {}
            Decision::Done => return Err(VerdictFault::DonePhase),
            Decision::Respond { status } if STATUSES.contains(&status) => {}
            Decision::Respond { status } => return Err(VerdictFault::Status(status)),
        }
        let ctx = u32::try_from(bits >> CTX_SHIFT).expect("invariant: 64 - 32 bits are left");
        Ok(Self { decision, has_more: bits & MORE != 0, ctx })
    }
}

fn check_variant(index: u8, phase: Phase) -> Result<(), VerdictFault> {
    match phase {
        Phase::Request { variants } if usize::from(index) < variants => Ok(()),
        Phase::Request { variants } => Err(VerdictFault::Variant { index, variants }),
        Phase::BodySize | Phase::BodyChunk | Phase::Response => Err(VerdictFault::VariantPhase),
    }
}

/// The lowest byte.
const fn byte(bits: u64) -> u8 {
    bits.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpack(bits: u64) -> Result<Bits, VerdictFault> {
        Bits::unpack(bits, Phase::Request { variants: 2 })
    }

    #[test]
    fn decisions_unpack() {
        let next = Bits { decision: Decision::Next, has_more: false, ctx: 0 };
        assert_eq!(unpack(0), Ok(next));
        assert_eq!(unpack(7 << 32 | MORE), Ok(Bits { has_more: true, ctx: 7, ..next }));
        assert_eq!(unpack(1 << 8 | 1), Ok(Bits { decision: Decision::Variant(1), ..next }));
        assert_eq!(unpack(404 << 16 | 2), Ok(Bits { decision: Decision::Respond { status: 404 }, ..next }));
        assert_eq!(unpack(u64::from(u32::MAX) << 32), Ok(Bits { ctx: u32::MAX, ..next }));
    }

    #[test]
    fn a_variant_lies_in_the_activation_and_the_request_phase() {
        assert!(unpack(1 << 8 | 1).is_ok());
        assert_eq!(unpack(2 << 8 | 1), Err(VerdictFault::Variant { index: 2, variants: 2 }));
        for phase in [Phase::BodySize, Phase::BodyChunk, Phase::Response] {
            assert_eq!(Bits::unpack(1, phase), Err(VerdictFault::VariantPhase));
        }
    }

    #[test]
    fn a_status_is_that_of_a_final_response() {
        for status in [200, 599] {
            assert!(unpack(status << 16 | 2).is_ok());
        }
        for status in [0, 199, 600, u64::from(u16::MAX)] {
            assert!(matches!(unpack(status << 16 | 2), Err(VerdictFault::Status(_))), "{status}");
        }
    }

    #[test]
    fn done_is_said_of_chunks_only() {
        assert_eq!(Bits::unpack(3, Phase::BodyChunk).unwrap().decision, Decision::Done);
        for phase in [Phase::Request { variants: 1 }, Phase::BodySize, Phase::Response] {
            assert_eq!(Bits::unpack(3, phase), Err(VerdictFault::DonePhase));
        }
    }

    #[test]
    fn stray_bits_are_nonsense() {
        for decision in 4..=7 {
            assert_eq!(unpack(decision), Err(VerdictFault::Decision(decision)));
        }
        for bits in [1 << 4, 1 << 7, 1 << 8, 200 << 16, 1 << 16 | 1, 200 << 16 | 1 << 8 | 2, 1 << 8 | 3] {
            assert_eq!(unpack(bits), Err(VerdictFault::StrayBits(bits)), "{bits:#x}");
        }
    }
}
