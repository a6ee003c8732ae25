//! What happens to droplets that came and to those that leave, between the two halves of an apply.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;
use async_trait::async_trait;
use sluice_infra_cloud::{Droplet, DropletId};
use sluice_infra_host::Remote as _;
use sluice_infra_plan::{Handover, tags};
use sluice_infra_spec::{Role, Spec};

use crate::context::Context;
use crate::deployment::reach;
use crate::session::Session;

/// Longest wait for a droplet to let go of its requests, beyond the app's own time for it.
const DRAIN_MARGIN: Duration = Duration::from_secs(30);

/// New droplets are left as they are; those that leave are drained, if they answer.
pub(crate) struct Bare<'s> {
    context: &'s Context,
    session: &'s Session,
}

impl<'s> Bare<'s> {
    /// For this command.
    pub(crate) const fn new(context: &'s Context, session: &'s Session) -> Self {
        Self { context, session }
    }

    /// Asks the agent of a droplet to take its requests off it.
    async fn drain(&self, id: &DropletId) -> anyhow::Result<()> {
        let Session { cloud, spec, .. } = self.session;
        let Some(droplet) = cloud.droplet(id).await? else { return Ok(()) };
        if !droplet.tags.contains(&tags::role(&spec.fleet, Role::App)) {
            return Ok(());
        }
        let ssh = reach(self.context, self.session, &droplet)?;
        let program = ssh.layout().programs().join("sluice-infra");
        let output = ssh.run(&[&program.to_string_lossy(), "agent", "drain"], &[]).await?;
        ensure!(output.status == 0, "{}", output.stderr.lines().last().unwrap_or("no reason said"));
        Ok(())
    }

    fn drain_max(&self) -> Duration {
        self.session.spec.apps.iter().map(|app| app.drain).max().unwrap_or_default() + DRAIN_MARGIN
    }
}

#[async_trait]
impl Handover for Bare<'_> {
    async fn arrived(&self, _droplets: &[Droplet]) -> Result<(), String> {
        Ok(())
    }

    async fn leaving(&self, id: &DropletId, name: &str) {
        // It leaves in any case: one that does not answer serves nobody.
        match tokio::time::timeout(self.drain_max(), self.drain(id)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.context.say(&format!("{name} leaves without drain: {error:#}")),
            Err(_) => self.context.say(&format!("{name} leaves before its drain is over")),
        }
    }
}

/// Addresses where the edge is reached, by droplet.
pub(crate) fn edges(spec: &Spec, droplets: &[Droplet]) -> BTreeMap<String, String> {
    let router = tags::role(&spec.fleet, Role::Router);
    let routers = droplets.iter().filter(|droplet| droplet.tags.contains(&router));
    let address = |droplet: &Droplet| {
        let address = droplet.public_address.or(droplet.private_address)?;
        Some((droplet.name.clone(), format!("http://{}", SocketAddr::new(address, spec.router.edge_port))))
    };
    routers.filter_map(address).collect()
}
