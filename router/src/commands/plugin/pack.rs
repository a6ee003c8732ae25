//! `sluice plugin pack`: the static manifest into a component that was not made by the Rust SDK.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use sluice_plugin_build::{AppendError, append_manifest, replace};
use sluice_wasm::Manifest;

use crate::commands::print;

/// Arguments of `sluice plugin pack`.
#[derive(Debug, clap::Args)]
pub(crate) struct PackArgs {
    /// The component.
    #[arg(value_name = "COMPONENT")]
    component: PathBuf,
    /// The manifest, as JSON.
    #[arg(long, value_name = "FILE")]
    manifest: PathBuf,
    /// Where the plugin goes [default: NAME.wasm, after the name in the manifest].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Checks, appends, writes, and prints where the plugin is.
pub(crate) fn pack(args: &PackArgs) -> anyhow::Result<ExitCode> {
    let PackArgs { component, manifest, output } = args;
    let read = |path: &PathBuf| std::fs::read(path).with_context(|| format!("read {}", path.display()));
    let text = read(manifest)?;
    let parsed = Manifest::parse(&text).with_context(|| format!("read the manifest {}", manifest.display()))?;
    let packed = append_manifest(&read(component)?, &text)
        .map_err(|error| anyhow!("{}: {error}\n  hint: {}", component.display(), hint(&error)))?;
    let output = output.clone().unwrap_or_else(|| PathBuf::from(format!("{}.wasm", parsed.name)));
    replace(&output, &packed)?;
    print(&output.display().to_string());
    Ok(ExitCode::SUCCESS)
}

fn hint(error: &AppendError) -> &'static str {
    match error {
        AppendError::Damaged(_) => "a component is a WebAssembly file that begins with `\\0asm`; is it whole?",
        AppendError::Module => "your language's tools have a last step that makes a component of the module",
        AppendError::Present => "pack what your tools made, not what was packed before; the Rust SDK packs by itself",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The preamble of a component, version 13, and nothing in it.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    fn try_pack(component: &[u8], manifest: &str) -> anyhow::Result<Vec<u8>> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("component"), component)?;
        std::fs::write(at("manifest.json"), manifest)?;
        let output = Some(at("out.wasm"));
        pack(&PackArgs { component: at("component"), manifest: at("manifest.json"), output })?;
        Ok(std::fs::read(at("out.wasm"))?)
    }

    #[test]
    fn a_manifest_is_checked_as_the_router_does() {
        let good = r#"{"name":"a","version":"1","contract":"0.1"}"#;
        let packed = try_pack(EMPTY, good).unwrap();
        assert!(packed.ends_with(good.as_bytes()));
        let twice = format!("{:#}", try_pack(&packed, good).unwrap_err());
        assert!(twice.contains("it has a manifest already") && twice.contains("hint"), "{twice}");
        let misspelt = format!("{:#}", try_pack(EMPTY, &good.replace("version", "versoin")).unwrap_err());
        assert!(misspelt.contains("`versoin`") && misspelt.contains("manifest.json"), "{misspelt}");
        let other = format!("{:#}", try_pack(EMPTY, &good.replace("0.1", "9.9")).unwrap_err());
        assert!(other.contains("9.9"), "{other}");
        let module = format!("{:#}", try_pack(b"\0asm\x01\0\0\0", good).unwrap_err());
        assert!(module.contains("core module"), "{module}");
    }
}
