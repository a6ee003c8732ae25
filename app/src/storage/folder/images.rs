//! Images as pairs of files: `ID.image` is the content, `ID.json` says what it is.
//!
//! The `.json` is written last and removed first, so an image exists exactly while its `.json` does. Writers hold
//! the lock: whatever has no `.json` then was left by a writer that was killed, and goes.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::SMALL_FILE_BYTES_MAX;
use super::atomic::{self, Durability, file_error};
use crate::clock::now_ns;
use crate::image::{IMAGE_BYTES_MAX, Image, ImageId, ImageKind, ImageSummary};
use crate::storage::{IMAGES_MAX, StorageError};

/// `ID.json`.
#[derive(Serialize, Deserialize)]
struct Sidecar {
    kind: ImageKind,
    bytes: u64,
    /// When it was stored, ns since the Unix epoch: the order of images.
    stored_ns: u64,
}

/// The folder `images`.
#[derive(Clone)]
pub(super) struct ImageFolder {
    folder: PathBuf,
}

impl ImageFolder {
    pub(super) fn open(folder: PathBuf) -> Result<Self, StorageError> {
        fs::create_dir_all(&folder).map_err(|source| file_error("make", &folder, source))?;
        atomic::sweep_temporaries(&folder)?;
        Ok(Self { folder })
    }

    pub(super) fn put(&self, image: &Image) -> Result<(), StorageError> {
        let _lock = atomic::lock(&self.folder.join("images.lock"))?;
        let sidecar = Sidecar { kind: image.kind, bytes: image.content.len() as u64, stored_ns: now_ns() };
        let document = serde_json::to_vec(&sidecar).expect("invariant: a word and two numbers always serialise");
        atomic::replace(&self.content_path(&image.id), &image.content, Durability::Synced)?;
        atomic::replace(&self.sidecar_path(&image.id), &document, Durability::Synced)?;
        self.trim()
    }

    pub(super) fn newest(&self, count: usize) -> Result<Vec<ImageSummary>, StorageError> {
        let newest = self.list()?.into_iter().take(count);
        Ok(newest.map(|(id, sidecar)| ImageSummary { id, kind: sidecar.kind, bytes: sidecar.bytes }).collect())
    }

    pub(super) fn read(&self, id: ImageId) -> Result<Option<Image>, StorageError> {
        let Some(sidecar) = read_sidecar(&self.sidecar_path(&id))? else { return Ok(None) };
        let content = atomic::read(&self.content_path(&id), IMAGE_BYTES_MAX as u64)?;
        Ok(content.map(|content| Image { id, kind: sidecar.kind, content: content.into() }))
    }

    /// Drops the oldest images beyond the bound, and content without a `.json`. The caller holds the lock.
    fn trim(&self) -> Result<(), StorageError> {
        let listed = self.list()?;
        for (id, _) in listed.iter().skip(IMAGES_MAX) {
            atomic::remove(&self.sidecar_path(id))?;
        }
        let kept: HashSet<&ImageId> = listed.iter().take(IMAGES_MAX).map(|(id, _)| id).collect();
        for id in self.ids("image")?.iter().filter(|id| !kept.contains(id)) {
            atomic::remove(&self.content_path(id))?;
        }
        Ok(())
    }

    /// Every image, newest first. One that vanishes meanwhile is left out, and so is one with a damaged `.json`.
    fn list(&self) -> Result<Vec<(ImageId, Sidecar)>, StorageError> {
        let mut listed = Vec::new();
        for id in self.ids("json")? {
            match read_sidecar(&self.sidecar_path(&id)) {
                Ok(Some(sidecar)) => listed.push((id, sidecar)),
                Ok(None) => {}
                Err(StorageError::Damaged { path, source }) => {
                    warn!(path = %path.display(), error = %source, "image left out, its description is damaged");
                }
                Err(error) => return Err(error),
            }
        }
        listed.sort_by_key(|(_, sidecar)| std::cmp::Reverse(sidecar.stored_ns));
        Ok(listed)
    }

    /// The ids of all files with this extension.
    fn ids(&self, extension: &str) -> Result<Vec<ImageId>, StorageError> {
        let entries = fs::read_dir(&self.folder).map_err(|source| file_error("list", &self.folder, source))?;
        let mut ids = Vec::new();
        for entry in entries {
            let path = entry.map_err(|source| file_error("list", &self.folder, source))?.path();
            if path.extension().is_some_and(|found| found == extension) {
                let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
                ids.extend(stem.parse::<ImageId>());
            }
        }
        Ok(ids)
    }

    fn content_path(&self, id: &ImageId) -> PathBuf {
        self.folder.join(format!("{id}.image"))
    }

    fn sidecar_path(&self, id: &ImageId) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }
}

fn read_sidecar(path: &Path) -> Result<Option<Sidecar>, StorageError> {
    let Some(document) = atomic::read(path, SMALL_FILE_BYTES_MAX)? else { return Ok(None) };
    let damaged = |source| StorageError::Damaged { path: path.to_owned(), source };
    serde_json::from_slice(&document).map(Some).map_err(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(content: &'static [u8]) -> Image {
        Image { id: ImageId::random(), kind: ImageKind::Gif, content: content.into() }
    }

    #[test]
    fn what_a_killed_writer_left_is_no_image_and_goes_with_the_next_write() {
        let place = tempfile::tempdir().unwrap();
        let images = ImageFolder::open(place.path().join("images")).unwrap();
        let orphan = ImageId::random();
        fs::write(images.content_path(&orphan), "GIF89a").unwrap();
        assert_eq!(images.read(orphan.clone()).unwrap(), None);
        assert_eq!(images.newest(9).unwrap(), []);
        images.put(&image(b"GIF89a")).unwrap();
        assert!(!images.content_path(&orphan).exists());
        assert_eq!(images.newest(9).unwrap().len(), 1);
    }

    #[test]
    fn a_damaged_description_hides_only_its_own_image() {
        let place = tempfile::tempdir().unwrap();
        let images = ImageFolder::open(place.path().join("images")).unwrap();
        let (good, bad) = (image(b"GIF89a good"), image(b"GIF89a bad"));
        images.put(&good).unwrap();
        images.put(&bad).unwrap();
        fs::write(images.sidecar_path(&bad.id), "{").unwrap();
        let listed = images.newest(9).unwrap();
        assert_eq!(listed, [ImageSummary { id: good.id, kind: ImageKind::Gif, bytes: 11 }]);
        assert!(images.read(bad.id).is_err());
    }
}
