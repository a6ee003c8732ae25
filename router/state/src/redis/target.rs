//! From the URL of a store to connections that can be followed, whatever its topology.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use tokio_util::task::TaskTracker;

use super::cluster::Nodes;
use super::dial::Dialer;
use super::keys::Keys;
use super::link::Lost;
use super::push::Pushes;
use super::secrets::Secrets;
use super::sentinel::Sentinels;
use super::url::{Host, Topology, Url};
use super::writer::{Line, Owners, Writer};
use crate::error::OpenError;

/// Where Redis is.
pub(super) struct Target {
    url: Arc<Url>,
    place: Place,
}

enum Place {
    One(Host),
    Sentinel(Arc<Sentinels>),
    Cluster(Nodes),
}

/// Fresh connections; key changes are pushed from now on. They live and end together.
pub(super) struct Connections {
    /// Pushed to; reads only. Leads to whoever owns the keys of the edge.
    pub(super) reader: MultiplexedConnection,
    /// Likewise, for switches that another node of a Cluster owns, by name.
    pub(super) apart: BTreeMap<String, MultiplexedConnection>,
    /// Everything else.
    pub(super) writer: Writer,
    /// What arrives unasked on those that are pushed to.
    pub(super) pushes: Arc<Pushes>,
}

/// Returns once the connections lead to the wrong place, although they still work.
pub(super) type Misled = Pin<Box<dyn Future<Output = Lost> + Send>>;

impl Target {
    /// Understands the URL and reads what it points to; connects nowhere. Blocks.
    pub(super) fn new(url: &str) -> Result<Self, OpenError> {
        let url = Url::parse(url).map_err(OpenError::Url)?;
        if url.tls.is_some() {
            // An error says that the process has chosen already, which is as good.
            let _chosen = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        Dialer::new(&url, Secrets::read(&url)?).check().map_err(OpenError::Certificates)?;
        let place = match &url.topology {
            Topology::One { host, .. } => Place::One(host.clone()),
            Topology::Sentinel { sentinels, master, .. } => {
                Place::Sentinel(Arc::new(Sentinels::new(sentinels, master)))
            }
            Topology::Cluster { nodes } => Place::Cluster(Nodes::new(nodes)),
        };
        Ok(Self { url: Arc::new(url), place })
    }

    /// What tells this store from another one, without user and password.
    pub(super) fn describe(&self) -> String {
        self.url.identity()
    }

    /// A connection to write on, for who follows nothing.
    pub(super) async fn writer(&self, keys: &Keys) -> Result<Writer, Lost> {
        let dialer = Arc::new(Dialer::new(&self.url, Secrets::read(&self.url)?));
        match &self.place {
            Place::One(host) => Ok(Writer::One(dialer.redis(host).await?)),
            Place::Sentinel(sentinels) => {
                let master = sentinels.master(&dialer).await?;
                Ok(Writer::One(dialer.redis(&master).await?))
            }
            Place::Cluster(nodes) => {
                let slots = nodes.slots(&dialer).await?;
                let host = slots.owner(&keys.epoch())?.clone();
                let edge = Line { connection: dialer.redis(&host).await?, host };
                Ok(Writer::Cluster(Arc::new(Owners::new(dialer, edge, BTreeMap::new()))))
            }
        }
    }

    /// Finds out where to connect, connects, and asks to be told of changes.
    pub(super) async fn connect(&self, keys: &Keys, tracker: &TaskTracker) -> Result<(Connections, Misled), Lost> {
        let url = Arc::clone(&self.url);
        let read = tracker.spawn_blocking(move || Secrets::read(&url)).await;
        let secrets = read.map_err(|_interrupted| Lost::Disconnected)??;
        let dialer = Arc::new(Dialer::new(&self.url, secrets));
        match &self.place {
            Place::One(host) => Ok((connect_one(&dialer, host, keys).await?, Box::pin(std::future::pending()))),
            Place::Sentinel(sentinels) => {
                let master = sentinels.master(&dialer).await?;
                let connections = connect_one(&dialer, &master, keys).await?;
                Ok((connections, Box::pin(Arc::clone(sentinels).moved(dialer, master))))
            }
            // Each read says when its key has moved.
            Place::Cluster(nodes) => {
                Ok((connect_cluster(&dialer, nodes, keys).await?, Box::pin(std::future::pending())))
            }
        }
    }
}

async fn connect_one(dialer: &Dialer, host: &Host, keys: &Keys) -> Result<Connections, Lost> {
    let pushes = Arc::new(Pushes::default());
    let reader = dialer.pushed(host, &keys.tracked_prefixes(), &pushes).await?;
    let writer = Writer::One(dialer.redis(host).await?);
    Ok(Connections { reader, apart: BTreeMap::new(), writer, pushes })
}

async fn connect_cluster(dialer: &Arc<Dialer>, nodes: &Nodes, keys: &Keys) -> Result<Connections, Lost> {
    let slots = nodes.slots(dialer).await?;
    let edge = slots.owner(&keys.epoch())?;
    let switches = keys.switches();
    let mut owned: BTreeMap<&Host, BTreeSet<&String>> = BTreeMap::new();
    for switch in switches.iter() {
        let owner = slots.owner(switch)?;
        if owner != edge {
            owned.entry(owner).or_default().insert(switch);
        }
    }
    let pushes = Arc::new(Pushes::default());
    let (mut apart, mut lines) = (BTreeMap::new(), BTreeMap::new());
    for (host, switches) in owned {
        let pushed = dialer.pushed(host, &keys.tracked_prefixes(), &pushes).await?;
        let line = Line { host: host.clone(), connection: dialer.redis(host).await? };
        for switch in switches {
            apart.insert(switch.clone(), pushed.clone());
            lines.insert(switch.clone(), line.clone());
        }
    }
    let reader = dialer.pushed(edge, &keys.tracked_prefixes(), &pushes).await?;
    let edge = Line { host: edge.clone(), connection: dialer.redis(edge).await? };
    let writer = Writer::Cluster(Arc::new(Owners::new(Arc::clone(dialer), edge, lines)));
    Ok(Connections { reader, apart, writer, pushes })
}
