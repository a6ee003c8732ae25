//! Leases of servers, as they are taken and given back. [`lease`](super::lease) says who holds one.

use sluice_model::lease::Server;

use super::keys::Change;
use super::{FULL, RedisStore, answered};
use crate::error::StoreError;
use crate::names::{check_server, check_server_id};
use crate::store::SERVERS_MAX;

impl RedisStore {
    pub(super) async fn write_server(&self, server: &Server) -> Result<(), StoreError> {
        check_server(server)?;
        let writer = self.writer().await?;
        let put = answered(self.scripts.put_server(writer, &self.keys, server, self.lease_ttl)).await;
        match put {
            Ok(true) => self.confirm(Change::Servers).await,
            Ok(false) => Ok(()),
            Err(StoreError::Redis(error)) if error.code() == Some(FULL) => {
                Err(StoreError::Full { what: "servers", max: SERVERS_MAX })
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn remove_server(&self, id: &str) -> Result<(), StoreError> {
        check_server_id(id)?;
        let writer = self.writer().await?;
        if answered(self.scripts.delete_server(writer, &self.keys, id)).await? {
            self.confirm(Change::Servers).await?;
        }
        Ok(())
    }
}
