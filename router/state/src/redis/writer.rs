//! What writes go through: the one server that takes them, or in a Cluster the owners of the keys.
//!
//! A redirection is followed, for it says that nothing was done. Anything else that goes wrong is told: a write whose
//! answer was lost may be done, and is never repeated here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Arg, Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value, pipe};

use super::cluster::redirection;
use super::dial::Dialer;
use super::link::Lost;
use super::url::Host;

/// Redirections that one command follows: to the new owner, and once more while the slot is on its way.
const REDIRECTIONS_MAX: usize = 2;
/// Where the first key of a script's call stands: `EVALSHA digest count key`.
const SCRIPT_KEY_AT: usize = 3;

/// Takes commands; may be cloned and used by many at once.
#[derive(Clone)]
pub(super) enum Writer {
    /// To the one server.
    One(MultiplexedConnection),
    /// To the owners of the keys.
    Cluster(Arc<Owners>),
}

/// A connection, and where it leads.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) host: Host,
    pub(super) connection: MultiplexedConnection,
}

/// The nodes of a Cluster that own keys of ours.
pub(super) struct Owners {
    dialer: Arc<Dialer>,
    /// Owns all keys of the edge.
    edge: Line,
    /// Own switches that the node above does not own, by name of the switch.
    apart: BTreeMap<String, Line>,
    /// Nodes that keys have moved to since.
    moved: Mutex<BTreeMap<Host, Line>>,
}

impl Owners {
    pub(super) fn new(dialer: Arc<Dialer>, edge: Line, apart: BTreeMap<String, Line>) -> Self {
        Self { dialer, edge, apart, moved: Mutex::default() }
    }

    async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        let mut line = match words(command).as_slice() {
            [first, ..] if first.eq_ignore_ascii_case(b"SCRIPT") => return self.send_to_all(command).await,
            [first, ..] if first.to_ascii_uppercase().starts_with(b"EVAL") => self.line(command, SCRIPT_KEY_AT),
            _other => self.line(command, 1),
        };
        let mut answer = line.connection.req_packed_command(command).await;
        for _redirection in 0..REDIRECTIONS_MAX {
            let Some((host, once)) = answer.as_ref().err().and_then(|error| redirection(error, &line.host)) else {
                break;
            };
            let Ok(next) = self.line_to(&host).await else { break };
            line = next;
            answer = if once {
                ask(&mut line.connection, command).await
            } else {
                line.connection.req_packed_command(command).await
            };
            if answer.as_ref().is_err_and(RedisError::is_io_error) {
                self.moved().remove(&host);
            }
        }
        answer
    }

    /// A script must be known wherever it may be called.
    async fn send_to_all(&self, command: &Cmd) -> RedisResult<Value> {
        let moved: Vec<Line> = self.moved().values().cloned().collect();
        for mut line in moved {
            if line.connection.req_packed_command(command).await.is_err() {
                // Gone again: the next redirection connects anew.
                self.moved().remove(&line.host);
            }
        }
        for line in self.apart.values() {
            let _loaded = line.connection.clone().req_packed_command(command).await?;
        }
        self.edge.connection.clone().req_packed_command(command).await
    }

    fn line(&self, command: &Cmd, key_at: usize) -> Line {
        let key = words(command).get(key_at).and_then(|key| std::str::from_utf8(key).ok());
        key.and_then(|key| self.apart.get(key)).unwrap_or(&self.edge).clone()
    }

    async fn line_to(&self, host: &Host) -> Result<Line, Lost> {
        let known = self.moved().get(host).cloned();
        if let Some(line) = known {
            return Ok(line);
        }
        let line = Line { host: host.clone(), connection: self.dialer.redis(host).await? };
        self.moved().insert(host.clone(), line.clone());
        Ok(line)
    }

    /// Locked for a moment; never over an await.
    fn moved(&self) -> MutexGuard<'_, BTreeMap<Host, Line>> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of a command and its arguments.
fn words(command: &Cmd) -> Vec<&[u8]> {
    let simple = |word| if let Arg::Simple(bytes) = word { Some(bytes) } else { None };
    command.args_iter().filter_map(simple).collect()
}

/// Sends to the node that a slot is on its way to.
async fn ask(connection: &mut MultiplexedConnection, command: &Cmd) -> RedisResult<Value> {
    let mut asking = pipe();
    asking.cmd("ASKING").ignore().add_command(command.clone());
    let (value,) = asking.query_async(connection).await?;
    Ok(value)
}

impl ConnectionLike for Writer {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(command),
            Self::Cluster(owners) => Box::pin(owners.send(command)),
        }
    }

    /// All keys of a pipeline are of the edge.
    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(owners) => {
                let mut connection = owners.edge.connection.clone();
                Box::pin(async move { connection.req_packed_commands(pipeline, offset, count).await })
            }
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection) => connection.get_db(),
            Self::Cluster(owners) => owners.edge.connection.get_db(),
        }
    }
}
