//! From files to a release that serves: start it beside the one that does, health, lease, drain, stop.
//!
//! In each order of these steps some server holds a lease that routers know and answers: the new one before the old one
//! drains, the old one until nobody is connected any more.

use std::path::Path;

use sluice_infra_host::{Outcome, Running, Standing};
use tokio::time::{Instant, sleep};

use super::receive::{Release, Update};
use super::store::now_ms;
use super::unit::{next_port, service_name};
use super::{Droplet, DropletError, LOG_LINES, NOTICE, connections, file};
use crate::{RELEASE_REF, Say, described, short};

impl Droplet {
    /// What the post-receive hook does with what git tells it: release it, or put the branch back.
    ///
    /// # Errors
    /// Why the release does not serve; the one before does.
    pub async fn take_push(&self, updates: &str, say: Say<'_>) -> Result<(), DropletError> {
        let update = Update::parse(updates)?;
        let outcome = self.release(&update.new, say).await;
        if outcome.is_err() {
            let git = self.repository();
            match &update.old {
                Some(old) => git.text(&["update-ref", RELEASE_REF, old, &update.new]).await?,
                None => git.text(&["update-ref", "-d", RELEASE_REF, &update.new]).await?,
            };
            say("the branch is put back, so that the next push begins where this one did");
        }
        outcome
    }

    /// Makes this release commit, which is in the repository, the one that serves; nothing to do if it is.
    ///
    /// # Errors
    /// Why it does not serve; the one before does.
    pub async fn release(&self, commit: &str, say: Say<'_>) -> Result<(), DropletError> {
        let release = self.sealed(&self.repository(), commit).await?;
        let _turn = self.take_turn(&release.source)?;
        let outcome = self.unpack_and_switch(&release, say).await;
        self.keep_outcome(&release.source, outcome).await
    }

    async fn unpack_and_switch(&self, release: &Release, say: Say<'_>) -> Result<(), DropletError> {
        self.recover(say).await?;
        if self.serves(&release.source).await? {
            say(&format!("{} serves already", short(&release.source)));
            return Ok(());
        }
        let files = super::tree::examine(&self.repository(), &release.tree).await?;
        super::unpack::check_space(&self.layout.releases(&self.app.name), &files)?;
        let folder = self.unpack(release).await?;
        say(&format!("unpacked {} files of {} ({})", files.count, short(&release.source), short(&release.commit)));
        self.switch_to(&release.source, &folder, say).await?;
        self.prune()
    }

    /// Starts the release in this folder, and lets it take over once it is fit.
    pub(super) async fn switch_to(&self, commit: &str, folder: &Path, say: Say<'_>) -> Result<(), DropletError> {
        let new = self.start(commit, folder).await?;
        say(&format!("started {} as {}, at {}", short(commit), new.service, new.address));
        if let Err(error) = self.come_up(&new).await {
            self.show_log(&new.service, say).await;
            self.discard(&new.service).await?;
            say(&format!("{} was stopped; what served before serves on", short(commit)));
            return Err(error);
        }
        say(&format!("{} is healthy", short(commit)));
        let serving = new.service.clone();
        let leased = self.move_leases(move |releases| {
            if let Some(new) = releases.of_service(&serving) {
                new.standing = Standing::Serving;
            }
        });
        if let Err(error) = leased.await {
            self.discard(&new.service).await?;
            say(&format!("{} was stopped, for no router can learn of it; what served before serves on", short(commit)));
            return Err(error);
        }
        let old = self.others(&new.service)?;
        if !old.is_empty() {
            sleep(NOTICE).await;
        }
        let (source, service) = (commit.to_owned(), new.service.clone());
        self.move_leases(move |releases| {
            let before = releases.current.replace(source.clone());
            releases.previous = before.filter(|before| *before != source).or_else(|| releases.previous.take());
            let others = releases.running.iter_mut().filter(|running| running.service != service);
            others.for_each(|running| running.standing = Standing::Draining);
        })
        .await?;
        self.retire(&old, say).await?;
        say(&format!("{} serves", short(commit)));
        Ok(())
    }

