//! Build script: puts into the binary what `sluice plugin new` writes out of this repository, so that an author needs
//! nothing but the binary: the SDK, the contract, and the versions of their crates that this very router was built with.
//!
//! What it generates is read by `src/commands/plugin/new/kit.rs`. The SDK stands on no registry, hence the copy. It leaves
//! out one thing, the macro that turns the contract into Rust: that is done here, once, instead of in each new crate, where
//! the macro and the 20 crates behind it would be three quarters of the first build.

#![expect(clippy::print_stdout, reason = "how a build script talks to cargo")]

mod bindings;
mod lock;
mod manifest;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Where the SDK keeps what it makes of the contract.
const BINDINGS: &str = "plugins/sdk/src/bindings.rs";
/// Folders of this repository, and where their files go in a plugin's crate. The SDK finds contract and tutorial where it
/// finds them here: `../wit` and `../README.md` beside its own folder.
const FOLDERS: [(&str, &str); 2] = [("plugins/sdk/src", "sdk/sluice-plugin/src"), ("plugins/wit", "sdk/wit")];
/// Folders below those that only this repository needs.
const LEFT_OUT: [&str; 1] = ["archive"];

fn main() -> Result<()> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let workspace: Table = read("Cargo.toml")?.parse()?;
    let sdk: Table = read("plugins/sdk/Cargo.toml")?.parse()?;
    fs::write(out.join("bindings.rs"), bindings::generate(&place("plugins/wit"), &read(BINDINGS)?)?)?;

    let mut files = vec![("plugins/README.md".to_owned(), "sdk/README.md".to_owned())];
    for (from, to) in FOLDERS {
        list(from, to, &mut files)?;
    }
    files.sort();
    let files: String =
        files.iter().map(|(from, to)| entry(to, &format!("include_str!({:?})", source(from, &out)))).collect();
    let locked = lock::needed_by_the_sdk(&read("Cargo.lock")?.parse()?)?;
    let locked: String = locked.iter().map(|(name, text)| entry(name, &format!("{text:?}"))).collect();
    let generated = format!(
        "const SDK_MANIFEST: &str = {:?};\nconst PROFILE: &str = {:?};\n\
         const FILES: &[(&str, &str)] = &[\n{files}];\nconst LOCKED: &[(&str, &str)] = &[\n{locked}];\n",
        manifest::standalone(sdk, &workspace)?,
        profile(&workspace)?,
    );
    Ok(fs::write(out.join("kit.rs"), generated)?)
}

fn place(in_repository: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(in_repository)
}

/// The file to embed.
fn source(in_repository: &str, out: &Path) -> PathBuf {
    if in_repository == BINDINGS { out.join("bindings.rs") } else { place(in_repository) }
}

fn read(in_repository: &str) -> Result<String> {
    println!("cargo::rerun-if-changed=../{in_repository}");
    let path = place(in_repository);
    fs::read_to_string(&path).map_err(|error| format!("read {}: {error}", path.display()).into())
}

fn entry(name: &str, expression: &str) -> String {
    format!("    ({name:?}, {expression}),\n")
}

/// The files below a folder.
fn list(from: &str, to: &str, files: &mut Vec<(String, String)>) -> Result<()> {
    println!("cargo::rerun-if-changed=../{from}");
    for found in fs::read_dir(place(from))? {
        let found = found?;
        let name = found.file_name().into_string().map_err(|_| "a file name that is no text")?;
        let (from, to) = (format!("{from}/{name}"), format!("{to}/{name}"));
        match found.file_type()?.is_dir() {
            true if !LEFT_OUT.contains(&name.as_str()) => list(&from, &to, files)?,
            false if Path::new(&name).extension().is_some_and(|it| it == "rs" || it == "wit") => files.push((from, to)),
            true | false => {}
        }
    }
    Ok(())
}

/// The cargo profile of plugins.
fn profile(workspace: &Table) -> Result<String> {
    let profile = workspace.get("profile").and_then(|all| all.get("plugin")).ok_or("a profile `plugin`")?;
    let table = |name: &str, value: Value| Value::Table(Table::from_iter([(name.to_owned(), value)]));
    Ok(toml::to_string(&table("profile", table("plugin", profile.clone())))?)
}
