//! A router's admin API, as the operator's machine reaches it: the router listens on its own loopback, and ssh leads there.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde::de::DeserializeOwned;
use sluice_infra_cloud::Droplet;
use sluice_infra_spec::Role;

use crate::context::Context;
use crate::deployment::reach;
use crate::machines;
use crate::session::Session;

/// The environment variable with the token of the admin port, if it asks for one; the program `sluice` takes it from there too.
const TOKEN_VARIABLE: &str = "SLUICE_ADMIN_TOKEN";
/// Longest wait for ssh to listen.
const START_MAX: Duration = Duration::from_secs(30);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);
/// Longest wait for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// The way to a router's admin API; closed when it is dropped.
pub(crate) struct Tunnel {
    ssh: Child,
    port: u16,
    /// ssh ends with whoever holds it.
    _leash: Option<ChildStdin>,
}

impl Tunnel {
    /// Opens it on a port of this machine, 0 = a free one, to this router's droplet or to the first of them.
    ///
    /// # Errors
    /// If there is no such droplet, or ssh does not get through.
    pub(crate) async fn open(
        context: &Context,
        session: &Session,
        router: Option<&str>,
        port: u16,
    ) -> anyhow::Result<Self> {
        let port = free(port)?;
        let droplet = match router {
            Some(name) => machines::named(session, name).await?,
            None => machines::with_role(session, Role::Router).await?,
        };
        let ssh = reach(context, session, &droplet)?;
        let there = admin(session, &droplet)?;
        let mut command = machines::forward(&ssh, port, there);
        let mut ssh = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().context("start ssh")?;
        let leash = ssh.stdin.take();
        let mut tunnel = Self { ssh, port, _leash: leash };
        tunnel.wait_until_open().await?;
        Ok(tunnel)
    }

    /// Where the admin API is, on this machine.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Stays until ssh ends.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub(crate) fn stay(mut self) -> anyhow::Result<ExitStatus> {
        self.ssh.wait().context("wait for ssh")
    }

    /// What the admin API answers to a `GET`.
    ///
    /// # Errors
    /// If it does not answer, refuses, or answers something else.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let client =
            reqwest::Client::builder().no_proxy().timeout(ANSWER_MAX).build().context("make an HTTP client")?;
        let mut request = client.get(format!("{}{path}", self.url()));
        if let Ok(token) = std::env::var(TOKEN_VARIABLE) {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.context("ask the router's admin API")?;
        let status = answer.status();
        ensure!(status.as_u16() != 401, "the router's admin API asks for a token: put it into {TOKEN_VARIABLE}");
        ensure!(status.is_success(), "the router's admin API answers {status}");
        answer.json().await.context("understand the router's answer: is it of this version?")
    }

    async fn wait_until_open(&mut self) -> anyhow::Result<()> {
        let until = tokio::time::Instant::now() + START_MAX;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            if let Some(status) = self.ssh.try_wait().context("look after ssh")? {
                bail!("ssh ended with {status} before the tunnel was open");
            }
            ensure!(tokio::time::Instant::now() < until, "the tunnel was not open within {} s", START_MAX.as_secs());
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.ssh.kill();
        let _waited = self.ssh.wait();
    }
}

/// Where the router's admin API listens, as its machine sees it.
fn admin(session: &Session, droplet: &Droplet) -> anyhow::Result<SocketAddr> {
    let address = droplet.private_address.or(droplet.public_address);
    let address = address.with_context(|| format!("{} has no address yet", droplet.name))?;
    Ok(sluice_infra_configure::admin_address(&session.spec, address))
}

/// The port, or a free one in the place of 0: ssh does not say which one it took.
fn free(port: u16) -> anyhow::Result<u16> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| format!("listen on 127.0.0.1:{port}"))?;
    Ok(listener.local_addr().context("read the port")?.port())
}
