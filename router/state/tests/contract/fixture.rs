//! One router on a fresh store of either kind, and one test per store.

use sluice_state::{Backend, Config};
use tempfile::TempDir;

use crate::server::RedisServer;
use crate::support::{Router, config};

/// A fresh store with one router on it.
pub(crate) struct Fixture {
    pub(crate) router: Router,
    _redis: Option<RedisServer>,
    _folder: TempDir,
}

impl Fixture {
    pub(crate) async fn open(redis: bool) -> Self {
        Self::with(redis, |_usual| ()).await
    }

    pub(crate) async fn with(redis: bool, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let redis = if redis { Some(RedisServer::start().await) } else { None };
        let backend = redis.as_ref().map_or(Backend::Embedded, |redis| Backend::Redis { url: redis.url() });
        let mut config = config(backend, folder.path());
        change(&mut config);
        Self { router: Router::ready(config).await, _redis: redis, _folder: folder }
    }
}

/// One test per store.
macro_rules! contract {
    ($($name:ident)*) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(false).await;
                }
            )*
        }
        mod redis {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(true).await;
                }
            )*
        }
    };
}
pub(crate) use contract;
