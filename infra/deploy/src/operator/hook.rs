//! Making a commit start a deploy: `post-commit` in a work tree, `post-receive` in a bare repository that people push to.
//!
//! A hook is one line for each app of the repository. A hook that somebody else wrote is not touched.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{DeployError, Source, file};

/// First of a hook of ours: what follows may be changed by us.
const MARK: &str = "# Made by `sluice-infra deploy init`; one line for each app.";
/// In a bare repository each line gets what git said, which can be read once.
const READ_UPDATES: &str = "updates=$(cat)";
const MODE: u32 = 0o755;

/// What a hook is to start.
#[derive(Clone, Copy, Debug)]
pub struct HookSettings<'a> {
    /// This program.
    pub program: &'a Path,
    /// `infra.toml`.
    pub file: &'a Path,
    /// The app.
    pub app: &'a str,
}

/// What became of a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Installed {
    /// It is there now.
    New(PathBuf),
    /// It was there.
    Already(PathBuf),
    /// Somebody else's is there; this line would do it.
    Foreign {
        /// Where.
        hook: PathBuf,
        /// What to add to it.
        line: String,
    },
}

/// Installs the hook for an app whose sources are there.
///
/// # Errors
/// If it cannot be read or written.
pub async fn install(source: &Source, settings: HookSettings<'_>) -> Result<Installed, DeployError> {
    let name = if source.is_bare() { "hooks/post-receive" } else { "hooks/post-commit" };
    let hook = source.git().text(&["rev-parse", "--path-format=absolute", "--git-path", name]).await?;
    let line = line(source, settings);
    write(Path::new(&hook), &line, source.is_bare()).map_err(|error| file(format!("install {hook}"), error))
}

/// What the hook runs for an app. That it fails is shown, and stops nobody: the commit is made.
fn line(source: &Source, settings: HookSettings<'_>) -> String {
    let HookSettings { program, file, app } = settings;
    let path = |path: &Path| quoted(&path.display().to_string());
    let mut line = format!("{} --file {} deploy hook {}", path(program), path(file), quoted(app));
    if !source.folder().is_empty() {
        line.push_str(&format!(" --folder {}", quoted(source.folder())));
    }
    if source.is_bare() { format!("printf '%s\\n' \"$updates\" | {line} --pushed") } else { line }
}

fn write(hook: &Path, line: &str, is_bare: bool) -> io::Result<Installed> {
    let text = match fs::read_to_string(hook) {
        Ok(text) if text.lines().any(|known| known == line) => return Ok(Installed::Already(hook.to_owned())),
        Ok(text) if !text.contains(MARK) => {
            return Ok(Installed::Foreign { hook: hook.to_owned(), line: line.to_owned() });
        }
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => begin(is_bare),
        Err(error) => return Err(error),
    };
    let folder = hook.parent().unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(folder)?;
    let mut beside = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut beside, format!("{text}{line}\n").as_bytes())?;
    beside.as_file().set_permissions(fs::Permissions::from_mode(MODE))?;
    beside.persist(hook)?;
    Ok(Installed::New(hook.to_owned()))
}

fn begin(is_bare: bool) -> String {
    let updates = if is_bare { format!("{READ_UPDATES}\n") } else { String::new() };
    format!("#!/bin/sh\n{MARK}\n{updates}")
}

/// A word, as the shell reads it again (POSIX, Shell Command Language 2.2.2).
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Of what git tells a post-receive hook, the old and the new commit of this branch; `None` = it was not pushed, or removed.
#[must_use]
pub fn pushed<'t>(updates: &'t str, branch: &str) -> Option<(&'t str, &'t str)> {
    let reference = format!("refs/heads/{branch}");
    let words = updates.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    words.filter_map(|words| <[&str; 3]>::try_from(words).ok()).find_map(|[old, new, name]| {
        let is_there = new.bytes().any(|digit| digit != b'0');
        (name == reference && is_there).then_some((old, new))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_of_somebody_else_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let hook = folder.path().join("hooks/post-commit");
        fs::create_dir(folder.path().join("hooks")).unwrap();
        fs::write(&hook, "#!/bin/sh\necho mine\n").unwrap();
        let foreign = write(&hook, "deploy", false).unwrap();
        assert_eq!(foreign, Installed::Foreign { hook: hook.clone(), line: "deploy".into() });
        assert_eq!(fs::read_to_string(&hook).unwrap(), "#!/bin/sh\necho mine\n");
        fs::write(&hook, "#!/bin/sh\necho mine\ndeploy\n").unwrap();
        assert_eq!(write(&hook, "deploy", false).unwrap(), Installed::Already(hook), "its owner added the line");
    }

    #[test]
    fn a_hook_of_ours_takes_one_line_for_each_app() {
        let folder = tempfile::tempdir().unwrap();
        let hook = folder.path().join("hooks/post-receive");
        for line in ["deploy a", "deploy b", "deploy a"] {
            write(&hook, line, true).unwrap();
        }
        let text = fs::read_to_string(&hook).unwrap();
        assert_eq!(text, format!("#!/bin/sh\n{MARK}\n{READ_UPDATES}\ndeploy a\ndeploy b\n"));
        assert_eq!(fs::metadata(&hook).unwrap().permissions().mode() & 0o777, MODE);
    }

    #[test]
    fn only_the_branch_that_is_deployed_counts() {
        let zero = "0".repeat(40);
        let updates = format!("1 2 refs/heads/topic\n3 4 refs/heads/main\n5 {zero} refs/heads/gone\n");
        assert_eq!(pushed(&updates, "main"), Some(("3", "4")));
        assert_eq!(pushed(&updates, "gone"), None);
        assert_eq!(pushed(&updates, "other"), None);
    }
}
