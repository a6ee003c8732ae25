//! Leases for who only registers servers: machines of a fleet, on which no router runs.
//!
//! Nothing is followed and nothing is kept on disk, so a process that lives for a second may use it, and the user `app` of
//! `docs/store.md` may do all of it.

use std::time::Duration;

use sluice_model::lease::Server;
use tokio::sync::Mutex;

use super::keys::Keys;
use super::link::Lost;
use super::scripts::Scripts;
use super::target::Target;
use super::writer::Writer;
use super::{FULL, answered, unavailable};
use crate::config::{Backend, Config};
use crate::error::{OpenError, StoreError};
use crate::names::{check_config, check_server, check_server_id};
use crate::store::SERVERS_MAX;

/// Takes leases and gives them back.
pub struct Leases {
    target: Target,
    keys: Keys,
    scripts: Scripts,
    ttl: Duration,
    /// The connection of the last call, unless it failed. Locked only to take it and to put it back.
    kept: Mutex<Option<Writer>>,
}

impl Leases {
    /// For this Redis and edge; connects with the first call.
    ///
    /// # Errors
    /// [`OpenError`] if the edge or the URL is not valid.
    pub fn new(url: &str, edge: &str, ttl: Duration) -> Result<Self, OpenError> {
        let backend = Backend::Redis { url: url.to_owned() };
        check_config(&Config::new(backend, edge, Vec::new(), "."))?;
        let (target, keys) = (Target::new(url)?, Keys::new(edge.to_owned(), Vec::new()));
        Ok(Self { target, keys, scripts: Scripts::new(), ttl, kept: Mutex::default() })
    }

    /// Takes or renews a lease. It is on its way to the routers when this returns; none of them has confirmed it.
    ///
    /// # Errors
    /// [`StoreError::Invalid`], [`StoreError::Full`], or [`StoreError::Unavailable`]: then it may be done, and may be repeated.
    pub async fn put(&self, server: &Server) -> Result<(), StoreError> {
        check_server(server)?;
        let writer = self.writer().await?;
        let put = answered(self.scripts.put_server(writer.clone(), &self.keys, server, self.ttl)).await;
        match put {
            Ok(_moved) => {
                self.keep(writer).await;
                Ok(())
            }
            Err(StoreError::Redis(error)) if error.code() == Some(FULL) => {
                Err(StoreError::Full { what: "servers", max: SERVERS_MAX })
            }
            Err(error) => Err(error),
        }
    }

    /// Gives a lease back; none is fine too.
    ///
    /// # Errors
    /// As [`Leases::put`].
    pub async fn delete(&self, id: &str) -> Result<(), StoreError> {
        check_server_id(id)?;
        let writer = self.writer().await?;
        let _was_there = answered(self.scripts.delete_server(writer.clone(), &self.keys, id)).await?;
        self.keep(writer).await;
        Ok(())
    }

    async fn writer(&self) -> Result<Writer, StoreError> {
        if let Some(writer) = self.kept.lock().await.take() {
            return Ok(writer);
        }
        self.target.writer(&self.keys).await.map_err(|lost: Lost| unavailable(&lost.describe()))
    }

    async fn keep(&self, writer: Writer) {
        *self.kept.lock().await = Some(writer);
    }
}
