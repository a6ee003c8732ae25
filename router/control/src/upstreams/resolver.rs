//! Asking name servers: those of `[dns] servers`, or those of the system.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;

use crate::tasks::Tasks;

/// How long one question may wait for its answer before it is asked once more.
const ANSWER_WAIT: Duration = Duration::from_secs(1);
/// How often a question is asked again when no answer comes; the loop around asks again anyway.
const ATTEMPTS: usize = 1;

/// Why a name has no addresses.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    /// The system names no name server.
    #[error("the name servers of the system cannot be read")]
    System(#[source] NetError),
    /// No answer, or one without an address.
    #[error("no address")]
    Lookup(#[source] NetError),
    /// Control stops.
    #[error("interrupted")]
    Interrupted,
}

/// See the module.
pub(crate) struct Resolver {
    tasks: Tasks,
    /// Empty = those of the system.
    servers: Vec<SocketAddr>,
    /// Made at the first question, and anew after a failure: the system's settings may have changed by then.
    inner: Mutex<Option<Arc<TokioResolver>>>,
}

impl Resolver {
    pub(crate) fn new(tasks: &Tasks, servers: Vec<SocketAddr>) -> Self {
        Self { tasks: tasks.clone(), servers, inner: Mutex::default() }
    }

    /// All addresses of a host name, sorted.
    pub(crate) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let resolver = self.inner().await?;
        match resolver.lookup_ip(host).await {
            Ok(answer) => {
                let mut addresses: Vec<IpAddr> = answer.iter().collect();
                addresses.sort_unstable();
                addresses.dedup();
                Ok(addresses)
            }
            Err(error) => {
                *self.inner.lock().unwrap_or_else(PoisonError::into_inner) = None;
                Err(ResolveError::Lookup(error))
            }
        }
    }

    async fn inner(&self) -> Result<Arc<TokioResolver>, ResolveError> {
        if let Some(known) = &*self.inner.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(Arc::clone(known));
        }
        let servers = self.servers.clone();
        // The system's settings are files.
        let made = self.tasks.blocking(move || make(&servers)).await.ok_or(ResolveError::Interrupted)?;
        let made = Arc::new(made.map_err(ResolveError::System)?);
        *self.inner.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&made));
        Ok(made)
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("servers", &self.servers).finish_non_exhaustive()
    }
}

fn make(servers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let mut builder = if servers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let config = ResolverConfig::from_name_servers(servers.iter().map(name_server).collect());
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    settle(builder.options_mut());
    builder.build()
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let at = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    NameServerConfig::new(address.ip(), true, vec![at(ConnectionConfig::udp()), at(ConnectionConfig::tcp())])
}

/// Every question is asked: how often is the policy's business, so neither answers nor failures are kept.
fn settle(options: &mut ResolverOpts) {
    options.cache_size = 0;
    options.positive_max_ttl = Some(Duration::ZERO);
    options.negative_max_ttl = Some(Duration::ZERO);
    options.timeout = ANSWER_WAIT;
    options.attempts = ATTEMPTS;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
}
