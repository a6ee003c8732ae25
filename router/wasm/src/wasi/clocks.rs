//! `wasi:clocks`. Both clocks move in steps of the contract's own `now-ms`: a finer one would let a plugin measure what its
//! neighbours on the same processor do.

use std::time::{Duration, SystemTime};

use wasmtime::component::{ComponentType, Linker, Lower, Resource, ResourceType};
use wasmtime::{Error, StoreContextMut};

use super::first_version;
use super::io::{Pollable, READY};
use crate::host::Host;

/// Step of the clocks.
const STEP: Duration = Duration::from_millis(STEP_MS);
const STEP_MS: u64 = 1;

const NANOSECONDS_PER_MS: u64 = 1_000_000;

#[derive(ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

impl From<Duration> for Datetime {
    fn from(duration: Duration) -> Self {
        let whole = Duration::from_millis(u64::from(duration.subsec_millis()));
        Self { seconds: duration.as_secs(), nanoseconds: whole.subsec_nanos() }
    }
}

type Store<'a> = StoreContextMut<'a, Host>;

pub(super) fn define(linker: &mut Linker<Host>) -> Result<(), Error> {
    let mut wall = linker.instance(&first_version("wasi:clocks/wall-clock"))?;
    wall.func_wrap("now", |_: Store<'_>, (): ()| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Ok((Datetime::from(since.unwrap_or_default()),))
    })?;
    wall.func_wrap("resolution", |_: Store<'_>, (): ()| Ok((Datetime::from(STEP),)))?;

    let mut monotonic = linker.instance(&first_version("wasi:clocks/monotonic-clock"))?;
    monotonic.resource("pollable", ResourceType::host::<Pollable>(), |_, _| Ok(()))?;
    monotonic.func_wrap("now", |store: Store<'_>, (): ()| Ok((now_ms(&store) * NANOSECONDS_PER_MS,)))?;
    monotonic.func_wrap("resolution", |_: Store<'_>, (): ()| Ok((STEP_MS * NANOSECONDS_PER_MS,)))?;
    monotonic.func_wrap("subscribe-instant", |_: Store<'_>, (instant_ns,): (u64,)| {
        Ok((ready_at(instant_ns.div_ceil(NANOSECONDS_PER_MS)),))
    })?;
    monotonic.func_wrap("subscribe-duration", |store: Store<'_>, (duration_ns,): (u64,)| {
        let wait_ms = duration_ns.div_ceil(NANOSECONDS_PER_MS);
        Ok((ready_at(if wait_ms == 0 { u64::from(READY) } else { now_ms(&store).saturating_add(wait_ms) }),))
    })
}

/// Milliseconds since the instance began.
fn now_ms(store: &Store<'_>) -> u64 {
    u64::try_from(store.data().wasi.started.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// A pollable that is ready at this millisecond of the instance; later than 49 days is never, since the number is full.
fn ready_at(at_ms: u64) -> Resource<Pollable> {
    Resource::new_own(u32::try_from(at_ms).unwrap_or(u32::MAX))
}
