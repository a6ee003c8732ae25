//! The folder of the story: the operator's files as `sluice-infra init` writes them, and a developer's repository with the
//! sources of `meow` in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use sluice_plugin_build::process;
use tempfile::TempDir;

use super::tool::git;
use crate::workspace::Workspace;

/// The fleet, as a file that one can read.
const INFRA: &str = include_str!("../../../app/demo/fleet/infra.toml");
/// The members of the workspace, as its manifest lists them.
const MEMBERS: (&str, &str) = ("members = [", "]\n");

/// The folder of the story.
pub(super) struct Site {
    folder: TempDir,
}

impl Site {
    /// An empty folder.
    pub(super) fn create() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("sluice-fleet-").tempdir().context("create a temporary folder")?;
        fs::create_dir(folder.path().join("logs")).context("create the folder of logs")?;
        Ok(Self { folder })
    }

    /// The operator's file.
    pub(super) fn infra(&self) -> PathBuf {
        self.folder.path().join("ops/infra.toml")
    }

    /// The developer's repository.
    pub(super) fn repository(&self) -> PathBuf {
        self.folder.path().join("meow")
    }

    /// Logs of what runs beside the fleet.
    pub(super) fn logs(&self) -> PathBuf {
        self.folder.path().join("logs")
    }

    /// Copies of our programs without their debug information, which need not travel to each machine; their folder.
    pub(super) fn take_programs(&self, workspace: &Workspace, names: &[&str]) -> Result<PathBuf> {
        let folder = self.folder.path().join("bin");
        fs::create_dir(&folder).context("create the folder of programs")?;
        for name in names {
            let (from, to) = (workspace.program(name), folder.join(name));
            if !process::succeeds(Command::new("strip").arg("-o").arg(&to).arg(&from)) {
                fs::copy(&from, &to).with_context(|| format!("copy {}", from.display()))?;
            }
        }
        Ok(folder)
    }

    /// Puts the fleet of the story in the place of the one that `init` wrote.
    pub(super) fn write_infra(&self, workspace: &Workspace, fleet: &str) -> Result<()> {
        let target = workspace.target_folder().join("fleet");
        let target = target.to_str().context("the path of the target folder is text")?;
        ensure!(
            !target.contains(['"', '\\', ' ']),
            "the path of the target folder cannot stand in a command: {target}"
        );
        let text = INFRA.replace("@FLEET@", fleet).replace("@TARGET@", target);
        fs::write(self.infra(), text).context("write infra.toml")
    }

    /// Has alerts told at this sink, and its certificate trusted.
    pub(super) fn add_sink(&self, sink: &str, certificate: &Path) -> Result<()> {
        let router = self.folder.path().join("ops/router");
        let process = router.join("sluice.toml");
        let text = fs::read_to_string(&process).context("read the routers' sluice.toml")?;
        fs::write(&process, text + sink).context("write the routers' sluice.toml")?;
        let name = certificate.file_name().context("a certificate is a file")?;
        fs::copy(certificate, router.join(name)).context("copy the certificate of the mail server")?;
        Ok(())
    }

    /// A repository of `meow` alone: its sources, and what it takes from the workspace.
    pub(super) fn write_repository(&self, workspace: &Workspace) -> Result<()> {
        let (root, repository) = (workspace.root(), self.repository());
        fs::create_dir_all(&repository).context("create the repository")?;
        let manifest = fs::read_to_string(root.join("Cargo.toml")).context("read the workspace's manifest")?;
        fs::write(repository.join("Cargo.toml"), alone(&manifest)?).context("write the repository's manifest")?;
        for file in ["Cargo.lock", "clippy.toml", "rustfmt.toml"].map(|name| root.join(name)) {
            if let Some(name) = file.file_name().filter(|_| file.is_file()) {
                fs::copy(&file, repository.join(name)).with_context(|| format!("copy {}", file.display()))?;
            }
        }
        copy_folder(&root.join("app"), &repository.join("app"))?;
        fs::write(repository.join(".gitignore"), "/target\n/bin\n").context("write .gitignore")?;
        // Of the lock file, only what meow needs is left; nothing is fetched for that.
        let mut cargo = process::cargo();
        cargo.current_dir(&repository).args(["metadata", "--offline", "--quiet", "--format-version", "1"]);
        let output = cargo.output().context("lock the dependencies of meow")?;
        ensure!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
        git(&repository, &["init", "--quiet", "--initial-branch=main"])?;
        git(&repository, &["add", "."])
    }

    /// A change that everybody sees: the next release.
    pub(super) fn change(&self, line: &str) -> Result<()> {
        let file = self.repository().join("app/README.md");
        let text = fs::read_to_string(&file).context("read the app's README")?;
        fs::write(&file, format!("{text}\n{line}\n")).context("write the app's README")?;
        git(&self.repository(), &["add", "."])
    }

    /// A change that breaks a unit test.
    pub(super) fn break_a_test(&self) -> Result<()> {
        let file = self.repository().join("app/src/release.rs");
        let text = fs::read_to_string(&file).context("read the app's releases")?;
        let broken = format!(
            "{text}\n#[cfg(test)]\nmod broken {{\n    #[test]\n    fn cats_bark() {{\n        assert_eq!(\"meow\", \"woof\");\n    }}\n}}\n"
        );
        fs::write(&file, broken).context("write the app's releases")?;
        git(&self.repository(), &["add", "."])
    }

    /// Takes the last commit back.
    pub(super) fn undo(&self) -> Result<()> {
        git(&self.repository(), &["reset", "--quiet", "--hard", "HEAD~1"])
    }

    /// Removes it with all that is in it.
    pub(super) fn remove(self) -> Result<()> {
        self.folder.close().context("remove the temporary folder")
    }
}

/// The manifest of a workspace whose only member is the app.
fn alone(manifest: &str) -> Result<String> {
    let (before, rest) = manifest.split_once(MEMBERS.0).context("the manifest lists its members")?;
    let (_, after) = rest.split_once(MEMBERS.1).context("the list of members ends")?;
    Ok(format!("{before}members = [\"app\"]\n{after}"))
}

/// Copies the files that git knows of a folder, or all of them where there is no repository.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    process::run(Command::new("cp").arg("-R").arg(from).arg(to)).with_context(|| format!("copy {}", from.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_app_stands_alone_with_what_it_takes_from_the_workspace() {
        let manifest =
            "[workspace]\nresolver = \"3\"\nmembers = [\n    \"xtask\",\n    \"app\",\n]\n\n[workspace.package]\n";
        let expected = "[workspace]\nresolver = \"3\"\nmembers = [\"app\"]\n\n[workspace.package]\n";
        assert_eq!(alone(manifest).unwrap(), expected);
        assert!(alone("[package]").is_err());
    }
}
