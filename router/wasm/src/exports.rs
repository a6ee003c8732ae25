//! The exports of the contract: found and type-checked when a file is compiled, bound when it is instantiated.
//!
//! Only `init` has to be there. What the activation declares is held against the rest once it is known.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, Instance, Lift, Lower, TypedFunc};
use wasmtime::{AsContextMut, Error, Store};

use crate::activation::Activation;
use crate::contract::ContractVersion;
use crate::host::Host;
use crate::load_error::{ExportFault, LoadError};
use crate::wire::{Activation0_1, Outcome0_1, SizeUnit, WireActivation, WireOutcome};

/// An export as the contract has it.
pub(crate) struct Export {
    pub(crate) name: &'static str,
    signature: &'static str,
}

pub(crate) const INIT: Export =
    Export { name: "init", signature: "func(config: string) -> result<activation, string>" };
pub(crate) const ON_STATE: Export =
    Export { name: "on-state", signature: "func(key: string, value: option<string>) -> result<_, string>" };
pub(crate) const ON_REQUEST: Export =
    Export { name: "on-request", signature: "func(fields: list<u8>, now-ms: u64, random: u64) -> u64" };
pub(crate) const ON_BODY_SIZE: Export =
    Export { name: "on-body-size", signature: "func(ctx: u32, bytes: u64, unit: size-unit, declared: bool) -> u64" };
pub(crate) const ON_BODY_CHUNK: Export =
    Export { name: "on-body-chunk", signature: "func(ctx: u32, chunk: list<u8>, offset: u64, last: bool) -> u64" };
pub(crate) const ON_RESPONSE: Export =
    Export { name: "on-response", signature: "func(ctx: u32, fields: list<u8>) -> u64" };
pub(crate) const TAKE_OUTCOME: Export = Export { name: "take-outcome", signature: "func() -> outcome" };

/// Names of all of them.
pub(crate) const CONTRACT_EXPORTS: [&str; 7] = [
    INIT.name,
    ON_STATE.name,
    ON_REQUEST.name,
    ON_BODY_SIZE.name,
    ON_BODY_CHUNK.name,
    ON_RESPONSE.name,
    TAKE_OUTCOME.name,
];

/// Result of the hot exports: a packed verdict.
pub(crate) type HotResult = (u64,);

type InitParams<'a> = (&'a str,);
type InitResult<A> = (Result<A, String>,);
type StateParams<'a> = (&'a str, Option<&'a str>);
type StateResult = (Result<(), String>,);
type RequestParams<'a> = (&'a [u8], u64, u64);
type BodySizeParams = (u32, u64, SizeUnit, bool);
type BodyChunkParams<'a> = (u32, &'a [u8], u64, bool);
type ResponseParams<'a> = (u32, &'a [u8]);

/// Where the exports stand in a component; those that are there have the type of their contract.
pub(crate) struct Exports {
    contract: ContractVersion,
    init: ComponentExportIndex,
    on_state: Option<ComponentExportIndex>,
    on_request: Option<ComponentExportIndex>,
    on_body_size: Option<ComponentExportIndex>,
    on_body_chunk: Option<ComponentExportIndex>,
    on_response: Option<ComponentExportIndex>,
    take_outcome: Option<ComponentExportIndex>,
}

/// The exports of one instance. Types that borrow stand here with the longest lifetime: a typed function takes any
/// shorter one, so that nothing is type-checked again at a call.
#[derive(Clone, Copy)]
pub(crate) struct Functions {
    init: Versioned<Init<Activation0_1>, Init<WireActivation>>,
    pub(crate) on_state: Option<TypedFunc<StateParams<'static>, StateResult>>,
    pub(crate) on_request: Option<TypedFunc<RequestParams<'static>, HotResult>>,
    pub(crate) on_body_size: Option<TypedFunc<BodySizeParams, HotResult>>,
    pub(crate) on_body_chunk: Option<TypedFunc<BodyChunkParams<'static>, HotResult>>,
    pub(crate) on_response: Option<TypedFunc<ResponseParams<'static>, HotResult>>,
    pub(crate) take_outcome: Option<TakeOutcome>,
}

type Init<A> = TypedFunc<InitParams<'static>, InitResult<A>>;

/// The export `take-outcome`.
pub(crate) type TakeOutcome = Versioned<TypedFunc<(), (Outcome0_1,)>, TypedFunc<(), (WireOutcome,)>>;

/// An export that the versions of the contract type otherwise.
#[derive(Clone, Copy)]
pub(crate) enum Versioned<Old, New> {
    V0_1(Old),
    V0_2(New),
}

