//! The machines of a fleet, as ssh reaches them.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use sluice_infra_cloud::Droplet;
use sluice_infra_host::{Remote as _, Ssh};
use sluice_infra_plan::tags;
use sluice_infra_spec::Role;

use crate::context::Context;
use crate::deployment::reach;
use crate::session::Session;

/// An ssh to there that the user has in the foreground; the destination is still to come. It has a connection of its own, since it
/// outlives `ssh`.
pub(crate) fn foreground(ssh: &Ssh) -> Command {
    let mut command = Command::new("ssh");
    // The first value that ssh is told counts.
    command.args(["-S", "none"]).args(ssh.options());
    command
}

/// An ssh that leads from a port of this machine's loopback to an address as the other machine sees it. It ends when its standard
/// input does, so that it outlives nobody, however that one ended.
pub(crate) fn forward(ssh: &Ssh, port: u16, there: SocketAddr) -> Command {
    let mut command = foreground(ssh);
    command.args(["-o", "ExitOnForwardFailure=yes", "-L"]).arg(format!("127.0.0.1:{port}:{there}"));
    command.arg("--").arg(&ssh.settings().host).arg("cat");
    command
}

/// The droplet of this name; what follows the fleet's name in it is enough, if it is one's alone.
///
/// # Errors
/// If there is none, or several.
pub(crate) async fn named(session: &Session, name: &str) -> anyhow::Result<Droplet> {
    let droplets = session.cloud.droplets(&tags::fleet(&session.spec.fleet)).await?;
    let names: Vec<String> = droplets.iter().map(|droplet| droplet.name.clone()).collect();
    let short = format!("{}-{name}", session.spec.fleet);
    let is_meant = |droplet: &&Droplet| droplet.name == name || droplet.name.starts_with(&short);
    let meant: Vec<&Droplet> = droplets.iter().filter(is_meant).collect();
    match meant.as_slice() {
        [only] => Ok((*only).clone()),
        [] => bail!("no droplet is named {name}; there are: {}", names.join(", ")),
        [..] => bail!("{name} is the beginning of several: {}", names.join(", ")),
    }
}

/// Asks the agent of a droplet.
///
/// # Errors
/// If it is not reached, or does not do it.
pub(crate) async fn ask(context: &Context, session: &Session, droplet: &Droplet, word: &str) -> anyhow::Result<()> {
    let ssh = reach(context, session, droplet)?;
    let program = ssh.layout().programs().join("sluice-infra").display().to_string();
    let output = ssh.run(&[&program, "agent", word], &[]).await?;
    ensure!(output.status == 0, "{}", output.stderr.lines().last().unwrap_or("it said nothing"));
    Ok(())
}

/// A droplet with this role: the first by name.
///
/// # Errors
/// If there is none.
pub(crate) async fn with_role(session: &Session, role: Role) -> anyhow::Result<Droplet> {
    let droplets = session.cloud.droplets(&tags::role(&session.spec.fleet, role)).await?;
    let first = droplets.into_iter().min_by(|one, other| one.name.cmp(&other.name));
    first.with_context(|| format!("no droplet has the role `{}`: run `sluice-infra up`", role.as_str()))
}
