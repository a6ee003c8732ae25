//! An instance: one plugin with one configuration on one worker. Calls run on the calling thread, one at a time.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_model::plugin::{Grants, Limits};
use wasmtime::component::{ComponentNamedList, Lift, Lower, TypedFunc};
use wasmtime::{Error, Store};

use crate::activation::Activation;
use crate::allowance::Allowance;
use crate::artifact::Artifact;
use crate::bounds::{TEXT_BYTES_MAX, cut};
use crate::call_error::CallError;
use crate::exports::{
    Export, Functions, HotResult, INIT, ON_BODY_CHUNK, ON_BODY_SIZE, ON_REQUEST, ON_RESPONSE, ON_STATE, TAKE_OUTCOME,
};
use crate::fields;
use crate::host::Host;
use crate::load_error::LoadError;
use crate::log::PluginLog;
use crate::memory::MemoryLimit;
use crate::outcome::{self, Limited, Outcome};
use crate::verdict::{Bits, Decision, Phase, Verdict, VerdictFault};
use crate::wire::SizeUnit;

/// Name under which a failure outside the exports is reported.
const INSTANTIATION: &str = "instantiation";

/// What the limit of alerts is about.
const MINUTE: Duration = Duration::from_mins(1);

/// A running plugin. It may move between threads, between calls.
///
/// It is called in the phases that its activation declares. In any other it has nothing to say, and goes on.
pub struct Instance {
    // Before the artifact, which keeps the engine: fields drop in order.
    store: Store<Host>,
    functions: Functions,
    activation: Arc<Activation>,
    limits: Limits,
    grants: Grants,
    alerts: Allowance,
    dropped_alerts: u64,
    refused_effects: u64,
    is_poisoned: bool,
    artifact: Artifact,
}

impl Instance {
    /// Instantiates `artifact` as the plugin `name` of the policy, and has it read its configuration.
    ///
    /// # Errors
    /// [`LoadError`] if grants are missing, if it fails or refuses, or if its activation is not acceptable.
    pub fn new(
        artifact: &Artifact,
        name: &str,
        config: &str,
        grants: &Grants,
        limits: &Limits,
    ) -> Result<Self, LoadError> {
        let needs = &artifact.manifest().needs;
        let missing = needs.missing(grants);
        if !missing.is_empty() {
            return Err(LoadError::Grants { missing });
        }
        let log = PluginLog::new(name, grants.log, limits.log_lines_per_second_max);
        let memory = MemoryLimit::new(limits.memory_bytes_max, limits.memory_bytes_soft);
        let mut store = Host::new(log, memory).into_store(artifact.engine());
        let (functions, activation) = start(&mut store, artifact, config, limits)?;
        activation.check(needs, grants).map_err(LoadError::Activation)?;
        functions.check(&activation)?;
        Ok(Self {
            store,
            functions,
            activation: Arc::new(activation),
            limits: *limits,
            grants: grants.clone(),
            alerts: Allowance::new(limits.alerts_per_minute_max, MINUTE, Instant::now()),
            dropped_alerts: 0,
            refused_effects: 0,
            is_poisoned: false,
            artifact: artifact.clone(),
        })
    }

    /// What the plugin takes part in.
    #[must_use]
    pub fn activation(&self) -> &Arc<Activation> {
        &self.activation
    }

    /// Tells the plugin that a state key changed; `None` = the key does not exist.
    ///
    /// # Errors
    /// [`CallError::Refused`] if it keeps its old state; else the call failed.
    pub fn on_state(&mut self, key: &str, value: Option<&str>) -> Result<(), CallError> {
        self.begin(self.limits.state_cpu_max)?;
        let Some(function) = self.functions.on_state else { return Ok(()) };
        let (answer,) = self.call(&ON_STATE, function, (key, value))?;
        answer.map_err(|reason| CallError::Refused(cut(&reason, TEXT_BYTES_MAX).to_owned()))
    }

