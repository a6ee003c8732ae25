//! A network between a router and its store that a test can hold up: bytes wait, and arrive late, never lost or torn.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

const PART_BYTES: usize = 16 << 10;

/// What is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Everything.
    Open,
    /// Questions only: they are done, and their answers wait.
    Questions,
    /// Nothing: packets vanish, as far as either side can tell.
    Nothing,
}

/// The relay; gone with its drop.
pub struct Relay {
    /// Where it listens.
    pub address: SocketAddr,
    lanes: Arc<Mutex<Lanes>>,
    _accepting: JoinSet<()>,
}

/// Every connection that was ever made, and what new ones begin with.
struct Lanes {
    fresh: Flow,
    flows: Vec<watch::Sender<Flow>>,
}

impl Relay {
    /// Relays to this address.
    ///
    /// # Errors
    /// If it cannot listen.
    pub async fn start(to: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let lanes = Arc::new(Mutex::new(Lanes { fresh: Flow::Open, flows: Vec::new() }));
        let shared = Arc::clone(&lanes);
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let flow = open_lane(&shared);
                // One that breaks off is for either side to notice.
                connections.spawn(async move { drop(relay(client, to, flow).await) });
            }
        });
        Ok(Self { address, lanes, _accepting: accepting })
    }

    /// Connections that were made so far.
    #[must_use]
    pub fn made(&self) -> usize {
        self.lock().flows.len()
    }

    /// Sets what is let through from now on, by all connections, also those to come.
    pub fn set(&self, flow: Flow) {
        let mut lanes = self.lock();
        lanes.fresh = flow;
        lanes.flows.iter().for_each(|lane| _ = lane.send_replace(flow));
    }

    /// Sets what those connections let through that there are by now; others go on.
    pub fn set_made(&self, flow: Flow) {
        self.lock().flows.iter().for_each(|lane| _ = lane.send_replace(flow));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open_lane(lanes: &Mutex<Lanes>) -> watch::Receiver<Flow> {
    let mut lanes = lanes.lock().unwrap_or_else(PoisonError::into_inner);
    let (flow, seen) = watch::channel(lanes.fresh);
    lanes.flows.push(flow);
    seen
}

async fn relay(client: TcpStream, to: SocketAddr, flow: watch::Receiver<Flow>) -> Result<()> {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = TcpStream::connect(to).await?.into_split();
    tokio::try_join!(
        pump(from_client, to_server, flow.clone(), |flow| flow != Flow::Nothing),
        pump(from_server, to_client, flow, |flow| flow == Flow::Open),
    )?;
    Ok(())
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut flow: watch::Receiver<Flow>,
    passes: impl Fn(Flow) -> bool,
) -> Result<()> {
    let mut part = vec![0; PART_BYTES];
    loop {
        let read = from.read(&mut part).await?;
        // The end waits like everything else.
        flow.wait_for(|flow| passes(*flow)).await?;
        if read == 0 {
            return Ok(to.shutdown().await?);
        }
        to.write_all(&part[..read]).await?;
    }
}
