//! Machines that are brought to what their roles need: all of a fleet in their order, or those that just came.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use futures_util::StreamExt as _;
use sluice_infra_cloud::{Droplet, DropletId};
use sluice_infra_configure::{FleetFiles, Machine, Peers, Programs, ReadSettings, configure};
use sluice_infra_host::converge::{Mode, Report};
use sluice_infra_host::{Remote as _, Ssh};
use sluice_infra_plan::{Handover, tags};
use sluice_infra_spec::{Pool, Role};

use crate::context::Context;
use crate::deployment::{self, reach};
use crate::handover::Bare;
use crate::session::Session;

/// Machines that are configured at a time: each is an ssh and a transfer.
const AT_ONCE_MAX: usize = 8;
/// In which order machines come: the store, who reads it, who is found through it.
const ORDER: [Role; 3] = [Role::Redis, Role::Router, Role::App];
/// Where programs are that were not built beside this one.
const PROGRAMS_VARIABLE: &str = "SLUICE_BIN_DIR";

/// How it ended for one machine.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its droplet's name.
    pub(crate) droplet: String,
    /// What was changed, or why it could not be.
    pub(crate) report: Result<Report, String>,
}

impl Ended {
    /// True if it is as wanted now, or was.
    pub(crate) fn is_good(&self) -> bool {
        self.report.as_ref().is_ok_and(|report| report.stopped.is_none())
    }
}

/// Configures the machines of one fleet.
pub(crate) struct Configured<'a> {
    context: &'a Context,
    session: &'a Session,
    bare: Bare<'a>,
}

impl<'a> Configured<'a> {
    /// For this command. Nothing is read yet.
    pub(crate) const fn new(context: &'a Context, session: &'a Session) -> Self {
        Self { context, session, bare: Bare::new(context, session) }
    }

    /// Everything that does not differ between machines: files of the operator, secrets, programs.
    ///
    /// # Errors
    /// If something is missing or wrong. Nothing has been sent then.
    pub(crate) fn files(&self) -> anyhow::Result<FleetFiles> {
        let password = self
            .context
            .secret(&self.session.spec, &self.session.spec.redis.password)
            .context("read the password of Redis")?;
        let key = deployment::key(self.context)?;
        let settings = ReadSettings {
            spec: &self.session.spec,
            folder: &self.context.folder(),
            programs: &programs()?,
            redis_password: password.expose(),
            deploy_key: key.reveal(),
        };
        Ok(FleetFiles::read(&settings)?)
    }

    /// Configures these droplets, in the order of their roles; each ending is told at once. One that cannot be reached, or has no
    /// address yet, is an ending of its own.
    ///
    /// # Errors
    /// If there is no machine with Redis, or a router would refuse its configuration. Nothing has been sent then.
    pub(crate) async fn machines(
        &self,
        files: &FleetFiles,
        droplets: &[Droplet],
        mode: Mode,
        tell: impl Fn(&Ended),
    ) -> anyhow::Result<Vec<Ended>> {
        let peers = Peers { redis: self.redis().await? };
        let mut work = BTreeMap::<usize, Vec<_>>::new();
        let mut all = Vec::new();
        for droplet in droplets {
            let Some(pool) = self.pool_of(droplet) else { continue };
            let (remote, address) = match self.way_to(droplet) {
                Ok(way) => way,
                Err(fault) => {
                    all.push(Ended { droplet: droplet.name.clone(), report: Err(format!("{fault:#}")) });
                    continue;
                }
            };
            let machine = Machine { name: droplet.name.clone(), address, root: remote.layout().root().to_owned() };
            let needs = files.manifest(pool, &machine, peers)?;
            let place = ORDER.iter().position(|role| pool.roles.contains(role)).unwrap_or(ORDER.len());
            work.entry(place).or_default().push((remote, needs));
        }
        all.iter().for_each(&tell);
        for (_, machines) in work {
            let deeds = machines.into_iter().map(|(remote, needs)| async move {
                let report = configure(files, &remote, &needs, mode).await;
                Ended { droplet: remote.name().to_owned(), report: report.map_err(|error| error.to_string()) }
            });
            let mut deeds = futures_util::stream::iter(deeds).buffer_unordered(AT_ONCE_MAX);
            while let Some(ended) = deeds.next().await {
                tell(&ended);
                all.push(ended);
            }
        }
        all.sort_by(|one, other| one.droplet.cmp(&other.droplet));
        Ok(all)
    }

