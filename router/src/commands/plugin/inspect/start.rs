//! What comes of starting a plugin: its activation, or why it does not start.

use std::time::Instant;

use serde::Serialize;
use sluice_control::chain;
use sluice_policy::Plugin;
use sluice_wasm::{Activation, Artifact, Instance, LoadError};

/// What came of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Started {
    /// It takes part in requests.
    Takes(Box<Part>),
    /// It does not start.
    Refused {
        /// Why.
        reason: String,
        /// Where, if it trapped.
        backtrace: Option<String>,
    },
}

/// What an activation says, and what it took.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    pub(super) start_ns: u64,
    pub(super) memory_bytes: usize,
    pub(super) phases: Vec<&'static str>,
    pub(super) methods: Vec<String>,
    pub(super) path_prefixes: Vec<String>,
    pub(super) request_fields: Vec<String>,
    pub(super) response_fields: Vec<String>,
    pub(super) state: Vec<String>,
    pub(super) variants: Vec<String>,
    pub(super) body_size_above: Option<u64>,
    pub(super) body_chunk_bytes: Option<u64>,
}

impl Started {
    pub(super) const fn is_good(&self) -> bool {
        matches!(self, Self::Takes(_))
    }
}

/// Starts `artifact` as the plugin `spec`, under its limits.
pub(super) fn start(artifact: &Artifact, spec: &Plugin) -> Started {
    let began = Instant::now();
    match Instance::new(artifact, &spec.name, &spec.config.to_string(), &spec.grants, &spec.limits) {
        Ok(instance) => {
            let start_ns = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
            Started::Takes(Box::new(part(instance.activation(), start_ns, instance.memory_bytes())))
        }
        Err(error) => {
            let backtrace = match &error {
                LoadError::Start(call) => call.backtrace().filter(|frames| !frames.is_empty()).map(ToOwned::to_owned),
                _ => None,
            };
            Started::Refused { reason: chain(&error), backtrace }
        }
    }
}

fn part(activation: &Activation, start_ns: u64, memory_bytes: usize) -> Part {
    let Activation {
        phases,
        path_prefixes,
        methods,
        request_fields,
        response_fields,
        state,
        variants,
        body_size_above,
        body_chunk_bytes,
    } = activation.clone();
    let named = [
        ("request", phases.request),
        ("body-size", phases.body_size),
        ("body-chunk", phases.body_chunk),
        ("response", phases.response),
    ];
    Part {
        start_ns,
        memory_bytes,
        phases: named.into_iter().filter(|(_, is_declared)| *is_declared).map(|(name, _)| name).collect(),
        methods,
        path_prefixes,
        request_fields,
        response_fields,
        state,
        variants,
        body_size_above: phases.body_size.then_some(body_size_above),
        body_chunk_bytes: phases.body_chunk.then_some(body_chunk_bytes),
    }
}
