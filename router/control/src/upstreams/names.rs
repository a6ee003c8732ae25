//! What the name of an upstream resolves to, asked again and again.
//!
//! A failure changes nothing but the board: the last good answer stays, however long it is the last one. An answer without
//! an address is a failure too, for it is what a half-configured name server says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sluice_policy::{Servers, Upstream};
use sluice_snapshot::upstream::UpstreamCell;
use tokio::time::sleep;

use super::resolver::{ResolveError, Resolver};
use crate::fault::{FaultSource, chain};
use crate::shared::Shared;

/// How long a failed question waits for its next try, at the most.
const RETRY: Duration = Duration::from_secs(1);

/// A name that an upstream follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    host: String,
    port: u16,
    refresh: Duration,
}

impl Name {
    /// The name of an upstream that has one.
    pub(super) fn of(upstream: &Upstream) -> Option<Self> {
        match &upstream.servers {
            Servers::Dns { host, port, refresh } => Some(Self { host: host.clone(), port: *port, refresh: *refresh }),
            Servers::Static(_) | Servers::Discover { .. } => None,
        }
    }

    /// How [`sluice_snapshot::upstream::Known::resolved`] calls it.
    pub(super) fn key(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// Asks once; an answer is written into the cell.
pub(super) async fn ask(name: &Name, resolver: &Resolver, cell: &UpstreamCell) -> Result<(), ResolveError> {
    let found = resolver.addresses(&name.host).await?;
    let mut servers: Vec<String> = found.iter().map(|ip| SocketAddr::new(*ip, name.port).to_string()).collect();
    servers.sort_unstable();
    cell.update(|known| drop(known.resolved.insert(name.key(), servers)));
    Ok(())
}

/// Asks again and again. Cancel safe.
pub(super) async fn follow(name: Name, upstream: String, shared: Arc<Shared>, cell: Arc<UpstreamCell>) {
    let board = &shared.board;
    loop {
        let before = cell.version();
        let pause = match ask(&name, &shared.resolver, &cell).await {
            Ok(()) => {
                board.set(FaultSource::Upstream, &upstream, None);
                name.refresh
            }
            Err(error) => {
                let is_served = cell.read().resolved.contains_key(&name.key());
                let meanwhile = if is_served { "its last known servers stay" } else { "it has no servers" };
                let message = format!("`{}` does not resolve, {meanwhile}: {}", name.host, chain(&error));
                board.set(FaultSource::Upstream, &upstream, Some(message));
                name.refresh.min(RETRY)
            }
        };
        if cell.version() != before {
            let servers = cell.read().resolved.get(&name.key()).map_or(0, Vec::len);
            tracing::info!(upstream, name = name.host, servers, "name resolves anew");
            board.touch();
        }
        sleep(super::health::jittered(pause)).await;
    }
}
