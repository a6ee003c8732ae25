//! The shared data in Redis, under `meow:`. One multiplexed connection that heals by itself; nothing waits longer
//! than [`RESPONSE_MAX`].

use std::time::Duration;

use ::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use ::redis::{Client, ErrorKind, RedisError, Script};
use async_trait::async_trait;

use super::{IMAGES_MAX, RECENT_PATHS_MAX, Storage, StorageError};
use crate::args::RedisUrl;
use crate::image::{Image, ImageId, ImageKind, ImageSummary};

const MESSAGE: &str = "meow:message";
const RECENT: &str = "meow:recent";
const IMAGE_INDEX: &str = "meow:images";
const IMAGE_ORDER: &str = "meow:images:order";
const IMAGE_PREFIX: &str = "meow:image:";

/// Longest wait for an answer: an image of 10 MiB on a slow link, yet no request hangs.
const RESPONSE_MAX: Duration = Duration::from_secs(5);
/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// Attempts to connect before a request is told that Redis is away; the next request tries again.
const RECONNECTS_MAX: usize = 2;

/// The data in a Redis server.
pub(super) struct Redis {
    connection: ConnectionManager,
    put_image: Script,
}

impl Redis {
    /// Connects when first used. Needs a runtime around it.
    pub(super) fn open(url: &RedisUrl) -> Result<Self, StorageError> {
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(RESPONSE_MAX))
            .set_connection_timeout(Some(CONNECT_MAX))
            .set_number_of_retries(RECONNECTS_MAX);
        let connection = ConnectionManager::new_lazy_with_config(Client::open(url.as_str())?, config)?;
        Ok(Self { connection, put_image: Script::new(include_str!("put_image.lua")) })
    }
}

#[async_trait]
impl Storage for Redis {
    async fn set_message(&self, text: &str, lifetime: Duration) -> Result<(), StorageError> {
        let lifetime_ms = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
        let mut command = ::redis::cmd("SET");
        command.arg(MESSAGE).arg(text).arg("PX").arg(lifetime_ms);
        Ok(command.query_async(&mut self.connection.clone()).await?)
    }

    async fn message(&self) -> Result<Option<String>, StorageError> {
        Ok(::redis::cmd("GET").arg(MESSAGE).query_async(&mut self.connection.clone()).await?)
    }

    async fn record_path(&self, path: &str) -> Result<(), StorageError> {
        let mut both = ::redis::pipe();
        both.atomic().cmd("LPUSH").arg(RECENT).arg(path).ignore();
        both.cmd("LTRIM").arg(RECENT).arg(0).arg(RECENT_PATHS_MAX - 1).ignore();
        Ok(both.query_async(&mut self.connection.clone()).await?)
    }

    async fn recent_paths(&self) -> Result<Vec<String>, StorageError> {
        let mut command = ::redis::cmd("LRANGE");
        command.arg(RECENT).arg(0).arg(RECENT_PATHS_MAX - 1);
        Ok(command.query_async(&mut self.connection.clone()).await?)
    }

    async fn put_image(&self, image: &Image) -> Result<(), StorageError> {
        let mut call = self.put_image.key(IMAGE_INDEX);
        call.key(IMAGE_ORDER).key(image_key(&image.id));
        call.arg(image.id.to_string()).arg(image.kind.as_str()).arg(&image.content[..]);
        call.arg(IMAGES_MAX).arg(IMAGE_PREFIX);
        Ok(call.invoke_async(&mut self.connection.clone()).await?)
    }

    async fn newest_images(&self, count: usize) -> Result<Vec<ImageSummary>, StorageError> {
        let Some(last) = count.checked_sub(1) else { return Ok(Vec::new()) };
        let mut connection = self.connection.clone();
        let newest: Vec<String> =
            ::redis::cmd("ZREVRANGE").arg(IMAGE_INDEX).arg(0).arg(last).query_async(&mut connection).await?;
        let ids: Vec<ImageId> = newest.iter().filter_map(|id| id.parse().ok()).collect();
        if ids.is_empty() {
            // The crate refuses an empty pipeline.
            return Ok(Vec::new());
        }
        let mut details = ::redis::pipe();
        for id in &ids {
            details.cmd("HMGET").arg(image_key(id)).arg("kind").arg("bytes");
        }
        // An image dropped in between answers two nils: left out.
        let found: Vec<(Option<String>, Option<u64>)> = details.query_async(&mut connection).await?;
        let summary = |(id, (kind, bytes)): (ImageId, (Option<String>, Option<u64>))| {
            Some(ImageSummary { id, kind: kind?.parse().ok()?, bytes: bytes? })
        };
        Ok(ids.into_iter().zip(found).filter_map(summary).collect())
    }

    async fn image(&self, id: &ImageId) -> Result<Option<Image>, StorageError> {
        let mut command = ::redis::cmd("HMGET");
        command.arg(image_key(id)).arg("kind").arg("content");
        let (kind, content): (Option<String>, Option<Vec<u8>>) =
            command.query_async(&mut self.connection.clone()).await?;
        let (Some(kind), Some(content)) = (kind, content) else { return Ok(None) };
        let kind: ImageKind = kind.parse().map_err(|()| unknown_kind())?;
        Ok(Some(Image { id: id.clone(), kind, content: content.into() }))
    }
}

fn image_key(id: &ImageId) -> String {
    format!("{IMAGE_PREFIX}{id}")
}

/// Somebody else wrote to our keys.
fn unknown_kind() -> RedisError {
    RedisError::from((ErrorKind::UnexpectedReturnType, "an image of unknown kind"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::storage::contract;
    use crate::testing::RedisServer;

    #[tokio::test(flavor = "multi_thread")]
    async fn keeps_the_contract() {
        let server = RedisServer::start().await;
        let first = Arc::new(Redis::open(&server.url()).unwrap());
        let second = Arc::new(Redis::open(&server.url()).unwrap());
        contract::check(first, second).await;
    }

    #[tokio::test]
    async fn nothing_is_left_behind_by_dropped_images() {
        let server = RedisServer::start().await;
        let storage = Redis::open(&server.url()).unwrap();
        for _ in 0..IMAGES_MAX + 3 {
            let image = Image { id: ImageId::random(), kind: ImageKind::Gif, content: "GIF89a".into() };
            storage.put_image(&image).await.unwrap();
        }
        let mut connection = storage.connection.clone();
        let keys: usize = ::redis::cmd("DBSIZE").query_async(&mut connection).await.unwrap();
        assert_eq!(keys, IMAGES_MAX + ["index", "order"].len());
    }

    #[tokio::test]
    async fn redis_away_is_an_error_and_its_return_heals() {
        let mut server = RedisServer::start().await;
        let storage = Redis::open(&server.url()).unwrap();
        storage.record_path("/before").await.unwrap();
        server.stop();
        assert!(matches!(storage.message().await, Err(StorageError::Redis(_))));
        server.restart().await;
        contract::eventually(async || storage.message().await.is_ok()).await;
    }
}
