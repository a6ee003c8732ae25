//! The global state of a demo: embedded in the router, or a Redis that is found running or started here.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ureq::http::Uri;

use super::child::Child;
use crate::redis::REDIS;
use crate::say;

/// For a connection or an answer on one machine or in one data centre.
const ANSWER_MAX: Duration = Duration::from_secs(2);
const REDIS_PORT: u16 = 6379;

/// Where the global state lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// In the router.
    Embedded,
    /// In Redis, for a fleet.
    Redis(Redis),
}

/// A Redis by its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Redis {
    url: String,
    host: String,
    port: u16,
    /// `rediss://`, or with a name and password: not something that we can start.
    guarded: bool,
}

impl FromStr for Store {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "embedded" {
            return Ok(Self::Embedded);
        }
        let uri: Uri = text.parse().map_err(|error| format!("neither `embedded` nor an address: {error}"))?;
        let encrypted = match uri.scheme_str() {
            Some("redis") => false,
            Some("rediss") => true,
            _ => return Err("either `embedded` or redis://host:port".to_owned()),
        };
        let authority = uri.authority().ok_or("the address names no host")?;
        Ok(Self::Redis(Redis {
            url: text.to_owned(),
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(REDIS_PORT),
            guarded: encrypted || authority.as_str().contains('@'),
        }))
    }
}

impl Store {
    /// As `sluice.toml` names it.
    pub(super) fn url(&self) -> &str {
        match self {
            Self::Embedded => "embedded",
            Self::Redis(redis) => &redis.url,
        }
    }
}

impl Redis {
    /// Whether a Redis answers there.
    ///
    /// # Errors
    /// Something else listens there, or the name is unknown.
    pub(super) fn answers(&self) -> Result<bool> {
        let address = self.address()?;
        let stream = match TcpStream::connect_timeout(&address, ANSWER_MAX) {
            Ok(stream) => stream,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Ok(false),
            Err(error) => return Err(error).with_context(|| format!("reach Redis at {address}")),
        };
        if self.guarded {
            return Ok(true);
        }
        let first = ping(stream).with_context(|| format!("ask what listens at {address} for a PONG"))?;
        ensure!(first == b'+' || first == b'-', "what listens at {address} is no Redis");
        Ok(true)
    }

    /// Starts one there, without persistence: it ends with the demo.
    pub(super) fn start(&self, data: &Path, logs: &Path) -> Result<Child> {
        let address = self.address()?;
        if !address.ip().is_loopback() || self.guarded {
            bail!("no Redis answers at {address}, and only a plain one on this machine is started here");
        }
        let program = REDIS.find()?;
        say::step(format_args!("starting a Redis at {address}: none answers there"));
        let mut command = Command::new(program);
        command.args(["--bind", &address.ip().to_string(), "--port", &address.port().to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--daemonize", "no", "--dir"]).arg(data);
        Child::start("redis", command, "", logs)
    }

    fn address(&self) -> Result<SocketAddr> {
        let mut addresses = (self.host.as_str(), self.port).to_socket_addrs().context("look the Redis host up")?;
        addresses.next().with_context(|| format!("{} has no address", self.host))
    }
}

/// The first byte of the answer: `+PONG`, or `-NOAUTH ...`, or something that no Redis says.
fn ping(mut stream: TcpStream) -> std::io::Result<u8> {
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.write_all(b"PING\r\n")?;
    let mut first = [0];
    stream.read_exact(&mut first)?;
    Ok(first[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    fn redis(text: &str) -> Redis {
        match text.parse().unwrap() {
            Store::Redis(redis) => redis,
            Store::Embedded => panic!("{text} is a Redis"),
        }
    }

    #[test]
    fn addresses_are_read_and_others_refused() {
        assert_eq!("embedded".parse(), Ok(Store::Embedded));
        let plain = redis("redis://127.0.0.1:6380/3");
        assert_eq!((plain.host.as_str(), plain.port, plain.guarded), ("127.0.0.1", 6380, false));
        assert_eq!((redis("redis://localhost").port, redis("redis://[::1]:1").host.as_str()), (REDIS_PORT, "::1"));
        assert!(redis("redis://me:secret@127.0.0.1").guarded && redis("rediss://127.0.0.1").guarded);
        for wrong in ["memory", "http://127.0.0.1", "redis://", "/tmp/x"] {
            assert!(wrong.parse::<Store>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_listens_there_is_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = redis(&format!("redis://{}", listener.local_addr().unwrap()));
        let answers = thread::spawn(move || {
            for answer in ["+PONG\r\n", "-NOAUTH Authentication required.\r\n", "HTTP/1.1 400\r\n"] {
                let (mut stream, _) = listener.accept().unwrap();
                stream.read_exact(&mut [0; 6]).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        assert!(there.answers().unwrap());
        assert!(there.answers().unwrap());
        assert!(there.answers().is_err());
        answers.join().unwrap();
        assert!(!there.answers().unwrap(), "nobody listens there any more");
    }
}
