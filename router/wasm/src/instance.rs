//! An instance: one plugin with one configuration on one worker. Calls run on the calling thread, one at a time.

use std::fmt;
use std::sync::Arc;

use sluice_model::plugin::{Grants, Limits};
use wasmtime::Store;
use wasmtime::component::{ComponentNamedList, Func, Lift, Lower, TypedFunc};

use crate::activation::Activation;
use crate::artifact::Artifact;
use crate::bounds::{TEXT_BYTES_MAX, cut};
use crate::call_error::CallError;
use crate::deadline::Deadline;
use crate::exports::{
    Functions, HotResult, INIT, InitParams, InitResult, ON_BODY_SIZE, ON_REQUEST, ON_RESPONSE, ON_STATE, RequestParams,
    ResponseParams, StateParams, StateResult, TAKE_OUTCOME,
};
use crate::fields;
use crate::host::Host;
use crate::load_error::LoadError;
use crate::log::PluginLog;
use crate::memory::MemoryLimit;
use crate::outcome::{self, Outcome};
use crate::verdict::{Bits, Decision, Verdict, VerdictFault};
use crate::wire::{SizeUnit, WireActivation};

/// Name under which a failure outside the exports is reported.
const INSTANTIATION: &str = "instantiation";

/// A running plugin. It may move between threads, between calls.
pub struct Instance {
    // Before the artifact, which keeps the engine: fields drop in order.
    store: Store<Host>,
    functions: Functions,
    activation: Arc<Activation>,
    limits: Limits,
    grants: Grants,
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
        let host = Host {
            log: PluginLog::new(name),
            memory: MemoryLimit::new(limits.memory_bytes_max),
            deadline: Deadline::unarmed(),
        };
        let mut store = host.into_store(artifact.engine());
        let (functions, activation) = start(&mut store, artifact, config, limits)?;
        let activation = Activation::check(activation, needs, grants).map_err(LoadError::Activation)?;
        Ok(Self {
            store,
            functions,
            activation: Arc::new(activation),
            limits: *limits,
            grants: grants.clone(),
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
        let function = self.functions.on_state;
        let (answer,) = self.call::<StateParams<'_>, StateResult>(ON_STATE, function, (key, value))?;
        answer.map_err(|reason| CallError::Refused(cut(&reason, TEXT_BYTES_MAX).to_owned()))
    }

    /// Head of a request. `fields` are the activation's, packed by [`fields::push`]; `now_ms` is Unix time, `random`
    /// 64 fresh bits.
    ///
    /// # Errors
    /// [`CallError`]: the call failed; the instance is poisoned.
    pub fn on_request(&mut self, fields: &[u8], now_ms: u64, random: u64) -> Result<Verdict, CallError> {
        self.begin(self.limits.call_cpu_max)?;
        let function = self.functions.on_request;
        let (bits,) = self.call::<RequestParams<'_>, HotResult>(ON_REQUEST, function, (fields, now_ms, random))?;
        let variants = Some(self.activation.variants.len());
        self.verdict(ON_REQUEST, bits, variants)
    }

    /// The body is larger than the activation's `body_size_above`. `bytes` is its size so far, or the declared one.
    ///
    /// # Errors
    /// [`CallError`]: the call failed; the instance is poisoned.
    pub fn on_body_size(&mut self, ctx: u32, bytes: u64, unit: SizeUnit, declared: bool) -> Result<Verdict, CallError> {
        self.begin(self.limits.call_cpu_max)?;
        let function = self.functions.on_body_size;
        let (bits,) = self.call_typed(ON_BODY_SIZE, function, (ctx, bytes, unit, declared))?;
        self.verdict(ON_BODY_SIZE, bits, None)
    }

    /// Head of the response. `fields` are the activation's response fields.
    ///
    /// # Errors
    /// [`CallError`]: the call failed; the instance is poisoned.
    pub fn on_response(&mut self, ctx: u32, fields: &[u8]) -> Result<Verdict, CallError> {
        self.begin(self.limits.call_cpu_max)?;
        let function = self.functions.on_response;
        let (bits,) = self.call::<ResponseParams<'_>, HotResult>(ON_RESPONSE, function, (ctx, fields))?;
        self.verdict(ON_RESPONSE, bits, None)
    }

    /// Tries each declared phase once, with absent fields; verdicts and effects go nowhere.
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

    /// True after a failed call: every later one fails at once, and the instance wants to be replaced.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.is_poisoned
    }

