//! Droplets in network namespaces: each has one veth into its cloud's bridge. The bridge's name says which /24 it is, so
//! that making it is the claim: the kernel makes no second one of that name.
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
            match self.make_bridge(subnet, owner).await {
                Ok(()) => return Ok(subnet),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    pub(super) async fn hold(&self, subnet: Subnet, owner: &Path) -> Result<(), CloudError> {
        let name = bridge(subnet);
        if !self.links().await?.contains(&name) {
            return self.make_bridge(subnet, owner).await;
        }
        let shown = self.ip_says(&["-oneline", "link", "show", "dev", &name]).await?;
        if shown.contains(&format!("alias {}", alias(owner))) {
            return Ok(());
        }
        let message = format!("10.{}.{}.0/24 is used by another cloud: {shown}", subnet.second, subnet.third);
        Err(CloudError::Machine { message })
    }

    async fn make_bridge(&self, subnet: Subnet, owner: &Path) -> Result<(), CloudError> {
        let name = bridge(subnet);
        self.ip(&["link", "add", "name", &name, "type", "bridge"], "").await?;
        let gateway = subnet.address(1);
        let alias = alias(owner);
        let made = async {
            self.ip(&["link", "set", "dev", &name, "alias", &alias], "").await?;
            self.ip(&["address", "add", &format!("{gateway}/24"), "dev", &name], "").await?;
            self.ip(&["link", "set", "dev", &name, "up"], "").await
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
        let name = bridge(subnet);
        if self.links().await?.contains(&name) { self.ip(&["link", "delete", "dev", &name], "").await } else { Ok(()) }
    }

    pub(super) async fn connect(&self, droplet: &Record, rules: &str) -> Result<(), CloudError> {
        self.disconnect(droplet).await?;
        let Subnet { second, third, .. } = droplet.subnet;
        let (name, host, link) = (namespace(droplet), droplet.host, link(droplet));
        let (address, gateway, bridge) = (droplet.address, droplet.subnet.address(1), bridge(droplet.subnet));
        // The hardware address follows from the other, so that neighbours need not learn a new one when it is used again.
        let outside = format!(
            "netns add {name}\n\
             link add {link} type veth peer name {INTERFACE} address 02:00:0a:{second:02x}:{third:02x}:{host:02x} netns {name}\n\
             link set {link} master {bridge} up\n"
        );
        self.ip(&["-batch", "-"], &outside).await?;
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
        let (name, link) = (namespace(droplet), link(droplet));
        // The kernel takes a namespace apart in its own time; the interface in it, and so its other end, is gone at once.
        if self.links().await?.contains(&link) {
            self.ip(&["link", "delete", "dev", &link], "").await?;
        }
        if self.exists(&name).await? { self.ip(&["netns", "delete", &name], "").await } else { Ok(()) }
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

    /// Names of this machine's interfaces.
    async fn links(&self) -> Result<Vec<String>, CloudError> {
        let shown = self.ip_says(&["-brief", "link", "show"]).await?;
        let name = |line: &str| line.split([' ', '@']).next().map(ToOwned::to_owned);
        Ok(shown.lines().filter_map(name).collect())
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

/// At most 13 bytes; the kernel takes 15 (`IFNAMSIZ`, less the zero).
fn bridge(subnet: Subnet) -> String {
    format!("sluice{}.{}", subnet.second, subnet.third)
}

/// At most 13 bytes.
fn link(droplet: &Record) -> String {
    format!("sl{}.{}.{}", droplet.subnet.second, droplet.subnet.third, droplet.host)
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
        let mut droplet = record(254);
        droplet.subnet = Subnet { mode: Mode::Namespaces, second: 255, third: 255 };
        assert_eq!((bridge(droplet.subnet).as_str(), link(&droplet).as_str()), ("sluice255.255", "sl255.255.254"));
        assert!(bridge(droplet.subnet).len() <= 15 && link(&droplet).len() <= 15);
        let deep = format!("/{}/local", "ä".repeat(300));
        let alias = alias(Path::new(&deep));
        assert!(alias.len() <= ALIAS_BYTES_MAX && alias.ends_with("/local"));
    }
}
