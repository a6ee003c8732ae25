//! `wasi:io`: streams that never wait, and pollables that are either ready or a trap.

use wasmtime::component::{ComponentType, Linker, Lower, Resource, ResourceType, WasmList};
use wasmtime::{Error, StoreContextMut};

use super::first_version;
use crate::host::Host;
use crate::wire::Level;

/// Bytes that one write may have: what WASI itself allows for `blocking-write-and-flush`.
const WRITE_BYTES_MAX: usize = 4096;

/// Never made: no operation of these streams fails.
pub(super) enum IoError {}

/// The input, which is closed.
pub(super) enum InputStream {}

/// An output: one of the two numbers below.
pub(super) enum OutputStream {}

/// Its number is the millisecond since the instance began at which it is ready.
pub(super) enum Pollable {}

/// The output that goes to the log as information.
pub(super) const STDOUT: u32 = 1;

/// The output that goes to the log as warnings.
pub(super) const STDERR: u32 = 2;

/// A pollable that was always ready.
pub(super) const READY: u32 = 0;

#[derive(ComponentType, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[expect(dead_code, reason = "part of the type; no operation of these streams fails")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

/// What an operation on a stream returns.
type Outcome<T> = Result<(Result<T, StreamError>,), Error>;
type Store<'a> = StoreContextMut<'a, Host>;

pub(super) fn define(linker: &mut Linker<Host>) -> Result<(), Error> {
    let mut error = linker.instance(&first_version("wasi:io/error"))?;
    error.resource("error", ResourceType::host::<IoError>(), |_, _| Ok(()))?;
    error.func_wrap("[method]error.to-debug-string", |_: Store<'_>, _: (Resource<IoError>,)| Ok((String::new(),)))?;
    define_poll(linker)?;

    let mut streams = linker.instance(&first_version("wasi:io/streams"))?;
    streams.resource("error", ResourceType::host::<IoError>(), |_, _| Ok(()))?;
    streams.resource("pollable", ResourceType::host::<Pollable>(), |_, _| Ok(()))?;
    streams.resource("input-stream", ResourceType::host::<InputStream>(), |_, _| Ok(()))?;
    for name in ["read", "blocking-read"] {
        let read = |_: Store<'_>, _: (Resource<InputStream>, u64)| -> Outcome<Vec<u8>> { closed() };
        streams.func_wrap(&format!("[method]input-stream.{name}"), read)?;
    }
    for name in ["skip", "blocking-skip"] {
        let skip = |_: Store<'_>, _: (Resource<InputStream>, u64)| -> Outcome<u64> { closed() };
        streams.func_wrap(&format!("[method]input-stream.{name}"), skip)?;
    }
    streams.func_wrap("[method]input-stream.subscribe", |_: Store<'_>, _: (Resource<InputStream>,)| ready())?;

    streams.resource("output-stream", ResourceType::host::<OutputStream>(), |_, _| Ok(()))?;
    streams.func_wrap("[method]output-stream.check-write", |_: Store<'_>, _: (Resource<OutputStream>,)| {
        Ok((Ok::<_, StreamError>(WRITE_BYTES_MAX as u64),))
    })?;
    for name in ["write", "blocking-write-and-flush"] {
        streams.func_wrap(&format!("[method]output-stream.{name}"), write)?;
    }
    for name in ["write-zeroes", "blocking-write-zeroes-and-flush"] {
        streams.func_wrap(&format!("[method]output-stream.{name}"), write_zeroes)?;
    }
    for name in ["flush", "blocking-flush"] {
        let flush = |_: Store<'_>, _: (Resource<OutputStream>,)| -> Outcome<()> { Ok((Ok(()),)) };
        streams.func_wrap(&format!("[method]output-stream.{name}"), flush)?;
    }
    for name in ["splice", "blocking-splice"] {
        let splice =
            |_: Store<'_>, _: (Resource<OutputStream>, Resource<InputStream>, u64)| -> Outcome<u64> { closed() };
        streams.func_wrap(&format!("[method]output-stream.{name}"), splice)?;
    }
    streams.func_wrap("[method]output-stream.subscribe", |_: Store<'_>, _: (Resource<OutputStream>,)| ready())
}

fn define_poll(linker: &mut Linker<Host>) -> Result<(), Error> {
    let mut poll = linker.instance(&first_version("wasi:io/poll"))?;
    poll.resource("pollable", ResourceType::host::<Pollable>(), |_, _| Ok(()))?;
    poll.func_wrap("[method]pollable.ready", |store: Store<'_>, (pollable,): (Resource<Pollable>,)| {
        Ok((is_ready(&store, &pollable),))
    })?;
    poll.func_wrap(
        "[method]pollable.block",
        |store: Store<'_>, (pollable,): (Resource<Pollable>,)| {
            if is_ready(&store, &pollable) { Ok(()) } else { Err(would_wait()) }
        },
    )?;
    poll.func_wrap("poll", |store: Store<'_>, (pollables,): (Vec<Resource<Pollable>>,)| {
        let ready = (0..).zip(&pollables).filter(|(_, pollable)| is_ready(&store, pollable));
        let ready: Vec<u32> = ready.map(|(index, _)| index).collect();
        if ready.is_empty() { Err(would_wait()) } else { Ok((ready,)) }
    })
}

/// True once the clock of the instance has reached the pollable's number.
fn is_ready(store: &Store<'_>, pollable: &Resource<Pollable>) -> bool {
    u128::from(pollable.rep()) <= store.data().wasi.started.elapsed().as_millis()
}

fn would_wait() -> Error {
    Error::msg("a plugin may not wait: it would keep the requests of its worker waiting")
}

fn ready() -> Result<(Resource<Pollable>,), Error> {
    Ok((Resource::new_own(READY),))
}

fn closed<T>() -> Outcome<T> {
    Ok((Err(StreamError::Closed),))
}

fn write(mut store: Store<'_>, (stream, bytes): (Resource<OutputStream>, WasmList<u8>)) -> Outcome<()> {
    check_length(bytes.len() as u64)?;
    let bytes = bytes.as_le_slice(&store).to_vec();
    feed(store.data_mut(), &stream, &bytes);
    Ok((Ok(()),))
}

fn write_zeroes(mut store: Store<'_>, (stream, length): (Resource<OutputStream>, u64)) -> Outcome<()> {
    let length = check_length(length)?;
    feed(store.data_mut(), &stream, &[0; WRITE_BYTES_MAX][..length]);
    Ok((Ok(()),))
}

/// A longer write than `check-write` allows is a trap, as in every host.
fn check_length(bytes: u64) -> Result<usize, Error> {
    let length = usize::try_from(bytes).ok().filter(|length| *length <= WRITE_BYTES_MAX);
    length.ok_or_else(|| Error::msg(format!("a write of {bytes} bytes, at most {WRITE_BYTES_MAX}")))
}

fn feed(host: &mut Host, stream: &Resource<OutputStream>, bytes: &[u8]) {
    let Host { wasi, log, .. } = host;
    if stream.rep() == STDERR {
        wasi.stderr.feed(bytes, |line| log.write_error(line));
    } else {
        wasi.stdout.feed(bytes, |line| log.write(Level::Info, line));
    }
}
