//! `wasi:random`: all of it from the generator of the process, which is fit for secrets.

use wasmtime::component::Linker;
use wasmtime::{Error, StoreContextMut};

use super::{INSECURE_SEED, first_version};
use crate::host::Host;

/// Bytes of one call. Keys and seeds have some dozens; a runtime that wants more asks again.
pub(super) const RANDOM_BYTES_MAX: u64 = 64 * 1024;

type Store<'a> = StoreContextMut<'a, Host>;

pub(super) fn define(linker: &mut Linker<Host>) -> Result<(), Error> {
    for (interface, bytes, number) in [
        ("wasi:random/random", "get-random-bytes", "get-random-u64"),
        ("wasi:random/insecure", "get-insecure-random-bytes", "get-insecure-random-u64"),
    ] {
        let mut interface = linker.instance(&first_version(interface))?;
        interface.func_wrap(bytes, random_bytes)?;
        interface.func_wrap(number, |_: Store<'_>, (): ()| Ok((rand::random::<u64>(),)))?;
    }
    let mut seed = linker.instance(&first_version(INSECURE_SEED))?;
    seed.func_wrap("insecure-seed", |_: Store<'_>, (): ()| Ok((rand::random::<(u64, u64)>(),)))
}

fn random_bytes(_: Store<'_>, (length,): (u64,)) -> Result<(Vec<u8>,), Error> {
    let length = usize::try_from(length.min(RANDOM_BYTES_MAX + 1)).unwrap_or(usize::MAX);
    if length as u64 > RANDOM_BYTES_MAX {
        return Err(Error::msg(format!("more than {RANDOM_BYTES_MAX} random bytes at once")));
    }
    let mut bytes = vec![0; length];
    rand::fill(&mut bytes[..]);
    Ok((bytes,))
}
