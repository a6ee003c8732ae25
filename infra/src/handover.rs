//! What happens to droplets that came and to those that leave, between the two halves of an apply.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sluice_infra_cloud::{Cloud, Droplet, DropletId};
use sluice_infra_host::{Remote as _, Ssh, SshSettings};
use sluice_infra_plan::Handover;
use sluice_infra_plan::tags;
use sluice_infra_spec::{Role, Spec};

use crate::session::Session;

/// File beside the key pair with the host keys that were seen.
const KNOWN_HOSTS: &str = "known_hosts";
/// Longest wait for a droplet to let go of its requests, beyond the app's own time for it.
const DRAIN_MARGIN: Duration = Duration::from_secs(30);

/// New droplets are left as they are; those that leave are drained, if they answer.
pub(crate) struct Bare {
    cloud: Arc<dyn Cloud>,
    spec: Arc<Spec>,
    identity: PathBuf,
}

impl Bare {
    /// For this command.
    pub(crate) fn new(session: &Session) -> Self {
        let identity = session.keys.identity.clone();
        Self { cloud: Arc::clone(&session.cloud), spec: Arc::clone(&session.spec), identity }
    }

    /// Asks the agent of a droplet to take its requests off it.
    async fn drain(&self, id: &DropletId) -> Result<(), String> {
        let droplet = self.cloud.droplet(id).await.map_err(|error| error.to_string())?;
        let droplet = droplet.ok_or("it is gone")?;
        let serves_app = droplet.tags.contains(&tags::role(&self.spec.fleet, Role::App));
        let Some(access) = self.cloud.access(&droplet).filter(|_| serves_app) else { return Ok(()) };
        let ssh = Ssh::new(SshSettings {
            name: droplet.name.clone(),
            host: access.host,
            port: access.port,
            user: access.user,
            root: access.root,
            known_hosts: self.identity.with_file_name(KNOWN_HOSTS),
            identity: self.identity.clone(),
        })
        .map_err(|error| error.to_string())?;
        let program = ssh.layout().programs().join("sluice-infra");
        let output =
            ssh.run(&[&program.to_string_lossy(), "agent", "drain"], &[]).await.map_err(|error| error.to_string())?;
        if output.status == 0 { Ok(()) } else { Err(output.stderr.lines().last().unwrap_or_default().to_owned()) }
    }

    fn drain_max(&self) -> Duration {
        self.spec.apps.iter().map(|app| app.drain).max().unwrap_or_default() + DRAIN_MARGIN
    }
}

#[async_trait]
impl Handover for Bare {
    async fn arrived(&self, _droplets: &[Droplet]) -> Result<(), String> {
        Ok(())
    }

    async fn leaving(&self, id: &DropletId, name: &str) {
        // It leaves in any case: one that does not answer serves nobody.
        match tokio::time::timeout(self.drain_max(), self.drain(id)).await {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => tracing::info!(droplet = name, reason, "left without drain"),
            Err(_) => tracing::info!(droplet = name, "left before its drain was over"),
        }
    }
}

/// Addresses where the edge is reached, by droplet.
pub(crate) fn edges(spec: &Spec, droplets: &[Droplet]) -> BTreeMap<String, String> {
    let router = tags::role(&spec.fleet, Role::Router);
    let routers = droplets.iter().filter(|droplet| droplet.tags.contains(&router));
    let address = |droplet: &Droplet| {
        let address = droplet.public_address.or(droplet.private_address)?;
        Some((droplet.name.clone(), format!("http://{}", std::net::SocketAddr::new(address, spec.router.edge_port))))
    };
    routers.filter_map(address).collect()
}
