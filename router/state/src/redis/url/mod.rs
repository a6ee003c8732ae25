//! The URL of a store, from text to checked parts: where Redis is, who we are to it, and which files TLS takes.
//!
//! Connects nowhere and reads nothing.

mod fault;
mod options;

use std::path::PathBuf;

use percent_encoding::percent_decode_str;

pub use self::fault::UrlFault;
use self::options::Options;

/// The port of Redis unless the URL names another one.
const REDIS_PORT: u16 = 6_379;
/// The port of Sentinel unless the URL names another one.
const SENTINEL_PORT: u16 = 26_379;
/// Most hosts in one URL: one is asked after the other, and an outage must be found out in time.
const HOSTS_MAX: usize = 16;
/// Highest number of a database. A Cluster has only 0.
const DATABASE_MAX: u16 = 16_383;
/// A host with its port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) port: u16,
}

/// Where Redis is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Topology {
    /// One server.
    One { host: Host, database: u16 },
    /// Whoever these Sentinels say is the master of this name.
    Sentinel { sentinels: Vec<Host>, master: String, database: u16 },
    /// A Cluster that some of these nodes belong to.
    Cluster { nodes: Vec<Host> },
}

/// Where a password is.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) enum Password {
    /// There is none.
    #[default]
    None,
    /// In the URL itself.
    Text(String),
    /// In this environment variable.
    Environment(String),
    /// In this file, read at each connect.
    File(PathBuf),
}

/// Who we say we are.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: Option<String>,
    pub(super) password: Password,
}

/// The files of TLS, read at each connect. Without `ca`, the roots of the system count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TlsFiles {
    pub(super) ca: Option<PathBuf>,
    pub(super) pair: Option<(PathBuf, PathBuf)>,
}

/// A URL, checked.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) topology: Topology,
    pub(super) login: Login,
    /// Who we say we are to Sentinels.
    pub(super) sentinel_login: Login,
    /// `None` = in the clear.
    pub(super) tls: Option<TlsFiles>,
}

impl Url {
    /// Reads a URL.
    pub(super) fn parse(text: &str) -> Result<Self, UrlFault> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlFault::Scheme)?;
        if rest.contains('#') {
            return Err(UrlFault::Fragment);
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (userinfo, hosts) = authority.rsplit_once('@').map_or((None, authority), |(user, rest)| (Some(user), rest));
        let (is_tls, kind) = match scheme.strip_prefix("rediss") {
            Some(kind) => (true, kind),
            None => (false, scheme.strip_prefix("redis").ok_or(UrlFault::Scheme)?),
        };
        let topology = match kind {
            "" => one(hosts, path)?,
            "+sentinel" => sentinel(hosts, path)?,
            "-cluster" if path.is_empty() => Topology::Cluster { nodes: hosts_of(hosts, REDIS_PORT)? },
            "-cluster" => return Err(UrlFault::ClusterDatabase),
            _ => return Err(UrlFault::Scheme),
        };
        let mut url = Self {
            topology,
            login: userinfo.map(login).transpose()?.unwrap_or_default(),
            sentinel_login: Login::default(),
            tls: is_tls.then(TlsFiles::default),
        };
        Options::parse(query)?.apply(&mut url)?;
        Ok(url)
    }

    /// What tells this store from another one, without user and password. The order of hosts says nothing.
    pub(super) fn identity(&self) -> String {
        let list = |hosts: &[Host]| {
            let mut hosts: Vec<String> = hosts.iter().map(Host::to_string).collect();
            hosts.sort();
            hosts.join(",")
        };
        match &self.topology {
            Topology::One { host, database } => format!("{host}/{database}"),
            Topology::Sentinel { sentinels, master, database } => {
                format!("sentinel {}/{master}/{database}", list(sentinels))
            }
            Topology::Cluster { nodes } => format!("cluster {}", list(nodes)),
        }
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, port } = self;
        // An IPv6 address stands in brackets (RFC 3986 section 3.2.2).
        if name.contains(':') { write!(f, "[{name}]:{port}") } else { write!(f, "{name}:{port}") }
    }
}

fn one(hosts: &str, path: &str) -> Result<Topology, UrlFault> {
    let mut hosts = hosts_of(hosts, REDIS_PORT)?;
    let host = hosts.pop().ok_or(UrlFault::Host { number: 1 })?;
    if !hosts.is_empty() {
        return Err(UrlFault::Hosts);
    }
    Ok(Topology::One { host, database: database(path)? })
}

fn sentinel(hosts: &str, path: &str) -> Result<Topology, UrlFault> {
    let (master, database_text) = path.split_once('/').unwrap_or((path, ""));
    // What Sentinel itself takes as a name: letters, digits and . - _
    if master.is_empty() || !master.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        return Err(UrlFault::MasterName);
    }
    let sentinels = hosts_of(hosts, SENTINEL_PORT)?;
    Ok(Topology::Sentinel { sentinels, master: master.to_owned(), database: database(database_text)? })
}

fn database(text: &str) -> Result<u16, UrlFault> {
    if text.is_empty() {
        return Ok(0);
    }
    let number = text.parse().ok().filter(|number| *number <= DATABASE_MAX);
    number.ok_or(UrlFault::Database)
}

fn hosts_of(text: &str, port: u16) -> Result<Vec<Host>, UrlFault> {
    let hosts: Vec<&str> = text.split(',').collect();
    if hosts.len() > HOSTS_MAX {
        return Err(UrlFault::TooManyHosts);
    }
    hosts.iter().zip(1..).map(|(host, number)| host_of(host, number, port)).collect()
}

fn host_of(text: &str, number: usize, default: u16) -> Result<Host, UrlFault> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (name, port) = rest.split_once(']').ok_or(UrlFault::Host { number })?;
            let is_v6 = name.parse::<std::net::Ipv6Addr>().is_ok();
            (Some(name).filter(|_| is_v6), port.strip_prefix(':').or_else(|| port.is_empty().then_some("")))
        }
        None => {
            let (name, port) = text.split_once(':').unwrap_or((text, ""));
            let fits = |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
            (Some(name).filter(|name| !name.is_empty()).filter(fits), Some(port))
        }
    };
    let (Some(name), Some(port)) = (name, port) else { return Err(UrlFault::Host { number }) };
    let port = match port {
        "" => default,
        port => port.parse().ok().filter(|port| *port > 0).ok_or(UrlFault::Port { number })?,
    };
    Ok(Host { name: name.to_owned(), port })
}

/// `user:password`, `:password` or `user`.
fn login(userinfo: &str) -> Result<Login, UrlFault> {
    let (user, password) = userinfo.split_once(':').map_or((userinfo, None), |(user, rest)| (user, Some(rest)));
    let user = Some(decoded(user)?).filter(|user| !user.is_empty());
    let password = password.map(decoded).transpose()?.map_or(Password::None, Password::Text);
    Ok(Login { user, password })
}

fn decoded(text: &str) -> Result<String, UrlFault> {
    percent_decode_str(text).decode_utf8().map(Into::into).map_err(|_not_text| UrlFault::Credentials)
}

#[cfg(test)]
mod tests;
