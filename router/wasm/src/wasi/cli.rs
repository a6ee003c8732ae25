//! `wasi:cli`: a program without environment, arguments, folder and terminal, whose output is the plugin's log.

use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime::{Error, StoreContextMut};

use super::first_version;
use super::io::{InputStream, OutputStream, STDERR, STDOUT};
use crate::host::Host;

/// Never made: there is no terminal.
enum TerminalInput {}

/// Never made either.
enum TerminalOutput {}

type Store<'a> = StoreContextMut<'a, Host>;

pub(super) fn define(linker: &mut Linker<Host>) -> Result<(), Error> {
    let mut environment = linker.instance(&first_version("wasi:cli/environment"))?;
    environment.func_wrap("get-environment", |_: Store<'_>, (): ()| Ok((Vec::<(String, String)>::new(),)))?;
    environment.func_wrap("get-arguments", |_: Store<'_>, (): ()| Ok((Vec::<String>::new(),)))?;
    environment.func_wrap("initial-cwd", |_: Store<'_>, (): ()| Ok((None::<String>,)))?;

    let mut exit = linker.instance(&first_version("wasi:cli/exit"))?;
    exit.func_wrap("exit", |_: Store<'_>, (status,): (Result<(), ()>,)| {
        let status = if status.is_ok() { "success" } else { "failure" };
        Err::<(), _>(Error::msg(format!("the plugin ended itself by `exit`, with {status}")))
    })?;
    exit.func_wrap("exit-with-code", |_: Store<'_>, (code,): (u8,)| {
        Err::<(), _>(Error::msg(format!("the plugin ended itself by `exit`, with code {code}")))
    })?;
    define_streams(linker)?;
    define_terminals(linker)
}

fn define_streams(linker: &mut Linker<Host>) -> Result<(), Error> {
    let mut stdin = linker.instance(&first_version("wasi:cli/stdin"))?;
    stdin.resource("input-stream", ResourceType::host::<InputStream>(), |_, _| Ok(()))?;
    stdin.func_wrap("get-stdin", |_: Store<'_>, (): ()| Ok((Resource::<InputStream>::new_own(0),)))?;
    for (interface, function, number) in
        [("wasi:cli/stdout", "get-stdout", STDOUT), ("wasi:cli/stderr", "get-stderr", STDERR)]
    {
        let mut output = linker.instance(&first_version(interface))?;
        output.resource("output-stream", ResourceType::host::<OutputStream>(), |_, _| Ok(()))?;
        output.func_wrap(function, move |_: Store<'_>, (): ()| Ok((Resource::<OutputStream>::new_own(number),)))?;
    }
    Ok(())
}

fn define_terminals(linker: &mut Linker<Host>) -> Result<(), Error> {
    let mut input = linker.instance(&first_version("wasi:cli/terminal-input"))?;
    input.resource("terminal-input", ResourceType::host::<TerminalInput>(), |_, _| Ok(()))?;
    let mut output = linker.instance(&first_version("wasi:cli/terminal-output"))?;
    output.resource("terminal-output", ResourceType::host::<TerminalOutput>(), |_, _| Ok(()))?;

    let mut stdin = linker.instance(&first_version("wasi:cli/terminal-stdin"))?;
    stdin.resource("terminal-input", ResourceType::host::<TerminalInput>(), |_, _| Ok(()))?;
    stdin.func_wrap("get-terminal-stdin", |_: Store<'_>, (): ()| Ok((None::<Resource<TerminalInput>>,)))?;
    for (interface, function) in
        [("wasi:cli/terminal-stdout", "get-terminal-stdout"), ("wasi:cli/terminal-stderr", "get-terminal-stderr")]
    {
        let mut output = linker.instance(&first_version(interface))?;
        output.resource("terminal-output", ResourceType::host::<TerminalOutput>(), |_, _| Ok(()))?;
        output.func_wrap(function, |_: Store<'_>, (): ()| Ok((None::<Resource<TerminalOutput>>,)))?;
    }
    Ok(())
}
