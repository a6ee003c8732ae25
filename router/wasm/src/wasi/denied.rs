//! Files, sockets and HTTP: every function that a component imports of them is there, and traps with its name.
//!
//! They are made from the component's own import list, so that every version and every function links.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, ResourceType, Val};
use wasmtime::{Error, StoreContextMut};

use super::io::{InputStream, IoError, OutputStream, Pollable};
use super::{Access, access};
use crate::host::Host;

/// The folders that a program finds open; here none. Runtimes ask at their start, and go on with an empty list.
const PREOPENS: (&str, &str) = ("wasi:filesystem/preopens@", "get-directories");

/// Stands for every resource that is never made.
enum Nothing {}

pub(super) fn define(linker: &mut Linker<Host>, component: &Component) -> Result<(), Error> {
    let engine = component.engine().clone();
    let component = component.component_type();
    for (name, import) in component.imports(&engine) {
        let ComponentItem::ComponentInstance(instance) = import.ty else { continue };
        if access(name) != Some(Access::Denied) {
            continue;
        }
        let mut interface = linker.instance(name)?;
        for (export, item) in instance.exports(&engine) {
            match item.ty {
                ComponentItem::ComponentFunc(_) if name.starts_with(PREOPENS.0) && export == PREOPENS.1 => {
                    interface.func_new(export, no_folders)?;
                }
                ComponentItem::ComponentFunc(_) => {
                    let reason = format!("`{name}#{export}` is granted to no plugin");
                    interface.func_new(export, move |_, _, _, _| Err(Error::msg(reason.clone())))?;
                }
                ComponentItem::Resource(_) => interface.resource(export, resource(export), |_, _| Ok(()))?,
                // Types alone need no definition; of what else there is WASI has nothing.
                ComponentItem::Type(_)
                | ComponentItem::CoreFunc(_)
                | ComponentItem::Module(_)
                | ComponentItem::Component(_)
                | ComponentItem::ComponentInstance(_) => {}
            }
        }
    }
    Ok(())
}

/// The resource of this name: interfaces name again what they use of `wasi:io`.
fn resource(name: &str) -> ResourceType {
    match name {
        "input-stream" => ResourceType::host::<InputStream>(),
        "output-stream" => ResourceType::host::<OutputStream>(),
        "pollable" => ResourceType::host::<Pollable>(),
        "error" | "io-error" => ResourceType::host::<IoError>(),
        _ => ResourceType::host::<Nothing>(),
    }
}

fn no_folders(
    _: StoreContextMut<'_, Host>,
    _: wasmtime::component::types::ComponentFunc,
    _: &[Val],
    results: &mut [Val],
) -> Result<(), Error> {
    // The linker takes a function of any type; one of another type than WASI's gets an error from wasmtime.
    results.fill(Val::List(Vec::new()));
    Ok(())
}
