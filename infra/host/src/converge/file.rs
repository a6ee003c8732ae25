//! A whole file: its content, owner and permissions. Replaced in one step, so that a reader sees the old one or the new.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::folder::standing;
use super::machine::Machine;
use super::report::{Difference, Fault};
use super::{Converge, diff};
use crate::layout::Layout;
use crate::manifest::{Content, Manifest, Resource};
use crate::remote::sha256_of;

/// Everyone may read it: only then its lines may be shown.
const READ_BY_ALL: u32 = 0o004;
/// Most of a file that is compared line by line; longer ones differ as a whole.
const COMPARED_BYTES_MAX: u64 = 1024 * 1024;
/// Bytes of a blob copied at a time.
const CHUNK_BYTES: usize = 128 * 1024;
/// Digits of a digest that are shown.
const DIGEST_SHOWN: usize = 12;

pub(super) struct WholeFile<'r> {
    pub(super) path: &'r str,
    pub(super) content: &'r Content,
    pub(super) owner: &'r str,
    pub(super) mode: u32,
}

#[async_trait]
impl Converge for WholeFile<'_> {
    fn shown(&self) -> String {
        format!("file {}", self.path)
    }

    fn path(&self) -> Option<&str> {
        Some(self.path)
    }

    async fn check(&self, machine: &Machine<'_>) -> Result<Option<Difference>, Fault> {
        let at = machine.layout.at(self.path);
        let failed = |source| Fault::File { doing: format!("read {}", self.path), source };
        let found = match fs::symlink_metadata(&at) {
            Ok(found) => found,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Some(Difference::create(self.size()).with(self.shown_diff("", true))));
            }
            Err(source) => return Err(failed(source)),
        };
        if found.is_dir() {
            return Err(Fault::InTheWay { path: self.path.to_owned(), found: "a folder", wanted: "a file" });
        }
        if !found.is_file() {
            return Ok(Some(Difference::change("is a link or special file")));
        }
        let old = match self.content {
            Content::Blob(wanted) => {
                let digest = sha256_of(&at).map_err(failed)?;
                if digest != *wanted {
                    let summary = format!("{} -> {}", &digest[..DIGEST_SHOWN], &wanted[..DIGEST_SHOWN]);
                    return Ok(Some(Difference::change(summary)));
                }
                None
            }
            Content::Text(text) | Content::Secret(text) => {
                let mut old = Vec::new();
                let file = fs::File::open(&at).map_err(failed)?;
                file.take(COMPARED_BYTES_MAX + 1).read_to_end(&mut old).map_err(failed)?;
                (old != text.as_bytes()).then_some(old)
            }
        };
        if let Some(old) = old {
            let open = found.permissions().mode() & READ_BY_ALL != 0;
            let diff = self.shown_diff(&String::from_utf8_lossy(&old), open);
            return Ok(Some(
                Difference::change(if diff.is_empty() { "content (not shown)" } else { "content" }).with(diff),
            ));
        }
        Ok(standing(&found, self.mode, machine.ids_of(self.owner).unwrap_or(Some((u32::MAX, u32::MAX)))))
    }

    async fn apply(&self, machine: &Machine<'_>) -> Result<(), Fault> {
        let at = machine.layout.at(self.path);
        let failed = |source| Fault::File { doing: format!("write {}", self.path), source };
        let folder = at.parent().unwrap_or_else(|| machine.layout.root());
        fs::create_dir_all(folder).map_err(failed)?;
        // Mode 0600 until it is whole.
        let mut fresh = tempfile::Builder::new().prefix(".sluice-").tempfile_in(folder).map_err(failed)?;
        match self.content {
            Content::Text(text) | Content::Secret(text) => fresh.write_all(text.as_bytes()).map_err(failed)?,
            Content::Blob(digest) => copy_blob(machine.layout, digest, &mut fresh)?,
        }
        if let Some((user, group)) = machine.ids_of(self.owner)? {
            std::os::unix::fs::fchown(fresh.as_file(), Some(user), Some(group)).map_err(failed)?;
        }
        fresh.as_file().set_permissions(fs::Permissions::from_mode(self.mode)).map_err(failed)?;
        fresh.as_file().sync_all().map_err(failed)?;
        fresh.persist(&at).map_err(|error| failed(error.error))?;
        fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }
}

impl WholeFile<'_> {
    fn size(&self) -> String {
        match self.content {
            Content::Text(text) => format!("{} bytes, mode {:o}", text.len(), self.mode),
            Content::Secret(_) => format!("a secret, mode {:o}", self.mode),
            Content::Blob(digest) => format!("{}, mode {:o}", &digest[..DIGEST_SHOWN], self.mode),
        }
    }

    /// Lines of what everyone may read, before and after. What only some may read may hold a secret, whatever it is called.
    fn shown_diff(&self, old: &str, open: bool) -> String {
        match self.content {
            Content::Text(text) if open && self.mode & READ_BY_ALL != 0 => diff::unified(self.path, old, text),
            _ => String::new(),
        }
    }
}

/// Copies a blob and makes sure that it is what its name says; a damaged one is removed, so that it is sent anew.
fn copy_blob(layout: &Layout, digest: &str, fresh: &mut NamedTempFile) -> Result<(), Fault> {
    let blob = layout.blobs().join(digest);
    let lost = |state| Fault::Blob { digest: digest.to_owned(), state };
    let failed = |source| Fault::File { doing: format!("copy the blob {digest}"), source };
    let mut source = fs::File::open(&blob).map_err(|_absent| lost("not on this machine"))?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = source.read(&mut chunk).map_err(failed)?;
        if count == 0 {
            break;
        }
        hash.update(&chunk[..count]);
        fresh.write_all(&chunk[..count]).map_err(failed)?;
    }
    let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if found == digest {
        return Ok(());
    }
    fs::remove_file(&blob).map_err(failed)?;
    Err(lost("damaged, and was removed"))
}

/// Removes blobs that no resource names any more: programs of older versions.
pub(super) fn forget_blobs(layout: &Layout, manifest: &Manifest) {
    let named = |name: &str| {
        let digest = |resource: &Resource| matches!(resource, Resource::File { content: Content::Blob(digest), .. } if digest == name);
        manifest.resources.iter().any(digest)
    };
    for entry in fs::read_dir(layout.blobs()).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| !named(name)) {
            forget(&entry.path());
        }
    }
}

/// Disk space is all that is lost if it stays.
fn forget(blob: &Path) {
    if let Err(error) = fs::remove_file(blob) {
        tracing::warn!(blob = %blob.display(), %error, "an old blob stays");
    }
}
