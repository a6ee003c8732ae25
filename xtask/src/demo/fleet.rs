//! The programs of a demo: started in order, watched, stopped in the reverse order.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::admin::{Addresses, Router};
use super::child::{self, Child};
use super::folder::Folder;
use super::interrupts::Interrupts;
use super::store::Store;
use crate::say;
use crate::workspace::Workspace;

/// For a program to come up, on a machine that is busy with a build.
const START_MAX: Duration = Duration::from_secs(60);
/// For a program to end: longer than the router's own drain of 10 s, which ends idle and slow connections.
const STOP_MAX: Duration = Duration::from_secs(20);
/// The servers: id and release.
const SERVERS: [(&str, &str); 3] = [("stable-1", "stable"), ("stable-2", "stable"), ("canary-1", "canary")];
/// The `edge` of `app/demo/sluice.toml`: the name of this fleet in a Redis that others use too.
const EDGE: &str = "demo";
/// How a server says where it listens.
const LISTENING: &str = "listening http://";

/// All that runs.
pub(super) struct Fleet<'a> {
    workspace: &'a Workspace,
    folder: &'a Folder,
    store: &'a Store,
    redis: Vec<Child>,
    router: Option<Child>,
    servers: Vec<Child>,
}

impl<'a> Fleet<'a> {
    /// Nothing runs yet.
    pub(super) fn new(workspace: &'a Workspace, folder: &'a Folder, store: &'a Store) -> Self {
        Self { workspace, folder, store, redis: Vec::new(), router: None, servers: Vec::new() }
    }

    /// Where its files are.
    pub(super) fn folder(&self) -> &Folder {
        self.folder
    }

    /// Makes sure that the store answers; starts a Redis if that is possible and needed.
    pub(super) fn start_store(&mut self, interrupts: &Interrupts) -> Result<()> {
        let Store::Redis(redis) = self.store else { return Ok(()) };
        if redis.answers()? {
            say::step("using the Redis that runs there already");
            return Ok(());
        }
        self.redis.push(redis.start(&self.folder.redis_data(), &self.folder.logs())?);
        interrupts.wait("Redis to answer", START_MAX, || {
            self.redis.iter_mut().try_for_each(fail_if_ended)?;
            Ok(redis.answers()?.then_some(()))
        })
    }

    /// Starts the router and gives flag and rollout the values that the demo begins with.
    pub(super) fn start_router(&mut self, interrupts: &Interrupts) -> Result<Addresses> {
        say::step("starting the router");
        let mut command = Command::new(self.workspace.program("sluice"));
        command.arg("run").arg("--config").arg(self.folder.process_config());
        let child = self.router.insert(Child::start("sluice", command, "ready ", &self.folder.logs())?);
        let line = interrupts.wait("the router to listen", START_MAX, || {
            fail_if_ended(child)?;
            Ok(child.announced())
        })?;
        let addresses =
            Addresses::from_line(&line).with_context(|| format!("read the router's addresses: `{line}`"))?;
        let router = Router::new(&addresses);
        interrupts.wait("the router to be ready", START_MAX, || {
            fail_if_ended(child)?;
            Ok(router.is_ready().then_some(()))
        })?;
        router.reset().context("set the flag and the rollout of the demo")?;
        Ok(addresses)
    }

    /// Starts the servers and waits until the router knows them all and a request comes through.
    pub(super) fn start_servers(&mut self, addresses: &Addresses, interrupts: &Interrupts) -> Result<()> {
        say::step("starting two stable servers and one canary");
        for (id, release) in SERVERS {
            let command = self.server(id, release, &addresses.admin);
            self.servers.push(Child::start(id, command, LISTENING, &self.folder.logs())?);
        }
        let router = Router::new(addresses);
        let router_process = self.router.as_mut().context("the router starts before its servers")?;
        let servers = &mut self.servers;
        interrupts.wait("the router to know all servers", START_MAX, || {
            fail_if_ended(router_process)?;
            servers.iter_mut().try_for_each(fail_if_ended)?;
            let own: Option<Vec<String>> = servers.iter().map(server_address).collect();
            let Some(own) = own else { return Ok(None) };
            let known = router.servers()?;
            Ok(own.iter().all(|address| known.contains(address)).then_some(()))
        })?;
        interrupts.wait("a request to come through", START_MAX, || Ok(router.serves().then_some(())))
    }

    fn server(&self, id: &str, release: &str, admin: &str) -> Command {
        let mut command = Command::new(self.workspace.program("meow"));
        command.args(["--listen", "127.0.0.1:0", "--edge", EDGE, "--id", id, "--release", release]);
        match self.store {
            Store::Embedded => command.args(["--register", admin, "--data"]).arg(self.folder.server_data()),
            Store::Redis(_) => command.args(["--register", self.store.url(), "--data", self.store.url()]),
        };
        command
    }

    /// Until a signal comes. The router must live; a server or a Redis that is killed is part of the game.
    pub(super) fn watch(&mut self, interrupts: &Interrupts) -> Result<()> {
        loop {
            interrupts.pause()?;
            self.router.as_mut().map_or(Ok(()), fail_if_ended)?;
            bury(&mut self.servers)?;
            bury(&mut self.redis)?;
        }
    }

    /// Servers first, so that they take their leave of the router; the store last.
    pub(super) fn stop(mut self, interrupts: &Interrupts) -> Result<()> {
        let mut router: Vec<Child> = self.router.take().into_iter().collect();
        let mut faults = Vec::new();
        for children in [&mut self.servers, &mut router, &mut self.redis] {
            faults.extend(child::stop(children, STOP_MAX, interrupts)?);
        }
        ensure!(faults.is_empty(), "{}", faults.join("\n"));
        Ok(())
    }
}

fn fail_if_ended(child: &mut Child) -> Result<()> {
    match child.ended()? {
        Some(status) => bail!("{}", child.obituary(status)),
        None => Ok(()),
    }
}

/// Takes leave of those that ended, with their last lines.
fn bury(children: &mut Vec<Child>) -> Result<()> {
    let mut index = 0;
    while let Some(child) = children.get_mut(index) {
        match child.ended()? {
            None => index += 1,
            Some(status) => {
                say::step(child.obituary(status));
                say::note("the router goes on without it");
                children.remove(index);
            }
        }
    }
    Ok(())
}

fn server_address(child: &Child) -> Option<String> {
    Some(child.announced()?.strip_prefix(LISTENING)?.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dead_are_named_once_and_the_living_stay() {
        let folder = tempfile::tempdir().unwrap();
        let interrupts = Interrupts::listen().unwrap();
        let shell = |name: &str, script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            Child::start(name, command, LISTENING, folder.path()).unwrap()
        };
        let mut children =
            vec![shell("dead", "exit 1"), shell("alive", "echo listening http://127.0.0.1:7/; exec sleep 60")];
        let left = interrupts.wait("the end of the dead", START_MAX, || {
            bury(&mut children)?;
            Ok((children.len() == 1).then_some(()))
        });
        left.unwrap();
        let address = interrupts.wait("the address", START_MAX, || Ok(server_address(&children[0])));
        assert_eq!(address.unwrap(), "127.0.0.1:7");
        child::stop(&mut children, STOP_MAX, &interrupts).unwrap();
    }
}
