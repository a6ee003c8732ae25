//! The verdict of a hot call, packed into the `u64` that the contract lays out.

use crate::Variant;

const NEXT: u64 = 0;
const VARIANT: u64 = 1;
const RESPOND: u64 = 2;
const DONE: u64 = 3;
const MORE: u64 = 1 << 3;
const VARIANT_SHIFT: u32 = 8;
const STATUS_SHIFT: u32 = 16;
const CTX_SHIFT: u32 = 32;

/// What becomes of the request. A response, edits and effects go to the [`crate::Outcome`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Verdict(u64);

impl Verdict {
    /// On to the next plugin of the chain.
    pub const fn next() -> Self {
        Self(NEXT)
    }

    /// Route to this variant, unless the rollout is aborted. In the request phase only.
    pub const fn variant(variant: Variant) -> Self {
        Self(VARIANT | (variant.0 as u64) << VARIANT_SHIFT)
    }

    /// Answer with this status (200-599); headers and body, if any, stand in the outcome.
    pub const fn respond(status: u16) -> Self {
        Self(RESPOND | (status as u64) << STATUS_SHIFT)
    }

    /// On to the next plugin, and no more chunks of this body. In the body-chunk phase only.
    pub const fn done() -> Self {
        Self(DONE)
    }

    /// Hands 32 bits to the later phases of the same request.
    pub const fn with_ctx(self, ctx: u32) -> Self {
        Self((self.0 & u32::MAX as u64) | (ctx as u64) << CTX_SHIFT)
    }

    /// A verdict as it is on the wire, unchecked: for tests of hosts. A host takes nonsense as a trap.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// As it is on the wire.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Tells the host to fetch the outcome.
    pub(crate) const fn with_more(self) -> Self {
        Self(self.0 | MORE)
    }
}

/// Reads a verdict back, as the host does.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod read {
    use super::{CTX_SHIFT, DONE, MORE, NEXT, RESPOND, STATUS_SHIFT, VARIANT, VARIANT_SHIFT};

    /// What a verdict decides.
    #[derive(Debug, PartialEq, Eq)]
    pub(crate) enum Kind {
        /// Go on.
        Next,
        /// Index of the variant.
        Variant(usize),
        /// Status.
        Respond(u16),
        /// Go on, without chunks.
        Done,
    }

    /// The kind; `None` = nonsense.
    pub(crate) fn kind(bits: u64) -> Option<Kind> {
        let variant = bits >> VARIANT_SHIFT & 0xff;
        let status = bits >> STATUS_SHIFT & 0xffff;
        if bits & 0xf0 != 0 {
            return None;
        }
        match (bits & 0b111, variant, status) {
            (NEXT, 0, 0) => Some(Kind::Next),
            (DONE, 0, 0) => Some(Kind::Done),
            (VARIANT, index, 0) => Some(Kind::Variant(usize::try_from(index).ok()?)),
            (RESPOND, 0, 200..=599) => Some(Kind::Respond(u16::try_from(status).ok()?)),
            _ => None,
        }
    }

    /// Whether an outcome is to be fetched.
    pub(crate) const fn more(bits: u64) -> bool {
        bits & MORE != 0
    }

    /// What later phases are handed.
    pub(crate) fn ctx(bits: u64) -> u32 {
        u32::try_from(bits >> CTX_SHIFT).expect("invariant: a u64 shifted right by 32 bits fits")
    }
}

#[cfg(test)]
mod tests {
    use super::read::{Kind, ctx, kind, more};
    use super::*;

    #[test]
    fn verdicts_are_laid_out_as_the_contract_says() {
        assert_eq!(Verdict::next().bits(), 0);
        assert_eq!(Verdict::variant(Variant(3)).bits(), 0x0000_0000_0000_0301);
        assert_eq!(Verdict::respond(404).bits(), 0x0000_0000_0194_0002);
        assert_eq!(Verdict::done().bits(), 3);
        assert_eq!(Verdict::respond(404).with_ctx(7).with_more().bits(), 0x0000_0007_0194_000a);
        assert_eq!(Verdict::next().with_ctx(1).with_ctx(2).bits(), 0x0000_0002_0000_0000);
    }

    #[test]
    fn verdicts_read_back() {
        let verdict = Verdict::respond(413).with_ctx(9).with_more().bits();
        assert_eq!((kind(verdict), ctx(verdict), more(verdict)), (Some(Kind::Respond(413)), 9, true));
        assert_eq!(kind(Verdict::done().bits()), Some(Kind::Done));
        for nonsense in [4, 7, 0x10, 0x0100, 0x0103, Verdict::respond(199).bits(), Verdict::respond(600).bits()] {
            assert_eq!(kind(nonsense), None, "{nonsense:#x}");
        }
    }
}
