//! The host's side of one instance: what a plugin may import, and what limits it.

use wasmtime::component::{Linker, WasmStr};
use wasmtime::{Store, StoreContextMut, UpdateDeadline};

use crate::bounds::{HANDLES_MAX, HOSTCALL_FUEL};
use crate::deadline::{Deadline, Reading};
use crate::engine::Engine;
use crate::log::PluginLog;
use crate::memory::MemoryLimit;
use crate::wasi::{self, Wasi};
use crate::wire::Level;

/// The one interface of the contract that a plugin may call, in each version that loads.
pub(crate) const LOGGING: [&str; 2] = ["sluice:plugin/logging@0.1.0", "sluice:plugin/logging@0.2.0"];

/// Shapes only; encoders write it as an import of its own.
pub(crate) const TYPES: [&str; 2] = ["sluice:plugin/types@0.1.0", "sluice:plugin/types@0.2.0"];

/// Ticks until a running call is looked at.
const NEXT_TICK: u64 = 1;

/// What the store of an instance holds.
pub(crate) struct Host {
    pub(crate) log: PluginLog,
    pub(crate) memory: MemoryLimit,
    pub(crate) deadline: Deadline,
    pub(crate) wasi: Wasi,
}

impl Host {
    /// A host whose calls have not begun.
    pub(crate) fn new(log: PluginLog, memory: MemoryLimit) -> Self {
        Self { log, memory, deadline: Deadline::unarmed(), wasi: Wasi::new() }
    }

    /// Defines what plugins import.
    pub(crate) fn define_imports(linker: &mut Linker<Self>) -> Result<(), wasmtime::Error> {
        LOGGING.into_iter().try_for_each(|name| linker.instance(name)?.func_wrap("log", write_line))?;
        wasi::define(linker)
    }

    /// A store whose instance obeys the limits.
    pub(crate) fn into_store(self, engine: &Engine) -> Store<Self> {
        let mut store = Store::new(engine.wasmtime(), self);
        store.limiter(|host| &mut host.memory);
        store.set_hostcall_fuel(HOSTCALL_FUEL);
        store.set_max_component_handles(HANDLES_MAX);
        store.epoch_deadline_callback(|mut store| {
            let is_over = store.data_mut().deadline.is_over(Reading::now());
            Ok(if is_over { UpdateDeadline::Interrupt } else { UpdateDeadline::Continue(NEXT_TICK) })
        });
        store
    }

    /// The next call of `store` may spend `budget` of CPU time.
    #[inline]
    pub(crate) fn begin_call(store: &mut Store<Self>, budget: std::time::Duration) {
        let host = store.data_mut();
        host.deadline.arm(budget);
        host.log.begin_call();
        store.set_epoch_deadline(NEXT_TICK);
    }
}

/// Import `log`.
fn write_line(mut store: StoreContextMut<'_, Host>, (level, message): (Level, WasmStr)) -> Result<(), wasmtime::Error> {
    let message = message.to_str(&store)?.into_owned();
    store.data_mut().log.write(level, &message);
    Ok(())
}
