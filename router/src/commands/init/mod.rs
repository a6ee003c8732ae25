//! `sluice init`: a commented start that `sluice check` takes, for an operator to edit.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use super::print;
use crate::terminal::Paint;

/// What is written, by place in the folder.
const FILES: [(&str, &str); 3] = [
    ("sluice.toml", include_str!("sluice.toml")),
    ("routes.d/app.toml", include_str!("app.toml")),
    ("plugins.d/README", include_str!("plugins.txt")),
];

/// Arguments of `sluice init`.
#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// Where to write; made if it is not there.
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
}

/// Writes the start, or nothing at all if any of its files is there.
pub(crate) fn init(args: &InitArgs) -> anyhow::Result<ExitCode> {
    let folder = &args.folder;
    let places = FILES.iter().map(|(name, _)| folder.join(name));
    let there: Vec<String> = places.filter(|path| path.exists()).map(|path| path.display().to_string()).collect();
    if !there.is_empty() {
        bail!("{} is there already, and init overwrites nothing\n  hint: name another folder", there.join(", "));
    }
    for (name, text) in FILES {
        write(&folder.join(name), text)?;
    }
    print(&next_steps(folder, Paint::stdout()));
    Ok(ExitCode::SUCCESS)
}

/// Writes a new file; one that comes into being meanwhile is not overwritten either.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
    }
    let opened = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{} is there already, and init overwrites nothing", path.display())
        }
        Err(error) => return Err(error).with_context(|| format!("write {}", path.display())),
    };
    file.write_all(text.as_bytes()).with_context(|| format!("write {}", path.display()))
}

fn next_steps(folder: &Path, paint: Paint) -> String {
    let folder = folder.display();
    let mut lines = vec![paint.green("written:")];
    lines.extend(FILES.iter().map(|(name, _)| format!("  {folder}/{name}")));
    lines.push(paint.bold("next:"));
    for (command, what) in [
        (format!("$EDITOR {folder}/routes.d/app.toml"), "name your servers"),
        (format!("sluice check {folder}"), "every fault at once, and the policy's own tests"),
        (format!("sluice explain GET http://example.org/ {folder}"), "what becomes of a request, and why"),
        (format!("sluice run --config {folder}/sluice.toml"), "edits are live while it runs"),
    ] {
        lines.push(format!("  {command:<50} {}", paint.dim(&format!("# {what}"))));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_where_anything_is_there() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("routes.d")).unwrap();
        std::fs::write(folder.path().join("routes.d/app.toml"), "mine").unwrap();
        let refused = init(&InitArgs { folder: folder.path().to_owned() }).unwrap_err();
        assert!(refused.to_string().contains("routes.d/app.toml is there already"), "{refused}");
        assert!(!folder.path().join("sluice.toml").exists());
        assert_eq!(std::fs::read_to_string(folder.path().join("routes.d/app.toml")).unwrap(), "mine");
    }
}