impl Exports {
    /// Finds the exports and checks their types.
    pub(crate) fn find(component: &Component, contract: ContractVersion) -> Result<Self, LoadError> {
        let (init, take_outcome) = match contract {
            ContractVersion::V0_1 => (
                find::<InitParams<'_>, InitResult<Activation0_1>>(component, &INIT)?,
                find::<(), (Outcome0_1,)>(component, &TAKE_OUTCOME)?,
            ),
            ContractVersion::V0_2 => (
                find::<InitParams<'_>, InitResult<WireActivation>>(component, &INIT)?,
                find::<(), (WireOutcome,)>(component, &TAKE_OUTCOME)?,
            ),
        };
        Ok(Self {
            contract,
            init: init.ok_or_else(|| INIT.fault(ExportFault::Missing))?,
            on_state: find::<StateParams<'_>, StateResult>(component, &ON_STATE)?,
            on_request: find::<RequestParams<'_>, HotResult>(component, &ON_REQUEST)?,
            on_body_size: find::<BodySizeParams, HotResult>(component, &ON_BODY_SIZE)?,
            on_body_chunk: find::<BodyChunkParams<'_>, HotResult>(component, &ON_BODY_CHUNK)?,
            on_response: find::<ResponseParams<'_>, HotResult>(component, &ON_RESPONSE)?,
            take_outcome,
        })
    }

    pub(crate) const fn contract(&self) -> ContractVersion {
        self.contract
    }

    /// The exports of `instance`, which is one of the component they were found in.
    pub(crate) fn bind(&self, store: &mut Store<Host>, instance: &Instance) -> Functions {
        let is_old = self.contract == ContractVersion::V0_1;
        Functions {
            init: if is_old {
                Versioned::V0_1(typed(store, instance, &self.init))
            } else {
                Versioned::V0_2(typed(store, instance, &self.init))
            },
            on_state: self.on_state.as_ref().map(|index| typed(store, instance, index)),
            on_request: self.on_request.as_ref().map(|index| typed(store, instance, index)),
            on_body_size: self.on_body_size.as_ref().map(|index| typed(store, instance, index)),
            on_body_chunk: self.on_body_chunk.as_ref().map(|index| typed(store, instance, index)),
            on_response: self.on_response.as_ref().map(|index| typed(store, instance, index)),
            take_outcome: self.take_outcome.as_ref().map(|index| {
                if is_old {
                    Versioned::V0_1(typed(store, instance, index))
                } else {
                    Versioned::V0_2(typed(store, instance, index))
                }
            }),
        }
    }
}

impl Functions {
    /// Calls `init`.
    pub(crate) fn init(&self, store: &mut Store<Host>, config: &str) -> Result<Result<Activation, String>, Error> {
        Ok(match self.init {
            Versioned::V0_1(init) => init.call(store, (config,))?.0.map(Activation::from),
            Versioned::V0_2(init) => init.call(store, (config,))?.0.map(Activation::from),
        })
    }

    /// Refuses an activation that declares what is not exported.
    pub(crate) fn check(&self, activation: &Activation) -> Result<(), LoadError> {
        let phases = activation.phases;
        for (export, is_declared, is_there) in [
            (&ON_STATE, !activation.state.is_empty(), self.on_state.is_some()),
            (&ON_REQUEST, phases.request, self.on_request.is_some()),
            (&ON_BODY_SIZE, phases.body_size, self.on_body_size.is_some()),
            (&ON_BODY_CHUNK, phases.body_chunk, self.on_body_chunk.is_some()),
            (&ON_RESPONSE, phases.response, self.on_response.is_some()),
        ] {
            if is_declared && !is_there {
                return Err(export.fault(ExportFault::Declared));
            }
        }
        Ok(())
    }
}

impl TakeOutcome {
    /// Calls it.
    pub(crate) fn call(self, store: impl AsContextMut) -> Result<WireOutcome, Error> {
        match self {
            Self::V0_1(take) => Ok(take.call(store, ())?.0.into()),
            Self::V0_2(take) => Ok(take.call(store, ())?.0),
        }
    }
}

impl Export {
    const fn fault(&self, fault: ExportFault) -> LoadError {
        LoadError::Export { name: self.name, expected: self.signature, fault }
    }
}

fn find<Params, Return>(component: &Component, export: &Export) -> Result<Option<ComponentExportIndex>, LoadError>
where
    Params: ComponentNamedList + Lower,
    Return: ComponentNamedList + Lift,
{
    match component.get_export(None, export.name) {
        None => Ok(None),
        Some((ComponentItem::ComponentFunc(func), index)) => {
            // `typecheck` is what the code that wasmtime's bindgen! writes calls: types without an instance.
            func.typecheck::<Params, Return>(&component.component_type().instance_type())
                .map_err(|error| export.fault(ExportFault::Type(format!("{error:#}"))))?;
            Ok(Some(index))
        }
        Some(_) => Err(export.fault(ExportFault::NotAFunction)),
    }
}

fn typed<Params, Return>(
    store: &mut Store<Host>,
    instance: &Instance,
    index: &ComponentExportIndex,
) -> TypedFunc<Params, Return>
where
    Params: ComponentNamedList + Lower,
    Return: ComponentNamedList + Lift,
{
    const CHECKED: &str = "invariant: the component's exports were found and type-checked";
    instance.get_func(&mut *store, index).expect(CHECKED).typed(&*store).expect(CHECKED)
}