    /// Lets those end that drain, and stops them.
    pub(super) async fn retire(&self, draining: &[Running], say: Say<'_>) -> Result<(), DropletError> {
        if draining.is_empty() {
            return Ok(());
        }
        sleep(NOTICE).await;
        let addresses: Vec<_> = draining.iter().filter_map(|running| running.address.parse().ok()).collect();
        let left = connections::wait_for_none(&addresses, Instant::now() + self.app.drain).await;
        if left > 0 {
            say(&format!(
                "{left} connections still stand after {} s; the app is asked to end",
                self.app.drain.as_secs()
            ));
        }
        for running in draining {
            self.discard(&running.service).await?;
            say(&format!("stopped {} ({})", short(&running.commit), running.service));
        }
        Ok(())
    }

    /// Writes the service down and starts it.
    async fn start(&self, commit: &str, folder: &Path) -> Result<Running, DropletError> {
        let releases = self.releases()?;
        let port = next_port(&self.app, self.config.address, &releases);
        let port = port.ok_or_else(|| DropletError::NoRelease("no port is free for another release".to_owned()))?;
        let service = service_name(&self.app.name, port);
        let running = Running {
            lease: format!("{}-{}-{port}", self.config.droplet, self.app.name),
            commit: commit.to_owned(),
            address: self.address(port).to_string(),
            service,
            standing: Standing::Starting,
            started_ms: now_ms(),
        };
        let unit = self.unit(commit, folder, port)?;
        let written = running.clone();
        self.change(move |releases| releases.running.insert(0, written)).await?;
        let started = async {
            self.init.install(&unit).await?;
            self.init.start(&unit.name).await
        };
        if let Err(error) = started.await {
            self.discard(&running.service).await?;
            return Err(error.into());
        }
        Ok(running)
    }

    async fn come_up(&self, new: &Running) -> Result<(), DropletError> {
        let address = new.address.parse().map_err(|_other| DropletError::NoRelease(new.address.clone()))?;
        self.fit(&new.service, address).await
    }

    /// Stops a service and forgets it.
    pub(super) async fn discard(&self, service: &str) -> Result<(), DropletError> {
        self.init.remove(service).await?;
        self.remove_secrets(service);
        self.forget(service).await
    }

    async fn show_log(&self, service: &str, say: Say<'_>) {
        match self.init.log(service, LOG_LINES).await {
            Ok(lines) if lines.is_empty() => say("it printed nothing"),
            Ok(lines) => {
                say(&format!("the last {} lines of its log:", lines.len()));
                lines.iter().for_each(|line| say(&format!("  {line}")));
            }
            Err(error) => say(&format!("its log cannot be had: {error}")),
        }
    }

    fn others(&self, service: &str) -> Result<Vec<Running>, DropletError> {
        Ok(self.releases()?.running.into_iter().filter(|running| running.service != service).collect())
    }

    /// Writes down how it ended, for whoever asks later.
    pub(super) async fn keep_outcome(
        &self,
        commit: &str,
        outcome: Result<(), DropletError>,
    ) -> Result<(), DropletError> {
        let fault = outcome.as_ref().err().map(|error| described(error));
        let last = Outcome { commit: commit.to_owned(), at_ms: now_ms(), fault };
        self.change(move |releases| releases.last = Some(last)).await?;
        outcome
    }

    /// True if a release of this commit serves and lives.
    pub(super) async fn serves(&self, commit: &str) -> Result<bool, DropletError> {
        let releases = self.releases()?;
        let is_it = |running: &&Running| running.commit == commit && running.standing == Standing::Serving;
        let Some(running) = releases.running.iter().find(is_it) else { return Ok(false) };
        let lives =
            matches!(self.init.status(&running.service).await?, sluice_infra_host::ServiceStatus::Running { .. });
        Ok(lives && releases.current.as_deref() == Some(commit))
    }

    /// What was being unpacked when a hook was killed.
    pub(super) fn remove_leftovers(&self) -> Result<(), DropletError> {
        let folder = self.layout.releases(&self.app.name);
        let is_new = |name: &std::ffi::OsStr| name.to_str().is_some_and(|name| name.starts_with(".new-"));
        let left = std::fs::read_dir(folder).into_iter().flatten().flatten().filter(|entry| is_new(&entry.file_name()));
        left.into_iter()
            .try_for_each(|entry| std::fs::remove_dir_all(entry.path()))
            .map_err(|source| file("remove what a crash left behind", source))
    }
}