    /// Effects taken out of outcomes so far because they were not granted.
    #[must_use]
    pub fn refused_effects(&self) -> u64 {
        self.refused_effects
    }

    /// Log lines dropped so far because there were too many.
    #[must_use]
    pub fn dropped_lines(&self) -> u64 {
        self.store.data().log.dropped()
    }

    #[inline]
    fn begin(&mut self, budget: std::time::Duration) -> Result<(), CallError> {
        if self.is_poisoned {
            return Err(CallError::Poisoned);
        }
        Host::begin_call(&mut self.store, budget);
        Ok(())
    }

    #[inline]
    fn call<Params, Return>(&mut self, export: &'static str, func: Func, params: Params) -> Result<Return, CallError>
    where
        Params: ComponentNamedList + Lower,
        Return: ComponentNamedList + Lift,
    {
        let func = func.typed(&self.store).expect("invariant: the component's exports were type-checked");
        self.call_typed(export, func, params)
    }

    #[inline]
    fn call_typed<Params, Return>(
        &mut self,
        export: &'static str,
        func: TypedFunc<Params, Return>,
        params: Params,
    ) -> Result<Return, CallError>
    where
        Params: ComponentNamedList + Lower,
        Return: ComponentNamedList + Lift,
    {
        func.call(&mut self.store, params).map_err(|error| {
            self.is_poisoned = true;
            CallError::from_wasmtime(&error, export, self.store.data_mut())
        })
    }

    #[inline]
    fn verdict(&mut self, export: &'static str, bits: u64, variants: Option<usize>) -> Result<Verdict, CallError> {
        let bits = Bits::unpack(bits, variants).map_err(|fault| self.nonsense(export, fault))?;
        let outcome = if bits.has_more { Some(self.take_outcome(export, bits.decision)?) } else { None };
        Ok(Verdict { decision: bits.decision, ctx: bits.ctx, outcome })
    }

    /// Fetches the outcome within what is left of the call's CPU time.
    #[cold]
    fn take_outcome(&mut self, export: &'static str, decision: Decision) -> Result<Box<Outcome>, CallError> {
        let (wire,) = self.call_typed(TAKE_OUTCOME, self.functions.take_outcome, ())?;
        let is_respond = matches!(decision, Decision::Respond { .. });
        let log = &mut self.store.data_mut().log;
        match outcome::check(wire, is_respond, &self.grants, || log.admit()) {
            Ok(checked) => {
                self.refused_effects += checked.refused;
                Ok(Box::new(checked.outcome))
            }
            Err(fault) => Err(self.nonsense(export, VerdictFault::Outcome(fault))),
        }
    }

    /// Nonsense counts as a trap: what the plugin still holds of this request must not reach the next one.
    #[cold]
    fn nonsense(&mut self, export: &'static str, fault: VerdictFault) -> CallError {
        self.is_poisoned = true;
        CallError::Verdict { export, fault }
    }
}

/// Instantiates the component and calls `init`, both within one CPU budget.
fn start(
    store: &mut Store<Host>,
    artifact: &Artifact,
    config: &str,
    limits: &Limits,
) -> Result<(Functions, WireActivation), LoadError> {
    Host::begin_call(store, limits.init_cpu_max);
    let instance = artifact.component().instantiate(&mut *store);
    let instance = instance.map_err(|error| start_failed(&error, INSTANTIATION, store))?;
    let functions = artifact.exports().bind(store, &instance);
    let init = functions.init.typed::<InitParams<'_>, InitResult>(&*store);
    let init = init.expect("invariant: the component's exports were type-checked");
    let answer = init.call(&mut *store, (config,));
    let (answer,) = answer.map_err(|error| start_failed(&error, INIT, store))?;
    let activation = answer.map_err(|reason| LoadError::Config { reason: cut(&reason, TEXT_BYTES_MAX).to_owned() })?;
    Ok((functions, activation))
}

fn start_failed(error: &wasmtime::Error, export: &'static str, store: &mut Store<Host>) -> LoadError {
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
