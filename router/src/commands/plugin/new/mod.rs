//! `sluice plugin new`: a plugin's crate that builds and tests at once, with the SDK inside.

mod kit;
mod name;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use crate::commands::print;
use crate::terminal::Paint;

/// Arguments of `sluice plugin new`.
#[derive(Debug, clap::Args)]
pub(crate) struct NewArgs {
    /// Name of the plugin, of its crate and of its file: lower-case letters, digits and hyphens.
    #[arg(value_name = "NAME")]
    name: String,
    /// The folder to make [default: NAME].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Writes the crate into a folder of its own, and says what next.
pub(crate) fn new(args: &NewArgs) -> anyhow::Result<ExitCode> {
    name::check(&args.name, kit::has_crate)?;
    let folder = args.dir.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    make(&folder)?;
    for (place, text) in kit::files(&args.name) {
        write(&folder.join(place), &text)?;
    }
    print(&next_steps(&args.name, &folder, Paint::stdout()));
    Ok(ExitCode::SUCCESS)
}

/// Makes the folder, which must be new: nothing of anyone is overwritten.
fn make(folder: &Path) -> anyhow::Result<()> {
    let made = || {
        folder.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::create_dir(folder)
    };
    match made() {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!(
                "{} is there already, and new overwrites nothing\n  hint: `--dir DIR` names another folder",
                folder.display()
            )
        }
        made => made.with_context(|| format!("make the folder {}", folder.display())),
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

fn next_steps(name: &str, folder: &Path, paint: Paint) -> String {
    let shown = folder.display();
    let mut lines = vec![
        format!("{} {shown}, a plugin that greets; its SDK is in {shown}/sdk", paint.green("written:")),
        paint.bold("next:"),
    ];
    for (command, what) in [
        (format!("cd {shown}"), "src/lib.rs is the plugin, README.md says the rest"),
        ("cargo test".to_owned(), "its unit tests, natively"),
        ("sluice plugin build".to_owned(), "the component"),
        (format!("sluice plugin test {name}.wasm --cases tests.toml"), "the component, as the router runs it"),
        ("sluice plugin build --install EDGE".to_owned(), "EDGE: where a router's sluice.toml is"),
    ] {
        lines.push(format!("  {command:<52} {}", paint.dim(&format!("# {what}"))));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(name: &str, dir: &Path) -> NewArgs {
        NewArgs { name: name.to_owned(), dir: Some(dir.to_owned()) }
    }

    #[test]
    fn a_crate_is_written_into_a_new_folder_only() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("deep/hello");
        new(&args("hello", &dir)).unwrap();
        for place in
            ["Cargo.toml", "Cargo.lock", "src/lib.rs", "tests.toml", "README.md", ".gitignore", "sdk/README.md"]
        {
            assert!(dir.join(place).is_file(), "{place}");
        }
        fs::write(dir.join("src/lib.rs"), "mine").unwrap();
        let refused = new(&args("hello", &dir)).unwrap_err().to_string();
        assert!(refused.contains("is there already") && refused.contains("--dir"), "{refused}");
        assert_eq!(fs::read_to_string(dir.join("src/lib.rs")).unwrap(), "mine");
    }

    #[test]
    fn a_bad_name_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("x");
        assert!(new(&args("Hello", &dir)).unwrap_err().to_string().contains("`hello`"));
        assert!(!dir.exists());
    }
}