    /// Head of a request. `fields` are the activation's, packed by [`fields::push`]; `now_ms` is Unix time, `random`
    /// 64 fresh bits.
    ///
    /// # Errors
    /// [`CallError`]: the call failed; the instance is poisoned.
    pub fn on_request(&mut self, fields: &[u8], now_ms: u64, random: u64) -> Result<Verdict, CallError> {
        self.begin(self.limits.call_cpu_max)?;
        let Some(function) = self.functions.on_request else { return Ok(Verdict::silent(0)) };
        let bits = self.call(&ON_REQUEST, function, (fields, now_ms, random))?;
        let variants = self.activation.variants.len();
        self.verdict(&ON_REQUEST, bits, Phase::Request { variants })
    }

    /// The body is larger than the activation's `body_size_above`. `bytes` is its size so far, or the declared one.
    ///
    /// # Errors
    /// [`CallError`]: the call failed; the instance is poisoned.
    pub fn on_body_size(&mut self, ctx: u32, bytes: u64, unit: SizeUnit, declared: bool) -> Result<Verdict, CallError> {
        self.begin(self.limits.call_cpu_max)?;
        let Some(function) = self.functions.on_body_size else { return Ok(Verdict::silent(ctx)) };
        let bits = self.call(&ON_BODY_SIZE, function, (ctx, bytes, unit, declared))?;
        self.verdict(&ON_BODY_SIZE, bits, Phase::BodySize)
    }

    /// The next bytes of the request body, which begin at `offset`. `is_last`: the body ends with them, or no more of it
    /// is shown. How much of a body is shown at most is for the caller to keep.
    ///
    /// # Errors
    /// [`CallError`]: the call failed; the instance is poisoned.
    pub fn on_body_chunk(&mut self, ctx: u32, chunk: &[u8], offset: u64, is_last: bool) -> Result<Verdict, CallError> {
        self.begin(self.limits.call_cpu_max)?;
        let Some(function) = self.functions.on_body_chunk else { return Ok(Verdict::silent(ctx)) };
        let bits = self.call(&ON_BODY_CHUNK, function, (ctx, chunk, offset, is_last))?;
        self.verdict(&ON_BODY_CHUNK, bits, Phase::BodyChunk)
    }

    /// Head of the response. `fields` are the activation's response fields.
    ///
    /// # Errors
    /// [`CallError`]: the call failed; the instance is poisoned.
    pub fn on_response(&mut self, ctx: u32, fields: &[u8]) -> Result<Verdict, CallError> {
        self.begin(self.limits.call_cpu_max)?;
        let Some(function) = self.functions.on_response else { return Ok(Verdict::silent(ctx)) };
        let bits = self.call(&ON_RESPONSE, function, (ctx, fields))?;
        self.verdict(&ON_RESPONSE, bits, Phase::Response)
    }

    /// Tries each declared phase once, with absent fields and an empty body; verdicts and effects go nowhere.
    ///
    /// # Errors
    /// [`CallError`] of the first phase that fails.
    pub fn smoke(&mut self) -> Result<(), CallError> {
        let activation = Arc::clone(&self.activation);
        if activation.phases.request {
            let _verdict = self.on_request(&fields::absent(activation.request_fields.len()), 0, 0)?;
        }
        if activation.phases.body_size {
            let bytes = activation.body_size_above.saturating_add(1);
            let _verdict = self.on_body_size(0, bytes, SizeUnit::Body, false)?;
        }
        if activation.phases.body_chunk {
            let _verdict = self.on_body_chunk(0, &[], 0, true)?;
        }
        if activation.phases.response {
            let _verdict = self.on_response(0, &fields::absent(activation.response_fields.len()))?;
        }
        Ok(())
    }

