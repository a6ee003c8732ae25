//! Droplets in network namespaces: each is plugged into its cloud's switch, a bridge in a namespace of its own, since a
//! bridge of the machine's would be under the machine's firewall (Docker's drops whatever is forwarded). The switch's name
//! says which /24 it is, so that making it is the claim: there is no second namespace of that name.
//!
//! This machine is .1 and the droplets' way out; nothing of its own network is changed, and it forwards nothing for them.
//! Processes are not in a namespace of their own: a controller that runs in a droplet has to see and steer the others,
//! and steps back into the machine's own namespaces for it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Output;

use super::{Mode, Subnet};
use crate::error::CloudError;
use crate::local::book::Record;
use crate::local::guard;
use crate::local::program::{find, run};

/// Each droplet has an address of its own, so its sshd has the usual port.
pub(super) const SSH_PORT: u16 = 22;
/// What a droplet's interface is called within.
const INTERFACE: &str = "eth0";
/// What the bridge is called in its namespace.
const BRIDGE: &str = "bridge";
/// The switch's end of the way to this machine.
const HOST_PORT: &str = "host";
/// Longest alias of an interface that the kernel keeps (`IFALIASZ`), less the zero at its end.
const ALIAS_BYTES_MAX: usize = 255;

/// The programs that it takes.
#[derive(Clone, Debug)]
pub(super) struct Tools {
    ip: PathBuf,
    nft: PathBuf,
    /// What stands before a command that changes this machine: nothing, or what leads out of the droplet that we are in.
    out: Vec<OsString>,
}

/// Tries what a droplet needs, on a namespace of its own that it removes again.
///
/// # Errors
/// [`CloudError::Machine`] with the first thing that this machine cannot do.
pub(super) async fn probe() -> Result<Tools, CloudError> {
    if !rustix::process::geteuid().is_root() {
        return Err(CloudError::Machine { message: "namespaces need root".into() });
    }
    let tools = Tools::find()?;
    let name = format!("sluice-probe-{:08x}", rand::random::<u32>());
    tools.ip(&["netns", "add", &name], "").await?;
    let tried = tools.try_in(&name).await;
    let removed = tools.ip(&["netns", "delete", &name], "").await;
    tried.and(removed)?;
    Ok(tools)
}

impl Tools {
    pub(super) fn find() -> Result<Self, CloudError> {
        Ok(Self {
            ip: needed("ip", "SLUICE_IP", "iproute2")?,
            nft: needed("nft", "SLUICE_NFT", "nftables")?,
            out: way_out()?,
        })
    }

    async fn try_in(&self, namespace: &str) -> Result<(), CloudError> {
        let bridge = format!("slp{:08x}", rand::random::<u32>());
        self.ip(&["-n", namespace, "link", "add", &bridge, "type", "bridge"], "").await?;
        self.ip(&["-n", namespace, "link", "add", "slp0", "type", "veth", "peer", "name", "slp1"], "").await?;
        let nft = self.nft.to_string_lossy();
        let rules = "table inet probe { chain c { type filter hook input priority filter; policy drop; \
                     ct state established accept; ip saddr 10.0.0.1/32 tcp dport 1-2 accept; }; }\n";
        self.ip(&["netns", "exec", namespace, &nft, "-f", "-"], rules).await
    }

