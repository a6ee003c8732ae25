//! The exports of the contract: found and type-checked when a file is compiled, bound when it is instantiated.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, Func, Instance, Lift, Lower};
use wasmtime::{Store, component::TypedFunc};

use crate::host::Host;
use crate::load_error::{ExportFault, LoadError};
use crate::wire::{SizeUnit, WireActivation, WireOutcome};

pub(crate) const INIT: &str = "init";
pub(crate) const ON_STATE: &str = "on-state";
pub(crate) const ON_REQUEST: &str = "on-request";
pub(crate) const ON_BODY_SIZE: &str = "on-body-size";
pub(crate) const ON_RESPONSE: &str = "on-response";
pub(crate) const TAKE_OUTCOME: &str = "take-outcome";

pub(crate) type InitParams<'a> = (&'a str,);
pub(crate) type InitResult = (Result<WireActivation, String>,);
pub(crate) type StateParams<'a> = (&'a str, Option<&'a str>);
pub(crate) type StateResult = (Result<(), String>,);
pub(crate) type RequestParams<'a> = (&'a [u8], u64, u64);
pub(crate) type BodySizeParams = (u32, u64, SizeUnit, bool);
pub(crate) type ResponseParams<'a> = (u32, &'a [u8]);
/// Result of the hot exports: a packed verdict.
pub(crate) type HotResult = (u64,);

/// Where the exports stand in a component; all of them are there and have the type of the contract.
pub(crate) struct Exports {
    init: ComponentExportIndex,
    on_state: ComponentExportIndex,
    on_request: ComponentExportIndex,
    on_body_size: ComponentExportIndex,
    on_response: ComponentExportIndex,
    take_outcome: ComponentExportIndex,
}

/// The exports of one instance.
///
/// Those that borrow their arguments are typed at each call: a typed function is bound to one lifetime, and to go without
/// the check would take `unsafe`. It costs 30 ns, a tenth of a call (docs/bench/plugin-call-shapes.md).
#[derive(Clone, Copy)]
pub(crate) struct Functions {
    pub(crate) init: Func,
    pub(crate) on_state: Func,
    pub(crate) on_request: Func,
    pub(crate) on_body_size: TypedFunc<BodySizeParams, HotResult>,
    pub(crate) on_response: Func,
    pub(crate) take_outcome: TypedFunc<(), (WireOutcome,)>,
}

impl Exports {
    /// Finds the exports and checks their types.
    pub(crate) fn find(component: &Component) -> Result<Self, LoadError> {
        Ok(Self {
            init: find::<InitParams<'_>, InitResult>(
                component,
                INIT,
                "func(config: string) -> result<activation, string>",
            )?,
            on_state: find::<StateParams<'_>, StateResult>(
                component,
                ON_STATE,
                "func(key: string, value: option<string>) -> result<_, string>",
            )?,
            on_request: find::<RequestParams<'_>, HotResult>(
                component,
                ON_REQUEST,
                "func(fields: list<u8>, now-ms: u64, random: u64) -> u64",
            )?,
            on_body_size: find::<BodySizeParams, HotResult>(
                component,
                ON_BODY_SIZE,
                "func(ctx: u32, bytes: u64, unit: size-unit, declared: bool) -> u64",
            )?,
            on_response: find::<ResponseParams<'_>, HotResult>(
                component,
                ON_RESPONSE,
                "func(ctx: u32, fields: list<u8>) -> u64",
            )?,
            take_outcome: find::<(), (WireOutcome,)>(component, TAKE_OUTCOME, "func() -> outcome")?,
        })
    }

    /// The exports of `instance`, which is one of the component they were found in.
    pub(crate) fn bind(&self, store: &mut Store<Host>, instance: &Instance) -> Functions {
        const CHECKED: &str = "invariant: the component's exports were found and type-checked";
        let mut func = |index| instance.get_func(&mut *store, index).expect(CHECKED);
        let (init, on_state) = (func(&self.init), func(&self.on_state));
        let (on_request, on_response) = (func(&self.on_request), func(&self.on_response));
        let (on_body_size, take_outcome) = (func(&self.on_body_size), func(&self.take_outcome));
        Functions {
            init,
            on_state,
            on_request,
            on_body_size: on_body_size.typed(&*store).expect(CHECKED),
            on_response,
            take_outcome: take_outcome.typed(&*store).expect(CHECKED),
        }
    }
}

fn find<Params, Return>(
    component: &Component,
    name: &'static str,
    expected: &'static str,
) -> Result<ComponentExportIndex, LoadError>
where
    Params: ComponentNamedList + Lower,
    Return: ComponentNamedList + Lift,
{
    let fault = |fault| LoadError::Export { name, expected, fault };
    match component.get_export(None, name) {
        None => Err(fault(ExportFault::Missing)),
        Some((ComponentItem::ComponentFunc(func), index)) => {
            // `typecheck` is what the code that wasmtime's bindgen! writes calls: types without an instance.
            func.typecheck::<Params, Return>(&component.component_type().instance_type())
                .map_err(|error| fault(ExportFault::Type(format!("{error:#}"))))?;
            Ok(index)
        }
        Some(_) => Err(fault(ExportFault::NotAFunction)),
    }
}