    /// Bytes of its linear memory. It never shrinks while the instance lives.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.store.data().memory.bytes()
    }

    /// True past the soft limit of memory: the instance works on, and wants to be replaced between two requests.
    #[must_use]
    pub fn is_swollen(&self) -> bool {
        self.store.data().memory.is_swollen()
    }

    /// True after a failed call: every later one fails at once, and the instance wants to be replaced.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.is_poisoned
    }

    /// Effects and edits taken out of outcomes so far because they were not granted.
    #[must_use]
    pub fn refused_effects(&self) -> u64 {
        self.refused_effects
    }

    /// Log lines dropped so far because there were too many, or because they were not granted.
    #[must_use]
    pub fn dropped_lines(&self) -> u64 {
        self.store.data().log.dropped()
    }

    /// Alerts dropped so far because there were too many. None that aborts a rollout is among them.
    #[must_use]
    pub fn dropped_alerts(&self) -> u64 {
        self.dropped_alerts
    }

    #[inline]
    fn begin(&mut self, budget: Duration) -> Result<(), CallError> {
        if self.is_poisoned {
            return Err(CallError::Poisoned);
        }
        Host::begin_call(&mut self.store, budget);
        Ok(())
    }

    #[inline]
    fn call<Params, Return>(
        &mut self,
        export: &Export,
        function: TypedFunc<Params, Return>,
        params: Params,
    ) -> Result<Return, CallError>
    where
        Params: ComponentNamedList + Lower,
        Return: ComponentNamedList + Lift,
    {
        function.call(&mut self.store, params).map_err(|error| self.failed(export, &error))
    }

    #[inline]
    fn verdict(&mut self, export: &Export, (bits,): HotResult, phase: Phase) -> Result<Verdict, CallError> {
        let bits = Bits::unpack(bits, phase).map_err(|fault| self.nonsense(export, fault))?;
        let outcome = if bits.has_more { Some(self.take_outcome(export, bits.decision, phase)?) } else { None };
        Ok(Verdict { decision: bits.decision, ctx: bits.ctx, outcome })
    }

    /// Fetches the outcome within what is left of the call's CPU time.
    #[cold]
    fn take_outcome(&mut self, export: &Export, decision: Decision, phase: Phase) -> Result<Box<Outcome>, CallError> {
        let Some(function) = self.functions.take_outcome else {
            return Err(self.nonsense(export, VerdictFault::NoOutcome));
        };
        let wire = function.call(&mut self.store).map_err(|error| self.failed(&TAKE_OUTCOME, &error))?;
        let is_respond = matches!(decision, Decision::Respond { .. });
        let log = &mut self.store.data_mut().log;
        let checked = outcome::check(wire, phase, is_respond, &self.grants, |limited| match limited {
            Limited::Line => log.admit(),
            Limited::Alert => {
                let is_admitted = self.alerts.take(Instant::now());
                self.dropped_alerts += u64::from(!is_admitted);
                is_admitted
            }
        });
        match checked {
            Ok(checked) => {
                self.refused_effects += checked.refused;
                Ok(Box::new(checked.outcome))
            }
            Err(fault) => Err(self.nonsense(export, VerdictFault::Outcome(fault))),
        }
    }

    #[cold]
    fn failed(&mut self, export: &Export, error: &Error) -> CallError {
        self.is_poisoned = true;
        CallError::from_wasmtime(error, export.name, self.store.data_mut())
    }

    /// Nonsense counts as a trap: what the plugin still holds of this request must not reach the next one.
    #[cold]
    fn nonsense(&mut self, export: &Export, fault: VerdictFault) -> CallError {
        self.is_poisoned = true;
        CallError::Verdict { export: export.name, fault }
    }
}

/// Instantiates the component and calls `init`, both within one CPU budget.
fn start(
    store: &mut Store<Host>,
    artifact: &Artifact,
    config: &str,
    limits: &Limits,
) -> Result<(Functions, Activation), LoadError> {
    Host::begin_call(store, limits.init_cpu_max);
    let instance = artifact.component().instantiate(&mut *store);
    let instance = instance.map_err(|error| start_failed(&error, INSTANTIATION, store))?;
    let functions = artifact.exports().bind(store, &instance);
    let answer = functions.init(store, config).map_err(|error| start_failed(&error, INIT.name, store))?;
    let activation = answer.map_err(|reason| LoadError::Config { reason: cut(&reason, TEXT_BYTES_MAX).to_owned() })?;
    Ok((functions, activation))
}

fn start_failed(error: &Error, export: &'static str, store: &mut Store<Host>) -> LoadError {
    LoadError::Start(CallError::from_wasmtime(error, export, store.data_mut()))
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("artifact", &self.artifact)
            .field("memory_bytes", &self.memory_bytes())
            .field("is_poisoned", &self.is_poisoned)
            .finish_non_exhaustive()
    }
}
