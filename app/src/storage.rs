//! What all meow processes share: one message, the last visited paths, the images.
//!
//! One trait, two implementations that real processes use (`folder`, `redis`); `contract` holds the tests that
//! every implementation passes. Each bound stands here, once, and each implementation keeps it.

mod folder;
mod redis;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod memory;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

use crate::args::DataSource;
use crate::image::{Image, ImageId, ImageSummary};

#[cfg(test)]
pub(crate) use memory::Memory;

/// Paths kept as "recent".
pub(crate) const RECENT_PATHS_MAX: usize = 5;
/// Images kept; the oldest make room.
pub(crate) const IMAGES_MAX: usize = 200;

/// The shared data. Every method may be called by many processes at once.
#[async_trait]
pub(crate) trait Storage: Send + Sync + 'static {
    /// Stores the message; it is gone after `lifetime`.
    async fn set_message(&self, text: &str, lifetime: Duration) -> Result<(), StorageError>;

    /// The message, if one lives.
    async fn message(&self) -> Result<Option<String>, StorageError>;

    /// Puts `path` (one line) in front of the recent paths.
    async fn record_path(&self, path: &str) -> Result<(), StorageError>;

    /// The last visited paths, newest first, at most [`RECENT_PATHS_MAX`].
    async fn recent_paths(&self) -> Result<Vec<String>, StorageError>;

    /// Stores an image and drops the oldest beyond [`IMAGES_MAX`]. On return it is complete and visible to all.
    async fn put_image(&self, image: &Image) -> Result<(), StorageError>;

    /// The newest images, newest first, at most `count`.
    async fn newest_images(&self, count: usize) -> Result<Vec<ImageSummary>, StorageError>;

    /// One image with its content.
    async fn image(&self, id: &ImageId) -> Result<Option<Image>, StorageError>;
}

/// Why the shared data could not be read or written.
#[derive(Debug, Error)]
pub(crate) enum StorageError {
    /// The file system refused.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file does not hold what this program writes.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// Redis refused or is away.
    #[error("redis does not answer as it should")]
    Redis(#[from] ::redis::RedisError),
    /// The program ends while the work waits.
    #[error("work on the data was interrupted")]
    Interrupted(#[from] tokio::task::JoinError),
}

/// Opens the shared data. Redis may be away: requests fail until it answers, then heal.
///
/// # Errors
/// If the folder cannot be made or written.
pub(crate) fn open(source: &DataSource) -> Result<Arc<dyn Storage>, StorageError> {
    Ok(match source {
        DataSource::Folder(root) => Arc::new(folder::Folder::open(root)?),
        DataSource::Redis(url) => Arc::new(redis::Redis::open(url)?),
    })
}
