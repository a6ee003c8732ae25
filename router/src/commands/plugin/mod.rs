//! `sluice plugin`: from an empty folder to a plugin that serves, and back. One file per subcommand: its arguments, and what
//! it prints.

mod build;
mod new;
mod pack;

use std::process::ExitCode;

use clap::Subcommand;

/// What of plugins.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Write a plugin's crate that builds and tests at once. Overwrites nothing.
    ///
    /// The SDK is inside, so nothing but a Rust toolchain is needed. The plugin is a small example to edit: configuration,
    /// field, flag, response, edit, unit tests.
    #[command(after_help = "\
Examples:
  sluice plugin new hello && cd hello && sluice plugin build
  sluice plugin new hello --dir plugins/hello")]
    New(new::NewArgs),
    /// Test a plugin natively and build it: NAME.wasm, replaced in one step and only if it changed.
    ///
    /// Needs a Rust toolchain; the standard library of wasm32-unknown-unknown is looked for in it, asked of rustup, or
    /// built by Debian's own compiler, whatever works first. Prints the path of each file on stdout, the rest on stderr.
    #[command(after_help = "\
Examples:
  sluice plugin build                       the crate you stand in
  sluice plugin build hello --install edge  a running router of that folder has it at once
  sluice plugin build --no-test --out dist")]
    Build(build::BuildArgs),
    /// Write the static manifest into a component that another language's tools made.
    ///
    /// The manifest is JSON: {\"name\",\"version\",\"contract\",\"needs\"}, as the head of plugin.wit has it. It is checked by the
    /// reader that the router uses.
    #[command(after_help = "\
Examples:
  sluice plugin pack component.wasm --manifest manifest.json
  sluice plugin pack component.wasm --manifest manifest.json -o plugins.d/hello.wasm")]
    Pack(pack::PackArgs),
}

/// Does it.
pub(crate) fn plugin(command: &PluginCommand) -> anyhow::Result<ExitCode> {
    match command {
        PluginCommand::New(args) => new::new(args),
        PluginCommand::Build(args) => build::build(args),
        PluginCommand::Pack(args) => pack::pack(args),
    }
}
