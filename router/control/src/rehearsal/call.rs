//! One call of a hot export with everything that it is passed: made once by a rehearsal, again and again by a measurement.

use sluice_snapshot::plugin::Phase;
use sluice_wasm::{CallError, Instance, SizeUnit, Verdict};

/// A call.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Request { fields: Vec<u8>, now_ms: u64, random: u64 },
    BodySize { ctx: u32, bytes: u64, unit: SizeUnit, is_declared: bool },
    BodyChunk { ctx: u32, chunk: Vec<u8>, offset: u64, is_last: bool },
    Response { ctx: u32, fields: Vec<u8> },
}

impl Call {
    /// Its phase.
    pub(crate) const fn phase(&self) -> Phase {
        match self {
            Self::Request { .. } => Phase::Request,
            Self::BodySize { .. } => Phase::BodySize,
            Self::BodyChunk { .. } => Phase::BodyChunk,
            Self::Response { .. } => Phase::Response,
        }
    }

    /// Makes it.
    pub(crate) fn make(&self, instance: &mut Instance) -> Result<Verdict, CallError> {
        match self {
            Self::Request { fields, now_ms, random } => instance.on_request(fields, *now_ms, *random),
            Self::BodySize { ctx, bytes, unit, is_declared } => {
                instance.on_body_size(*ctx, *bytes, *unit, *is_declared)
            }
            Self::BodyChunk { ctx, chunk, offset, is_last } => instance.on_body_chunk(*ctx, chunk, *offset, *is_last),
            Self::Response { ctx, fields } => instance.on_response(*ctx, fields),
        }
    }
}
