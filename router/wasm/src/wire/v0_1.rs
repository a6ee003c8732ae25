//! The records that contract 0.1 had otherwise, and what they are in the newest one.

use wasmtime::component::{ComponentType, Lift};

use super::{WireEffect, WireOutcome, WireResponse};
use crate::activation::{Activation, Phases};

wasmtime::component::flags! {
    WirePhases {
        #[component(name = "request")]
        const REQUEST;
        #[component(name = "body-size")]
        const BODY_SIZE;
        #[component(name = "response")]
        const RESPONSE;
    }
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Activation0_1 {
    phases: WirePhases,
    #[component(name = "path-prefixes")]
    path_prefixes: Vec<String>,
    methods: Vec<String>,
    #[component(name = "request-fields")]
    request_fields: Vec<String>,
    #[component(name = "response-fields")]
    response_fields: Vec<String>,
    state: Vec<String>,
    variants: Vec<String>,
    #[component(name = "body-size-above")]
    body_size_above: u64,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Outcome0_1 {
    response: Option<WireResponse>,
    effects: Vec<WireEffect>,
}

impl From<Activation0_1> for Activation {
    fn from(wire: Activation0_1) -> Self {
        let has = |phase: WirePhases| (wire.phases & phase) == phase;
        Self {
            phases: Phases {
                request: has(WirePhases::REQUEST),
                body_size: has(WirePhases::BODY_SIZE),
                body_chunk: false,
                response: has(WirePhases::RESPONSE),
            },
            path_prefixes: wire.path_prefixes,
            methods: wire.methods,
            request_fields: wire.request_fields,
            response_fields: wire.response_fields,
            state: wire.state,
            variants: wire.variants,
            body_size_above: wire.body_size_above,
            body_chunk_bytes: 0,
        }
    }
}

impl From<Outcome0_1> for WireOutcome {
    fn from(Outcome0_1 { response, effects }: Outcome0_1) -> Self {
        Self { response, edits: Vec::new(), effects }
    }
}
