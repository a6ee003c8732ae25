//! A Cluster of three masters, and a replica of the one that owns the keys of the tests' edge.

use anyhow::{Context, Result, ensure};

use crate::eventually;
use crate::redis_server::RedisServer;

/// Slots of a Cluster, in three parts.
const RANGES: [(u16, u16); 3] = [(0, 5_460), (5_461, 10_922), (10_923, 16_383)];
const ARGUMENTS: &[&str] = &["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port", "7777"];

/// The running four.
pub struct RedisCluster {
    /// Three masters, then the replica.
    pub nodes: Vec<RedisServer>,
    /// Which of them owns the keys of the edge.
    pub owner: usize,
}

impl RedisCluster {
    /// Starts all and waits until every node agrees.
    ///
    /// # Errors
    /// If one does not start.
    pub async fn start(edge: &str) -> Result<Self> {
        let mut nodes = Vec::new();
        for _ in 0..=RANGES.len() {
            nodes.push(RedisServer::start_with(ARGUMENTS).await?);
        }
        for node in &nodes {
            // Else the others see the address that the kernel chose for the connection.
            node.tell(&format!("CONFIG SET cluster-announce-ip {}", node.address.ip())).await?;
        }
        for (node, (first, last)) in nodes.iter().zip(RANGES) {
            node.tell(&format!("CLUSTER ADDSLOTSRANGE {first} {last}")).await?;
        }
        for node in &nodes[1..] {
            let (host, port) = (node.address.ip(), node.address.port());
            nodes[0].tell(&format!("CLUSTER MEET {host} {port} 7777")).await?;
        }
        let slot: u16 = nodes[0].ask(&format!("CLUSTER KEYSLOT {{{edge}}}")).await?;
        let owner = RANGES.iter().position(|(first, last)| (*first..=*last).contains(&slot)).context("a slot")?;
        let cluster = Self { nodes, owner };
        cluster.agrees().await;
        let id: String = cluster.nodes[owner].ask("CLUSTER MYID").await?;
        cluster.replica().tell(&format!("CLUSTER REPLICATE {id}")).await?;
        eventually("the replica follows", async || {
            let state: String = cluster.replica().ask("INFO replication").await?;
            ensure!(state.contains("master_link_status:up"), "{state}");
            Ok(())
        })
        .await;
        Ok(cluster)
    }

    /// The URL of the store: two of its masters.
    #[must_use]
    pub fn url(&self) -> String {
        let others: Vec<String> = (0..RANGES.len())
            .filter(|node| *node != self.owner)
            .map(|node| self.nodes[node].address.to_string())
            .collect();
        format!("redis-cluster://{}", others.join(","))
    }

    /// The replica of the owner.
    ///
    /// # Panics
    /// Never: there are four nodes.
    #[must_use]
    pub fn replica(&self) -> &RedisServer {
        self.nodes.last().expect("invariant: four nodes")
    }

    /// The node that owns this key, as the first one that answers says.
    ///
    /// # Errors
    /// If none answers.
    pub async fn owner_of(&self, key: &str) -> Result<&RedisServer> {
        for node in &self.nodes {
            // The owner says that it has the key or that there is none; all others say who the owner is.
            if node.tell(&format!("EXISTS {key}")).await.is_ok() {
                return Ok(node);
            }
        }
        anyhow::bail!("no node owns {key}")
    }

    /// Moves one slot with all its keys from one master to another, as `redis-cli --cluster reshard` does. Calls `midway`
    /// while the keys are on both sides.
    ///
    /// # Errors
    /// If a node refuses.
    pub async fn migrate(
        &self,
        slot: u16,
        from: usize,
        to: usize,
        midway: impl AsyncFnOnce() -> Result<()>,
    ) -> Result<()> {
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        let (source_id, target_id): (String, String) =
            (source.ask("CLUSTER MYID").await?, target.ask("CLUSTER MYID").await?);
        target.tell(&format!("CLUSTER SETSLOT {slot} IMPORTING {source_id}")).await?;
        source.tell(&format!("CLUSTER SETSLOT {slot} MIGRATING {target_id}")).await?;
        let keys: Vec<String> = source.ask(&format!("CLUSTER GETKEYSINSLOT {slot} 1000")).await?;
        let (host, port) = (target.address.ip(), target.address.port());
        let (first, rest) = keys.split_at(keys.len() / 2);
        for key in first {
            source.tell(&format!("MIGRATE {host} {port} {key} 0 5000")).await?;
        }
        midway().await?;
        for key in rest {
            source.tell(&format!("MIGRATE {host} {port} {key} 0 5000")).await?;
        }
        for node in [target, source] {
            node.tell(&format!("CLUSTER SETSLOT {slot} NODE {target_id}")).await?;
        }
        Ok(())
    }

    async fn agrees(&self) {
        for node in &self.nodes {
            eventually("every node knows the whole Cluster", async || {
                let state: String = node.ask("CLUSTER INFO").await?;
                let known = format!("cluster_known_nodes:{}", self.nodes.len());
                ensure!(state.contains("cluster_state:ok") && state.contains(&known), "{state}");
                Ok(())
            })
            .await;
        }
    }
}
