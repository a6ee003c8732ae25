//! The engine: how plugins are compiled, or found compiled, and the clock that interrupts them. One per process.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rustix::process::{Resource, getrlimit};
use wasmtime::{Config, WasmBacktraceDetails, component::Linker};

use crate::artifact::Artifact;
use crate::bounds::{BACKTRACE_FRAMES_MAX, STACK_BYTES_MAX, TICK};
use crate::cache::{CACHE_BYTES_MAX, Cache};
use crate::host::Host;
use crate::load_error::LoadError;

/// Address space for each linear memory where address space is limited (RLIMIT_AS): it costs bounds checks, measured
/// 16 %, but the default of 4 GiB per memory would let the first instances use up the limit.
const NARROW_RESERVATION_BYTES: u64 = 16 * 1024 * 1024;

/// Guard after such a memory.
const NARROW_GUARD_BYTES: u64 = 64 * 1024;

/// Compiles plugins. Clones share one engine; with the last of them, of its artifacts and of their instances its
/// clock thread ends.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    engine: wasmtime::Engine,
    linker: Linker<Host>,
    cache: Option<Cache>,
    _ticker: Ticker,
}

/// Why there is no engine: the machine cannot run one.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refuses its configuration on this machine.
    #[error("cannot set up the plugin engine: {0}")]
    Config(String),
    /// The clock thread could not start.
    #[error("cannot start the plugin clock")]
    Clock(#[source] Arc<std::io::Error>),
}

impl Engine {
    /// An engine with its clock running, which compiles each file that it is given.
    ///
    /// # Errors
    /// [`EngineError`] if the machine cannot run plugins.
    pub fn new() -> Result<Self, EngineError> {
        Self::start(|_| None)
    }

    /// An engine that keeps what it compiled in `folder`, where the next process finds it. The folder is made if it is
    /// not there; one that others may enter, or that cannot be used, is left alone, and the engine works without it.
    ///
    /// # Errors
    /// [`EngineError`] if the machine cannot run plugins.
    pub fn with_cache(folder: &Path) -> Result<Self, EngineError> {
        Self::start(|engine| {
            let cache = Cache::open(folder, engine, CACHE_BYTES_MAX);
            let warn = |error: &_| {
                tracing::warn!(folder = %folder.display(), %error, "compiled plugins are not kept: each start compiles");
            };
            cache.inspect_err(warn).ok()
        })
    }

    fn start(cache: impl FnOnce(&wasmtime::Engine) -> Option<Cache>) -> Result<Self, EngineError> {
        let refused = |error: wasmtime::Error| EngineError::Config(format!("{error:#}"));
        let engine = wasmtime::Engine::new(&config()).map_err(refused)?;
        let mut linker = Linker::new(&engine);
        Host::define_imports(&mut linker).map_err(refused)?;
        let ticker = Ticker::start(engine.clone()).map_err(|error| EngineError::Clock(Arc::new(error)))?;
        let cache = cache(&engine);
        Ok(Self { shared: Arc::new(Shared { engine, linker, cache, _ticker: ticker }) })
    }

    /// Checks and compiles a plugin file. Nothing of it runs. Takes about 0.6 ms per KB, unless it was compiled before and
    /// kept: never on a worker.
    ///
    /// # Errors
    /// [`LoadError`]: what is wrong with the file.
    pub fn compile(&self, bytes: &[u8]) -> Result<Artifact, LoadError> {
        Artifact::compile(self, bytes)
    }

    /// Where compiled plugins are kept.
    pub(crate) fn cache(&self) -> Option<&Cache> {
        self.shared.cache.as_ref()
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.shared.engine
    }

    pub(crate) fn linker(&self) -> &Linker<Host> {
        &self.shared.linker
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// What the compiled-in features leave to choose. GC, exceptions, threads, async and the pooling allocator are not
/// compiled in at all.
fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        // Tasks of the component model cost 230 ns per call, measured; plugins are synchronous.
        .concurrency_support(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_relaxed_simd(false)
        .max_wasm_stack(STACK_BYTES_MAX)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable)
        .wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES_MAX))
        // Backtraces walk frame pointers; registering unwind tables would take a process-wide lock at each load.
        .native_unwind_info(false);
    if getrlimit(Resource::As).current.is_some() {
        config.memory_reservation(NARROW_RESERVATION_BYTES).memory_guard_size(NARROW_GUARD_BYTES);
    }
    config
}

/// The thread that moves the epoch on, so that running plugins look at their deadline.
struct Ticker {
    is_stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(engine: wasmtime::Engine) -> std::io::Result<Self> {
        let is_stopped = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_stopped);
        let thread = std::thread::Builder::new().name("plugin-clock".to_owned()).spawn(move || {
            while !seen.load(Ordering::Acquire) {
                std::thread::park_timeout(TICK);
                engine.increment_epoch();
            }
        })?;
        Ok(Self { is_stopped, thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            thread.join().expect("invariant: the clock thread has no panic in it");
        }
    }
}
