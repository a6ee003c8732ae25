//! The shared data in this process: for unit tests of what stands above storage.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::{IMAGES_MAX, RECENT_PATHS_MAX, Storage, StorageError};
use crate::image::{Image, ImageId, ImageSummary};

/// Data that lives as long as the value.
#[derive(Default)]
pub(crate) struct Memory {
    message: Mutex<Option<(String, Instant)>>,
    recent: Mutex<VecDeque<String>>,
    images: Mutex<VecDeque<Image>>,
}

#[async_trait]
impl Storage for Memory {
    async fn set_message(&self, text: &str, lifetime: Duration) -> Result<(), StorageError> {
        *self.message.lock().unwrap() = Some((text.to_owned(), Instant::now() + lifetime));
        Ok(())
    }

    async fn message(&self) -> Result<Option<String>, StorageError> {
        let message = self.message.lock().unwrap().clone();
        Ok(message.filter(|(_, end)| Instant::now() < *end).map(|(text, _)| text))
    }

    async fn record_path(&self, path: &str) -> Result<(), StorageError> {
        let mut recent = self.recent.lock().unwrap();
        recent.push_front(path.to_owned());
        recent.truncate(RECENT_PATHS_MAX);
        Ok(())
    }

    async fn recent_paths(&self) -> Result<Vec<String>, StorageError> {
        Ok(self.recent.lock().unwrap().iter().cloned().collect())
    }

    async fn put_image(&self, image: &Image) -> Result<(), StorageError> {
        let mut images = self.images.lock().unwrap();
        images.push_front(image.clone());
        images.truncate(IMAGES_MAX);
        Ok(())
    }

    async fn newest_images(&self, count: usize) -> Result<Vec<ImageSummary>, StorageError> {
        let images = self.images.lock().unwrap();
        let summary =
            |image: &Image| ImageSummary { id: image.id.clone(), kind: image.kind, bytes: image.content.len() as u64 };
        Ok(images.iter().take(count).map(summary).collect())
    }

    async fn image(&self, id: &ImageId) -> Result<Option<Image>, StorageError> {
        Ok(self.images.lock().unwrap().iter().find(|image| image.id == *id).cloned())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::storage::contract;

    #[tokio::test]
    async fn keeps_the_contract() {
        let memory = Arc::new(Memory::default());
        contract::check(Arc::clone(&memory) as Arc<dyn Storage>, memory).await;
    }
}
