//! The files of a release, on this machine: `releases/COMMIT`, whole or not at all.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::statvfs;

use super::receive::{Refusal, Release};
use super::tree::Files;
use super::{Droplet, DropletError, file};
use crate::note::is_commit;

/// What a small file takes of a disk, at the most.
const BLOCK_BYTES: u64 = 4_096;
/// What must stay free: logs and Redis share the disk.
const MARGIN_BYTES: u64 = 64 * 1024 * 1024;
const MIB: u64 = 1024 * 1024;
/// Beside each release: the tree that it was unpacked from.
const TREE_EXTENSION: &str = "tree";

/// Refuses what would fill the disk.
pub(super) fn check_space(folder: &Path, files: &Files) -> Result<(), DropletError> {
    fs::create_dir_all(folder).map_err(|source| file("make the folder of releases", source))?;
    let disk = statvfs(folder).map_err(|source| file("look how much space is left", source.into()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    check_free(free, files)
}

fn check_free(free: u64, files: &Files) -> Result<(), DropletError> {
    let blocks = u64::try_from(files.count).unwrap_or(u64::MAX).saturating_mul(BLOCK_BYTES);
    let needed = files.bytes.saturating_add(blocks).saturating_add(MARGIN_BYTES);
    if free >= needed {
        return Ok(());
    }
    Err(Refusal::Space { free_mib: free / MIB, needed_mib: needed.div_ceil(MIB) }.into())
}

impl Droplet {
    /// Puts the files of a release there, unless they are there already. A failure leaves nothing.
    pub(super) async fn unpack(&self, release: &Release) -> Result<PathBuf, DropletError> {
        let releases = self.layout.releases(&self.app.name);
        let (folder, mark) = (releases.join(&release.source), mark(&releases, &release.source));
        let is_there = fs::read_to_string(&mark).is_ok_and(|tree| tree == release.tree) && folder.is_dir();
        if is_there {
            touch(&folder).map_err(|source| file("date the release", source))?;
            return Ok(folder);
        }
        if self.releases()?.running.iter().any(|running| running.commit == release.source) {
            return Err(DropletError::NoRelease(format!(
                "{} runs here already, with other files; commit anew, then deploy that",
                crate::short(&release.source)
            )));
        }
        fs::create_dir_all(&releases).map_err(|source| file("make the folder of releases", source))?;
        let beside = tempfile::Builder::new().prefix(".new-").tempdir_in(&releases);
        let beside = beside.map_err(|source| file("make a folder for the release", source))?;
        let files = beside.path().join("files");
        fs::create_dir(&files).map_err(|source| file("make a folder for the release", source))?;
        let git = self.repository().with("GIT_INDEX_FILE", beside.path().join("index"));
        git.text(&["read-tree", &release.tree]).await?;
        let work_tree = git.with("GIT_WORK_TREE", &files).with("GIT_DIR", self.layout.repository(&self.app.name));
        work_tree.text(&["checkout-index", "--all", "--quiet"]).await?;
        put(&files, &folder, &mark, &release.tree).map_err(|source| file("put the release into its place", source))?;
        Ok(folder)
    }

    /// Removes what is neither kept nor needed, oldest first.
    pub(super) fn prune(&self) -> Result<(), DropletError> {
        let state = self.releases()?;
        let running = state.running.iter().map(|running| running.commit.clone());
        let needed: BTreeSet<String> = running.chain(state.current).chain(state.previous).collect();
        let folder = self.layout.releases(&self.app.name);
        let keep = usize::try_from(self.app.keep_releases).unwrap_or(usize::MAX);
        prune(&folder, &needed, keep).map_err(|source| file("remove old releases", source))
    }

    /// Releases whose files are here, newest first.
    pub(super) fn unpacked(&self) -> Result<Vec<String>, DropletError> {
        let found = unpacked(&self.layout.releases(&self.app.name));
        let found = found.map_err(|source| file("look at the releases", source))?;
        Ok(found.into_iter().map(|(_, commit)| commit).collect())
    }
}

fn mark(releases: &Path, source: &str) -> PathBuf {
    releases.join(format!("{source}.{TREE_EXTENSION}"))
}

/// The mark is written last: a folder without it is unpacked again.
fn put(files: &Path, folder: &Path, mark: &Path, tree: &str) -> io::Result<()> {
    match fs::remove_file(mark) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _gone => {}
    }
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::rename(files, folder)?;
    touch(folder)?;
    fs::write(mark, tree)
}

/// Its date says when it was last started: that is what is kept longest.
fn touch(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.set_modified(SystemTime::now())
}

fn unpacked(releases: &Path) -> io::Result<Vec<(SystemTime, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(releases)? {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_str().filter(|name| is_commit(name) && mark(releases, name).is_file())
        {
            found.push((entry.metadata()?.modified()?, name.to_owned()));
        }
    }
    found.sort_by(|one, other| other.cmp(one));
    Ok(found)
}

fn prune(releases: &Path, needed: &BTreeSet<String>, keep: usize) -> io::Result<()> {
    let found = unpacked(releases)?;
    let needed_besides = found.iter().skip(keep).filter(|(_, commit)| !needed.contains(commit));
    for (_, commit) in needed_besides {
        fs::remove_file(mark(releases, commit))?;
        fs::remove_dir_all(releases.join(commit))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_disk_is_never_filled() {
        let files = Files { count: 10, bytes: 1_000_000 };
        let needed = 1_000_000 + 10 * BLOCK_BYTES + MARGIN_BYTES;
        check_free(needed, &files).unwrap();
        let refused = check_free(needed - 1, &files).unwrap_err().to_string();
        assert_eq!(refused, "the disk has 64 MiB left, and the release needs 65");
    }

    #[test]
    fn what_runs_and_the_newest_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..5).map(|number| number.to_string().repeat(40)).collect();
        for (age, name) in names.iter().enumerate() {
            let release = folder.path().join(name);
            fs::create_dir(&release).unwrap();
            fs::write(mark(folder.path(), name), "tree").unwrap();
            let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000 - age as u64);
            fs::File::open(&release).unwrap().set_modified(date).unwrap();
        }
        fs::create_dir(folder.path().join(".new-abc")).unwrap();
        prune(folder.path(), &[names[4].clone()].into(), 2).unwrap();
        let left: Vec<String> = unpacked(folder.path()).unwrap().into_iter().map(|(_, name)| name).collect();
        assert_eq!(left, [&names[0], &names[1], &names[4]].map(Clone::clone));
    }

    #[test]
    fn a_release_without_its_mark_is_put_again() {
        let folder = tempfile::tempdir().unwrap();
        let (files, release) = (folder.path().join("new"), folder.path().join("a".repeat(40)));
        fs::create_dir(&files).unwrap();
        fs::write(files.join("x"), "new").unwrap();
        fs::create_dir(&release).unwrap();
        fs::write(release.join("x"), "cut off").unwrap();
        let mark = mark(folder.path(), &"a".repeat(40));
        put(&files, &release, &mark, "tree").unwrap();
        assert_eq!(fs::read_to_string(release.join("x")).unwrap(), "new");
        assert_eq!(fs::read_to_string(mark).unwrap(), "tree");
    }
}
