//! The records of the contract as they cross into and out of a plugin, before anything of them is believed.
//!
//! Names and order are those of `plugins/wit/plugin.wit`; a plugin of other types is refused before it runs. What an older
//! contract has otherwise stands in a module of its own, and becomes these records at once.

mod v0_1;

use wasmtime::component::{ComponentType, Lift, Lower};

pub(crate) use v0_1::{Activation0_1, Outcome0_1};

use crate::activation::{Activation, Phases};

/// Level of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
pub enum Level {
    /// For the author of the plugin.
    #[component(name = "debug")]
    Debug,
    /// For the record.
    #[component(name = "info")]
    Info,
    /// The operator may act.
    #[component(name = "warn")]
    Warn,
}

/// What a body-size event counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
pub enum SizeUnit {
    /// Bytes of the whole request body.
    #[component(name = "body")]
    Body,
    /// Bytes of the largest file part of a `multipart/form-data` body.
    #[component(name = "part")]
    Part,
}

wasmtime::component::flags! {
    WirePhases {
        #[component(name = "request")]
        const REQUEST;
        #[component(name = "body-size")]
        const BODY_SIZE;
        #[component(name = "body-chunk")]
        const BODY_CHUNK;
        #[component(name = "response")]
        const RESPONSE;
    }
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct WireActivation {
    pub(crate) phases: WirePhases,
    #[component(name = "path-prefixes")]
    pub(crate) path_prefixes: Vec<String>,
    pub(crate) methods: Vec<String>,
    #[component(name = "request-fields")]
    pub(crate) request_fields: Vec<String>,
    #[component(name = "response-fields")]
    pub(crate) response_fields: Vec<String>,
    pub(crate) state: Vec<String>,
    pub(crate) variants: Vec<String>,
    #[component(name = "body-size-above")]
    pub(crate) body_size_above: u64,
    #[component(name = "body-chunk-bytes")]
    pub(crate) body_chunk_bytes: u64,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct WireHeader {
    pub(crate) name: String,
    pub(crate) value: String,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct WireResponse {
    pub(crate) headers: Vec<WireHeader>,
    pub(crate) body: Vec<u8>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct WireAlert {
    pub(crate) rule: String,
    pub(crate) message: String,
    pub(crate) observed: u64,
    pub(crate) limit: u64,
    #[component(name = "abort-rollout")]
    pub(crate) abort_rollout: bool,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct WireCounter {
    pub(crate) name: String,
    pub(crate) value: u64,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct WireLogLine {
    pub(crate) level: Level,
    pub(crate) message: String,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum WireEffect {
    #[component(name = "raise-alert")]
    RaiseAlert(WireAlert),
    #[component(name = "add")]
    Add(WireCounter),
    #[component(name = "log")]
    Log(WireLogLine),
    #[component(name = "tag")]
    Tag(String),
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum WireEdit {
    #[component(name = "set-header")]
    SetHeader(WireHeader),
    #[component(name = "append-header")]
    AppendHeader(WireHeader),
    #[component(name = "remove-header")]
    RemoveHeader(String),
    #[component(name = "set-path")]
    SetPath(String),
    #[component(name = "set-query")]
    SetQuery(String),
    #[component(name = "set-status")]
    SetStatus(u16),
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct WireOutcome {
    pub(crate) response: Option<WireResponse>,
    pub(crate) edits: Vec<WireEdit>,
    pub(crate) effects: Vec<WireEffect>,
}

impl From<WireActivation> for Activation {
    fn from(wire: WireActivation) -> Self {
        let has = |phase: WirePhases| (wire.phases & phase) == phase;
        Self {
            phases: Phases {
                request: has(WirePhases::REQUEST),
                body_size: has(WirePhases::BODY_SIZE),
                body_chunk: has(WirePhases::BODY_CHUNK),
                response: has(WirePhases::RESPONSE),
            },
            path_prefixes: wire.path_prefixes,
            methods: wire.methods,
            request_fields: wire.request_fields,
            response_fields: wire.response_fields,
            state: wire.state,
            variants: wire.variants,
            body_size_above: wire.body_size_above,
            body_chunk_bytes: wire.body_chunk_bytes,
        }
    }
}
