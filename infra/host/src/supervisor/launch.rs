//! From a unit to a running child: its paths below the root, its environment, its process group, its output.

use std::collections::BTreeMap;
use std::io::{self, PipeReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::layout::{Layout, ROOT_VARIABLE};
use crate::manifest::ServiceUnit;
use crate::unit;

/// Longest file of `NAME=value` lines.
const ENV_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Starts it, as the leader of a process group of its own. What it prints, on both streams, comes out of the pipe.
pub(super) fn launch(
    unit: &ServiceUnit,
    layout: &Layout,
    environment: &BTreeMap<String, String>,
) -> io::Result<(Child, PipeReader)> {
    let (output, printed) = io::pipe()?;
    let (program, arguments) =
        unit.exec.split_first().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "nothing to run"))?;
    let mut command = Command::new(resolve(layout, program));
    command.args(arguments.iter().map(|argument| resolve(layout, argument)));
    command.env_clear().envs(environment).env(ROOT_VARIABLE, layout.root());
    command.envs(unit.env.iter().map(|(name, value)| (name, resolve(layout, value))));
    if let Some(path) = &unit.env_file {
        command.envs(read_env_file(&below(layout, path))?);
    }
    let folder = unit.folder.as_ref().map_or_else(|| layout.root().to_owned(), |folder| below(layout, folder));
    if !folder.is_dir() {
        // The kernel's word for it would be the same as for a program that is missing.
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no folder {}", folder.display())));
    }
    command.current_dir(folder);
    command.stdin(Stdio::null()).stdout(printed.try_clone()?).stderr(printed);
    command.process_group(0);
    Ok((command.spawn()?, output))
}

/// A word of a unit as this machine understands it: a path of the machine is put below the root, if it is there, or if it
/// could be made there and is nothing that the distribution brings. `/usr/bin/redis-server` stays what it is.
#[must_use]
pub fn resolve(layout: &Layout, word: &str) -> PathBuf {
    let path = Path::new(word);
    if !path.is_absolute() || path.starts_with(layout.root()) {
        return path.to_owned();
    }
    let inside = layout.at(path);
    let could_be_made =
        || !path.exists() && inside.parent().is_some_and(|folder| folder != layout.root() && folder.is_dir());
    if inside.exists() || could_be_made() { inside } else { path.to_owned() }
}

/// A path that can only be one of the machine.
fn below(layout: &Layout, path: &str) -> PathBuf {
    if Path::new(path).starts_with(layout.root()) { path.into() } else { layout.at(path) }
}

/// `NAME=value` lines; none if the file is not there.
fn read_env_file(path: &Path) -> io::Result<BTreeMap<String, String>> {
    use std::io::Read as _;
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(ENV_FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > ENV_FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the environment file is too large"));
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    let pairs = lines.filter_map(|line| line.split_once('='));
    Ok(pairs
        .filter(|(name, _)| unit::is_variable(name))
        .map(|(name, value)| (name.to_owned(), unquoted(value).to_owned()))
        .collect())
}

/// Without the quotes around it, as systemd takes them off.
fn unquoted(value: &str) -> &str {
    let inner = |quote| value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_machine_are_put_below_the_root() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        std::fs::create_dir_all(layout.at("/etc/sluice")).unwrap();
        std::fs::write(layout.at("/etc/sluice/agent.json"), "{}").unwrap();
        let here = |path: &str| layout.at(path);
        assert_eq!(resolve(&layout, "/etc/sluice/agent.json"), here("/etc/sluice/agent.json"));
        assert_eq!(resolve(&layout, "/etc/sluice/to-be-made"), here("/etc/sluice/to-be-made"));
        assert_eq!(resolve(&layout, "/etc/hostname-of-nobody"), here("/etc/hostname-of-nobody"));
        assert_eq!(resolve(&layout, "/bin/sh"), Path::new("/bin/sh"));
        assert_eq!(resolve(&layout, "/nowhere"), Path::new("/nowhere"));
        assert_eq!(resolve(&layout, "--flag"), Path::new("--flag"));
        let inside = here("/etc/sluice/agent.json");
        assert_eq!(resolve(&layout, inside.to_str().unwrap()), inside);
    }

    #[test]
    fn an_environment_file_is_read_as_systemd_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("env");
        assert!(read_env_file(&path).unwrap().is_empty());
        std::fs::write(&path, "# a remark\n\nA=1\n B=\"two words\"\nC='3'\nD=\nnot a line\nBAD NAME=1\n").unwrap();
        let read = read_env_file(&path).unwrap();
        let pairs: Vec<(&str, &str)> = read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("A", "1"), ("B", "two words"), ("C", "3"), ("D", "")]);
    }

    #[test]
    fn an_environment_file_has_a_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("env");
        let length = usize::try_from(ENV_FILE_BYTES_MAX).unwrap();
        std::fs::write(&path, format!("A={}", "x".repeat(length - 2))).unwrap();
        assert_eq!(read_env_file(&path).unwrap()["A"].len(), length - 2);
        std::fs::write(&path, format!("A={}", "x".repeat(length - 1))).unwrap();
        assert!(read_env_file(&path).is_err());
    }
}