    pub(super) async fn claim(&self, owner: &Path) -> Result<Subnet, CloudError> {
        let routes = self.ip_says(&["-4", "route", "show"]).await?;
        let mut last = CloudError::Machine { message: "all of 10.64.0.0/10 is used by this machine".into() };
        for _ in 0..Subnet::TRIES_MAX {
            let subnet = Subnet::any(Mode::Namespaces);
            let near = format!("10.{}.", subnet.second);
            if routes.lines().any(|route| route.starts_with(&near)) {
                continue;
            }
            match self.make_switch(subnet, owner).await {
                Ok(()) => return Ok(subnet),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    pub(super) async fn hold(&self, subnet: Subnet, owner: &Path) -> Result<(), CloudError> {
        if !self.exists(&switch(subnet)).await? {
            return self.make_switch(subnet, owner).await;
        }
        let shown = self.ip_says(&["-oneline", "link", "show", "dev", &host_link(subnet)]).await?;
        if shown.contains(&format!("alias {}", alias(owner))) {
            return Ok(());
        }
        let message = format!("10.{}.{}.0/24 is used by another cloud: {shown}", subnet.second, subnet.third);
        Err(CloudError::Machine { message })
    }

    async fn make_switch(&self, subnet: Subnet, owner: &Path) -> Result<(), CloudError> {
        let (switch, link, gateway) = (switch(subnet), host_link(subnet), subnet.address(1));
        self.ip(&["netns", "add", &switch], "").await?;
        let outside = format!(
            "link add {link} type veth peer name {HOST_PORT} netns {switch}\n\
             address add {gateway}/24 dev {link}\n\
             link set {link} up\n"
        );
        let inside = format!(
            "link add {BRIDGE} type bridge\n\
             link set {BRIDGE} up\n\
             link set {HOST_PORT} master {BRIDGE} up\n"
        );
        let made = async {
            self.ip(&["-batch", "-"], &outside).await?;
            self.ip(&["link", "set", "dev", &link, "alias", &alias(owner)], "").await?;
            self.ip(&["-n", &switch, "-batch", "-"], &inside).await
        };
        match made.await {
            Ok(()) => Ok(()),
            Err(error) => {
                // Not ours to keep half-made.
                let _left = self.release(subnet).await;
                Err(error)
            }
        }
    }

    pub(super) async fn release(&self, subnet: Subnet) -> Result<(), CloudError> {
        self.delete_link(None, &host_link(subnet)).await?;
        self.delete_namespace(&switch(subnet)).await
    }

    pub(super) async fn connect(&self, droplet: &Record, rules: &str) -> Result<(), CloudError> {
        self.disconnect(droplet).await?;
        let Subnet { second, third, .. } = droplet.subnet;
        let (name, host, port) = (namespace(droplet), droplet.host, port(droplet));
        let (address, gateway) = (droplet.address, droplet.subnet.address(1));
        self.ip(&["netns", "add", &name], "").await?;
        // The hardware address follows from the other, so that neighbours need not learn a new one when it is used again.
        let outside = format!(
            "link add {port} type veth peer name {INTERFACE} address 02:00:0a:{second:02x}:{third:02x}:{host:02x} netns {name}\n\
             link set {port} master {BRIDGE} up\n"
        );
        self.ip(&["-n", &switch(droplet.subnet), "-batch", "-"], &outside).await?;
        self.enforce(droplet, rules).await?;
        let inside = format!(
            "link set lo up\n\
             address add {address}/24 dev {INTERFACE}\n\
             link set {INTERFACE} up\n\
             route add default via {gateway}\n"
        );
        self.ip(&["-n", &name, "-batch", "-"], &inside).await
    }

    pub(super) async fn enforce(&self, droplet: &Record, rules: &str) -> Result<(), CloudError> {
        let name = namespace(droplet);
        if !self.exists(&name).await? {
            return Ok(());
        }
        self.ip(&["netns", "exec", &name, &self.nft.to_string_lossy(), "-f", "-"], rules).await
    }

    pub(super) async fn disconnect(&self, droplet: &Record) -> Result<(), CloudError> {
        // The kernel takes a namespace apart in its own time; a port of the switch that is removed is gone at once.
        let switch = switch(droplet.subnet);
        if self.exists(&switch).await? {
            self.delete_link(Some(&switch), &port(droplet)).await?;
        }
        self.delete_namespace(&namespace(droplet)).await
    }

    pub(super) fn within(&self, droplet: &Record) -> Vec<OsString> {
        let exec = ["netns", "exec", &namespace(droplet)].map(OsString::from);
        [self.ip.clone().into()].into_iter().chain(exec).collect()
    }

    pub(super) fn out(&self) -> Vec<OsString> {
        self.out.clone()
    }

    pub(super) async fn processes(&self, droplet: &Record) -> Result<Vec<i32>, CloudError> {
        let name = namespace(droplet);
        if !self.exists(&name).await? {
            return Ok(Vec::new());
        }
        let listed = self.ip_says(&["netns", "pids", &name]).await?;
        Ok(listed.lines().filter_map(|line| line.trim().parse().ok()).collect())
    }

    async fn delete_link(&self, namespace: Option<&str>, link: &str) -> Result<(), CloudError> {
        let within: Vec<&str> = namespace.map(|name| ["-n", name]).into_iter().flatten().collect();
        let shown = self.ip_says(&[&within, &["-brief", "link", "show"][..]].concat()).await?;
        if !shown.lines().any(|line| line.split([' ', '@']).next() == Some(link)) {
            return Ok(());
        }
        self.ip(&[&within, &["link", "delete", "dev", link][..]].concat(), "").await
    }

    async fn delete_namespace(&self, name: &str) -> Result<(), CloudError> {
        if self.exists(name).await? { self.ip(&["netns", "delete", name], "").await } else { Ok(()) }
    }

    async fn exists(&self, namespace: &str) -> Result<bool, CloudError> {
        let listed = self.ip_says(&["netns", "list"]).await?;
        Ok(listed.lines().any(|line| line.split(' ').next() == Some(namespace)))
    }

    async fn ip(&self, arguments: &[&str], input: &str) -> Result<(), CloudError> {
        self.run(arguments, input).await.map(drop)
    }

    async fn ip_says(&self, arguments: &[&str]) -> Result<String, CloudError> {
        let output = self.run(arguments, "").await?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    async fn run(&self, arguments: &[&str], input: &str) -> Result<Output, CloudError> {
        let words: Vec<&OsStr> = self.out.iter().map(OsString::as_os_str).chain([self.ip.as_os_str()]).collect();
        let (program, before) = words.split_first().expect("invariant: there is at least `ip`");
        let arguments = before.iter().copied().chain(arguments.iter().map(OsStr::new));
        run(Path::new(program), &arguments.collect::<Vec<_>>(), input).await
    }
}

fn needed(name: &str, variable: &str, package: &str) -> Result<PathBuf, CloudError> {
    let message = format!("namespaces need the program `{name}` (Debian: package {package})");
    find(name, variable).ok_or(CloudError::Machine { message })
}

/// If we run in a droplet ourselves, as a controller does: through its guard, which is in the namespaces of the machine.
fn way_out() -> Result<Vec<OsString>, CloudError> {
    let root = std::env::var_os("SLUICE_ROOT").map(PathBuf::from);
    let Some(guard) = root.as_deref().and_then(Path::parent).and_then(guard::holder) else { return Ok(Vec::new()) };
    let nsenter = needed("nsenter", "SLUICE_NSENTER", "util-linux")?;
    let target = format!("--target={}", guard.as_raw_nonzero());
    Ok([nsenter.into()].into_iter().chain([&target, "--net", "--mount", "--"].map(OsString::from)).collect())
}

/// This machine's end of the way to the switch. At most 13 bytes; the kernel takes 15 (`IFNAMSIZ`, less the zero).
fn host_link(subnet: Subnet) -> String {
    format!("sluice{}.{}", subnet.second, subnet.third)
}

/// The namespace of the bridge.
fn switch(subnet: Subnet) -> String {
    format!("sluice-{}.{}.switch", subnet.second, subnet.third)
}

/// The switch's end of the way to a droplet.
fn port(droplet: &Record) -> String {
    format!("port{}", droplet.host)
}

fn namespace(droplet: &Record) -> String {
    format!("sluice-{}.{}.{}", droplet.subnet.second, droplet.subnet.third, droplet.host)
}

/// Whose bridge it is: the end of the path, which is where paths differ.
fn alias(owner: &Path) -> String {
    let owner = owner.display().to_string();
    let mut start = owner.len().saturating_sub(ALIAS_BYTES_MAX);
    while !owner.is_char_boundary(start) {
        start += 1;
    }
    owner[start..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::book::tests::record;

    #[test]
    fn names_fit_into_what_the_kernel_takes() {
        let widest = Subnet { mode: Mode::Namespaces, second: 255, third: 255 };
        assert_eq!(host_link(widest), "sluice255.255");
        assert!(host_link(widest).len() <= 15 && port(&record(254)).len() <= 15);
        let deep = format!("/{}/local", "ä".repeat(300));
        let alias = alias(Path::new(&deep));
        assert!(alias.len() <= ALIAS_BYTES_MAX && alias.ends_with("/local"));
    }
}