    /// Configures the whole fleet and says how it went; true if every machine is as wanted.
    ///
    /// # Errors
    /// If nothing could be sent.
    pub(crate) async fn configure_fleet(&self) -> anyhow::Result<bool> {
        let files = self.files()?;
        let droplets = self.session.cloud.droplets(&tags::fleet(&self.session.spec.fleet)).await?;
        let what = format!("{} machines", droplets.len());
        let deed = self.machines(&files, &droplets, Mode::Apply, |ended| tell(self.context, ended));
        let all =
            self.session.audited(&what, deed, |all| format!("{} of {} are as wanted", good(all), all.len())).await?;
        Ok(all.iter().all(Ended::is_good))
    }

    /// The private address of the machine with Redis.
    async fn redis(&self) -> anyhow::Result<std::net::IpAddr> {
        let with_redis = self.session.cloud.droplets(&tags::role(&self.session.spec.fleet, Role::Redis)).await?;
        match with_redis.as_slice() {
            [only] => private(only),
            [] => bail!("no droplet has the role `redis`: run `sluice-infra apply`"),
            [..] => bail!("several droplets have the role `redis`: run `sluice-infra apply`, it is not finished"),
        }
    }

    /// How a droplet is reached, and its address among the others.
    fn way_to(&self, droplet: &Droplet) -> anyhow::Result<(Ssh, std::net::IpAddr)> {
        Ok((reach(self.context, self.session, droplet)?, private(droplet)?))
    }

    fn pool_of(&self, droplet: &Droplet) -> Option<&Pool> {
        tags::value(&droplet.tags, &self.session.spec.fleet, "pool").and_then(|pool| self.session.spec.pool(pool))
    }
}

#[async_trait]
impl Handover for Configured<'_> {
    async fn arrived(&self, droplets: &[Droplet]) -> Result<(), String> {
        let files = self.files().map_err(|error| format!("{error:#}"))?;
        let all = self.machines(&files, droplets, Mode::Apply, |ended| tell(self.context, ended)).await;
        let all = all.map_err(|error| format!("{error:#}"))?;
        match all.iter().find(|ended| !ended.is_good()) {
            None => Ok(()),
            Some(ended) => Err(line(ended)),
        }
    }

    async fn leaving(&self, id: &DropletId, name: &str) {
        self.bare.leaving(id, name).await;
    }
}

/// How many are as wanted.
pub(crate) fn good(all: &[Ended]) -> usize {
    all.iter().filter(|ended| ended.is_good()).count()
}

/// Says at once how it ended for a machine.
pub(crate) fn tell(context: &Context, ended: &Ended) {
    context.say(&line(ended));
}

fn line(ended: &Ended) -> String {
    let droplet = &ended.droplet;
    match &ended.report {
        Err(reason) => format!("{droplet}: FAILED: {reason}"),
        Ok(Report { stopped: Some(stopped), .. }) => {
            format!("{droplet}: FAILED at {}: {}", stopped.resource, stopped.reason)
        }
        Ok(report) if report.changes.is_empty() => {
            format!("{droplet}: nothing to change ({} as wanted)", report.unchanged)
        }
        Ok(report) if report.dry_run => {
            format!("{droplet}: {} would change, {} as wanted", report.changes.len(), report.unchanged)
        }
        Ok(report) => format!("{droplet}: {} changed, {} as wanted", report.changes.len(), report.unchanged),
    }
}

/// The address among the droplets.
fn private(droplet: &Droplet) -> anyhow::Result<std::net::IpAddr> {
    let address = droplet.private_address.or(droplet.public_address);
    address.with_context(|| format!("{} has no address yet", droplet.name))
}

/// Our programs: beside this one, or in the folder that the environment names.
pub(crate) fn programs() -> anyhow::Result<Programs> {
    let agent = std::env::current_exe().context("find this program's own file")?;
    let named = std::env::var_os(PROGRAMS_VARIABLE).map(PathBuf::from);
    let folder = named.unwrap_or_else(|| agent.parent().unwrap_or_else(|| Path::new(".")).to_owned());
    Ok(Programs { router: folder.join("sluice"), agent })
}
