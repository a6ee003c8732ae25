//! The store of the fleet, as who is not among its machines reaches it: through an ssh tunnel to the machine with Redis.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, ensure};
use sluice_infra_configure::Passwords;
use sluice_infra_spec::Role;
use sluice_model::lease::Lease;
use sluice_state::{Backend, Config, Event};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::JOB;
use crate::context::Context;
use crate::deployment::reach;
use crate::machines;
use crate::session::Session;

/// The user of Redis that we are: it follows the whole store, like a router.
const USER: &str = "router";
/// Folder of state with the last content that was seen.
const FOLDER: &str = "controller";

/// The store and the way to it.
pub(super) struct Store {
    store: Arc<dyn sluice_state::Store>,
    tunnel: Option<Child>,
    port: u16,
    servers: Arc<Mutex<Option<Vec<Lease>>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Store {
    /// Opens it. Whether Redis answers shows later.
    pub(super) async fn open(context: &Context, session: &Session) -> anyhow::Result<Self> {
        let secret =
            context.secret(&session.spec, &session.spec.redis.password).context("read the password of Redis")?;
        let password = Passwords::new(secret.expose())?.of(USER);
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let port = port.context("find a free port for the tunnel")?.port();
        let url = format!("redis://{USER}:{password}@127.0.0.1:{port}");
        let folder = context.state_folder().join(FOLDER);
        std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        let config = Config::new(Backend::Redis { url }, session.spec.fleet.clone(), Vec::new(), folder);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (store, events) = sluice_state::open(config, &tasks, stop.clone()).await.context("open the store")?;
        let servers = Arc::new(Mutex::new(None));
        tasks.spawn(follow(events, Arc::clone(&servers)));
        let mut opened = Self { store, tunnel: None, port, servers, tasks, stop };
        opened.reached(context, session).await;
        Ok(opened)
    }

    /// The store, with a tunnel to it that stands: a fault of it is said, and shows in what the store answers.
    pub(super) async fn reached(&mut self, context: &Context, session: &Session) -> &dyn sluice_state::Store {
        let stands = self.tunnel.as_mut().is_some_and(|tunnel| matches!(tunnel.try_wait(), Ok(None)));
        if !stands {
            self.tunnel = match self.dig(context, session).await {
                Ok(tunnel) => Some(tunnel),
                Err(error) => {
                    warn!(error = format!("{error:#}"), "no tunnel to the store");
                    None
                }
            };
        }
        &*self.store
    }

    /// The store, as it was reached last.
    pub(super) fn store(&self) -> &dyn sluice_state::Store {
        &*self.store
    }

    /// All leases; `None` while the store is away or has not told yet.
    pub(super) fn servers(&self) -> Option<Vec<Lease>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Leads no more, so that another one need not wait; then lets go.
    pub(super) async fn close(self, holder: &str) {
        if let Err(error) = self.store.resign(JOB, holder).await {
            warn!(%error, "the lead was not given back; it ends by itself");
        }
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn dig(&self, context: &Context, session: &Session) -> anyhow::Result<Child> {
        let droplet = machines::with_role(session, Role::Redis).await?;
        let redis: IpAddr = droplet.private_address.or(droplet.public_address).context("it has no address yet")?;
        let ssh = reach(context, session, &droplet)?;
        let there = std::net::SocketAddr::new(redis, session.spec.redis.port);
        let mut command = Command::from(machines::forward(&ssh, self.port, there));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).kill_on_drop(true);
        let mut tunnel = command.spawn().context("start ssh")?;
        ensure!(tunnel.try_wait()?.is_none(), "ssh ended at once");
        Ok(tunnel)
    }
}

/// Takes in what the store tells. A fence is answered at once: nothing here acts on the order of events.
async fn follow(mut events: Receiver<Event>, servers: Arc<Mutex<Option<Vec<Lease>>>>) {
    while let Some(event) = events.recv().await {
        let known = |leases| *servers.lock().unwrap_or_else(PoisonError::into_inner) = leases;
        match event {
            Event::Servers(leases) => known(Some(leases)),
            // What was known is kept by the store, but it is no evidence of who lives.
            Event::Health(health) if !health.connected => known(None),
            Event::Fence(answer) => {
                // Who asked may have gone.
                let _gone = answer.send(());
            }
            Event::Health(_)
            | Event::Switch { .. }
            | Event::Rollout { .. }
            | Event::Flags { .. }
            | Event::FlagsRefused { .. }
            | Event::Silences(_)
            | Event::Audit(_)
            | Event::Alert(_) => {}
        }
    }
}
