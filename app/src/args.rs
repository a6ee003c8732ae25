//! The command line as typed, and how each word of it becomes a checked value.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::ensure;
use clap::Parser;
use reqwest::Url;

use crate::name::Name;
use crate::release::Release;

const EXAMPLES: &str = "\
Examples:
  One server, its data in a folder:
    meow --data /tmp/meow --listen 127.0.0.1:8001
  A canary beside it, on the same data, that a router finds by itself:
    meow --data /tmp/meow --release canary --register http://127.0.0.1:9900
  A fleet on Redis:
    meow --data redis://10.0.0.5 --register redis://10.0.0.5 --listen 0.0.0.0:8001 --advertise 10.0.0.7:8001

Environment:
  SLUICE_ADMIN_TOKEN   sent as a bearer token to an http:// registry
  MEOW_LOG             log filter on stderr, e.g. `info` (default) or `meow=debug`

SIGTERM or ctrl-c drains and exits 0; a second signal exits at once.";

/// meow: a message that self-destructs, uploads and a page of cats.
#[derive(Debug, Parser)]
#[command(name = "meow", version, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Address to listen on; port 0 picks a free one, and stdout says which
    #[arg(long, env = "MEOW_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,

    /// Release to run as
    #[arg(long, env = "MEOW_RELEASE", value_enum, default_value_t = Release::Stable)]
    pub(crate) release: Release,

    /// Where messages, visits and images live, shared by all meow processes: a folder or redis://HOST:PORT
    #[arg(long, env = "MEOW_DATA", value_name = "DIR|URL", hide_env_values = true)]
    pub(crate) data: DataSource,

    /// Where to hold a lease so that routers find this server: http://ADMIN of a router, or redis://HOST:PORT
    #[arg(long, env = "MEOW_REGISTER", value_name = "URL", hide_env_values = true)]
    pub(crate) register: Option<Registry>,

    /// Name of this server, unique in the fleet [default: meow-RELEASE-RANDOM]
    #[arg(long, env = "MEOW_ID", value_name = "NAME")]
    id: Option<Name>,

    /// What routers connect to [default: the address listened on]
    #[arg(long, env = "MEOW_ADVERTISE", value_name = "HOST:PORT")]
    advertise: Option<HostPort>,

    /// Fleet whose keys a redis:// registry uses
    #[arg(long, env = "MEOW_EDGE", value_name = "NAME", default_value = "main")]
    pub(crate) edge: Name,
}

impl Args {
    /// The name of this server: as given, or one that no other server has.
    pub(crate) fn id(&self) -> Name {
        self.id.clone().unwrap_or_else(|| {
            let unique = format!("meow-{}-{:08x}", self.release, rand::random::<u32>());
            unique.parse().expect("invariant: letters, digits and dashes only")
        })
    }

    /// The `host:port` that routers connect to, once `bound` is known.
    ///
    /// # Errors
    /// If a registry is named but the server listens on every address and was not told which one to advertise.
    pub(crate) fn advertised(&self, bound: SocketAddr) -> anyhow::Result<String> {
        if let Some(HostPort(address)) = &self.advertise {
            return Ok(address.clone());
        }
        ensure!(
            self.register.is_none() || !bound.ip().is_unspecified(),
            "{bound} means every address of this machine: say with --advertise HOST:PORT which one routers reach"
        );
        Ok(bound.to_string())
    }
}

/// Where the shared data lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DataSource {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A Redis server.
    Redis(RedisUrl),
}

impl FromStr for DataSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("expected a folder or redis://HOST:PORT".to_owned());
        }
        if text.contains("://") { text.parse().map(Self::Redis) } else { Ok(Self::Folder(text.into())) }
    }
}

/// Where the lease is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Registry {
    /// The admin address of a router.
    Admin(Url),
    /// The store of the fleet.
    Redis(RedisUrl),
}

impl FromStr for Registry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.starts_with("http://") {
            return text.parse().map(Self::Redis).map_err(|hint| format!("{hint}, or http://ADMIN of a router"));
        }
        Url::parse(text).map(Self::Admin).map_err(|fault| fault.to_string())
    }
}

/// A checked `redis://` URL. It may hold a password: never log it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RedisUrl(String);

impl RedisUrl {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for RedisUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("RedisUrl(..)")
    }
}

impl FromStr for RedisUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.starts_with("redis://") {
            return Err("expected redis://HOST:PORT".to_owned());
        }
        redis::Client::open(text).map_err(|fault| fault.to_string())?;
        Ok(Self(text.to_owned()))
    }
}

/// A `host:port` that somebody can connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct HostPort(String);

impl FromStr for HostPort {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        const HINT: &str = "expected HOST:PORT, e.g. 10.0.0.7:8001";
        let (host, port) = text.rsplit_once(':').ok_or(HINT)?;
        let port: u16 = port.parse().map_err(|_| HINT)?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        let plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        if host.is_empty() || port == 0 || !(plain || bracketed && text.parse::<SocketAddr>().is_ok()) {
            return Err(HINT);
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from([&["meow"], words].concat())
    }

    #[test]
    fn a_folder_is_enough() {
        let args = parse(&["--data", "/tmp/meow"]).unwrap();
        assert_eq!(args.data, DataSource::Folder("/tmp/meow".into()));
        assert_eq!((args.release, args.edge.as_str()), (Release::Stable, "main"));
        assert!(args.id().as_str().starts_with("meow-stable-"));
    }

    #[test]
    fn faults_say_what_was_expected() {
        for (words, hint) in [
            (&["--data", "http://x"][..], "expected redis://"),
            (&["--data", "d", "--register", "ftp://x"], "http://ADMIN"),
            (&["--data", "d", "--id", "../x"], "letters, digits"),
            (&["--data", "d", "--advertise", "host"], "expected HOST:PORT"),
            (&["--data", "d", "--advertise", "a/b:1"], "expected HOST:PORT"),
            (&["--data", "d", "--release", "beta"], "stable, canary"),
            (&[], "--data"),
        ] {
            let fault = parse(words).unwrap_err().to_string();
            assert!(fault.contains(hint), "{words:?}: {fault}");
        }
    }

    #[test]
    fn an_unspecified_address_is_not_advertised() {
        let every: SocketAddr = "0.0.0.0:80".parse().unwrap();
        let registered = parse(&["--data", "d", "--register", "http://127.0.0.1:9900"]).unwrap();
        assert!(registered.advertised(every).is_err());
        assert_eq!(registered.advertised("127.0.0.1:81".parse().unwrap()).unwrap(), "127.0.0.1:81");
        let named = parse(&["--data", "d", "--register", "redis://h", "--advertise", "[::1]:80"]).unwrap();
        assert_eq!(named.advertised(every).unwrap(), "[::1]:80");
    }

    #[test]
    fn a_password_is_not_printed() {
        let args = parse(&["--data", "redis://:secret@host"]).unwrap();
        assert!(!format!("{args:?}").contains("secret"));
    }
}
