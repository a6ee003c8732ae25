//! The shared data as files of one machine.
//!
//! `message.json`, `recent.txt` (newest first, one path a line) and `images/ID.{image,json}`. Files are replaced
//! whole, never changed in place; who reads before it writes holds the lock beside the data. Work happens on the
//! blocking threads of the runtime. `images` has the image half; `atomic` the replacing and locking.

mod atomic;
mod images;

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use self::atomic::Durability;
use self::images::ImageFolder;
use super::{RECENT_PATHS_MAX, Storage, StorageError};
use crate::clock::now_ms;
use crate::image::{Image, ImageId, ImageSummary};

/// Most that is read of a small file; each is far smaller unless somebody else wrote it.
const SMALL_FILE_BYTES_MAX: u64 = 64 * 1024;

/// `message.json`.
#[derive(Serialize, Deserialize)]
struct StoredMessage {
    text: String,
    /// When it is gone, ms since the Unix epoch.
    expires_ms: u64,
}

/// The folder.
#[derive(Clone)]
pub(super) struct Folder {
    root: PathBuf,
    images: ImageFolder,
}

impl Folder {
    /// Makes the folder where needed and clears what killed processes left behind.
    pub(super) fn open(root: &Path) -> Result<Self, StorageError> {
        let images = ImageFolder::open(root.join("images"))?;
        atomic::sweep_temporaries(root)?;
        Ok(Self { root: root.to_owned(), images })
    }

    /// Runs `work` off the runtime's own threads.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let folder = self.clone();
        tokio::task::spawn_blocking(move || work(&folder)).await?
    }

    fn write_message(&self, message: &StoredMessage) -> Result<(), StorageError> {
        let path = self.root.join("message.json");
        let document = serde_json::to_vec(message).expect("invariant: a string and a number always serialise");
        atomic::replace(&path, &document, Durability::Synced)
    }

    fn read_message(&self) -> Result<Option<String>, StorageError> {
        let path = self.root.join("message.json");
        let Some(document) = atomic::read(&path, SMALL_FILE_BYTES_MAX)? else { return Ok(None) };
        let message: StoredMessage =
            serde_json::from_slice(&document).map_err(|source| StorageError::Damaged { path, source })?;
        Ok((now_ms() < message.expires_ms).then_some(message.text))
    }

    fn prepend_path(&self, newest: &str) -> Result<(), StorageError> {
        let _lock = atomic::lock(&self.root.join("recent.lock"))?;
        let mut lines = self.read_paths()?;
        lines.insert(0, newest.to_owned());
        lines.truncate(RECENT_PATHS_MAX);
        // Written at every request and worth little after a power cut: not synced.
        atomic::replace(&self.root.join("recent.txt"), lines.join("\n").as_bytes(), Durability::Cached)
    }

    fn read_paths(&self) -> Result<Vec<String>, StorageError> {
        let content = atomic::read(&self.root.join("recent.txt"), SMALL_FILE_BYTES_MAX)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&content).lines().take(RECENT_PATHS_MAX).map(str::to_owned).collect())
    }
}

#[async_trait]
impl Storage for Folder {
    async fn set_message(&self, text: &str, lifetime: Duration) -> Result<(), StorageError> {
        let lifetime_ms = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
        let message = StoredMessage { text: text.to_owned(), expires_ms: now_ms().saturating_add(lifetime_ms) };
        self.blocking(move |folder| folder.write_message(&message)).await
    }

    async fn message(&self) -> Result<Option<String>, StorageError> {
        self.blocking(Self::read_message).await
    }

    async fn record_path(&self, path: &str) -> Result<(), StorageError> {
        let path = path.to_owned();
        self.blocking(move |folder| folder.prepend_path(&path)).await
    }

    async fn recent_paths(&self) -> Result<Vec<String>, StorageError> {
        self.blocking(Self::read_paths).await
    }

    async fn put_image(&self, image: &Image) -> Result<(), StorageError> {
        let image = image.clone();
        self.blocking(move |folder| folder.images.put(&image)).await
    }

    async fn newest_images(&self, count: usize) -> Result<Vec<ImageSummary>, StorageError> {
        self.blocking(move |folder| folder.images.newest(count)).await
    }

    async fn image(&self, id: &ImageId) -> Result<Option<Image>, StorageError> {
        let id = id.clone();
        self.blocking(move |folder| folder.images.read(id)).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::storage::contract;

    /// Two handles on one folder, as two processes would have.
    fn open_twice() -> (tempfile::TempDir, Arc<dyn Storage>, Arc<dyn Storage>) {
        let place = tempfile::tempdir().unwrap();
        let first = Arc::new(Folder::open(place.path()).unwrap());
        let second = Arc::new(Folder::open(place.path()).unwrap());
        (place, first, second)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn keeps_the_contract() {
        let (_place, first, second) = open_twice();
        contract::check(first, second).await;
    }

    #[tokio::test]
    async fn a_damaged_message_is_reported_and_replaced() {
        let (place, first, _) = open_twice();
        std::fs::write(place.path().join("message.json"), "{\"text\": \"half").unwrap();
        assert!(matches!(first.message().await, Err(StorageError::Damaged { .. })));
        first.set_message("whole", Duration::from_secs(9)).await.unwrap();
        assert_eq!(first.message().await.unwrap().as_deref(), Some("whole"));
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_made_names_its_path() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Folder::open(file.path()).err().unwrap();
        assert!(error.to_string().contains("cannot make"), "{error}");
    }
}
