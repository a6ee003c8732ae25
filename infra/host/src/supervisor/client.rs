//! The supervisor as an [`Init`], asked over its socket: one connection per request.

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::protocol::{self, REPLY_BYTES_MAX, Reply, Request};
use crate::init::{Init, InitError, ServiceStatus};
use crate::layout::Layout;
use crate::manifest::ServiceUnit;

/// How long an answer may take that waits for nothing.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// How long an answer may take that waits for the end of a service: the longest that a unit may ask for, and some more.
const END_MAX: Duration = Duration::from_secs(3700);

/// The supervisor below a root.
#[derive(Clone, Debug)]
pub struct Supervisor {
    layout: Layout,
}

impl Supervisor {
    /// Nothing is asked yet.
    #[must_use]
    pub const fn new(layout: Layout) -> Self {
        Self { layout }
    }

    /// True if there is one below this root.
    #[must_use]
    pub fn is_there(layout: &Layout) -> bool {
        protocol::is_there(layout)
    }

    async fn ask(&self, request: Request) -> Result<Reply, InitError> {
        let waits = matches!(request, Request::Stop { .. } | Request::Remove { .. });
        let service = request.service().to_owned();
        let answer = timeout(if waits { END_MAX } else { ANSWER_MAX }, self.exchange(request)).await;
        match answer.map_err(io::Error::from).flatten() {
            Ok(Reply::Refused(message)) => Err(InitError::Refused { service, message }),
            Ok(reply) => Ok(reply),
            Err(error) => Err(away(error.to_string())),
        }
    }

    async fn exchange(&self, request: Request) -> io::Result<Reply> {
        let (_folder, path) = protocol::short_path(&protocol::folder(&self.layout))?;
        let (read, mut write) = UnixStream::connect(path).await?.into_split();
        protocol::send(&mut write, &request).await?;
        let reply = protocol::receive(&mut BufReader::new(read), REPLY_BYTES_MAX).await?;
        reply.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

fn away(message: String) -> InitError {
    InitError::Away { init: "supervisor", message }
}

/// It answers something else than was asked: another version.
fn strange(reply: &Reply) -> InitError {
    away(format!("its answer makes no sense here: {reply:?}"))
}

#[async_trait]
impl Init for Supervisor {
    async fn install(&self, unit: &ServiceUnit) -> Result<bool, InitError> {
        match self.ask(Request::Install { unit: unit.clone() }).await? {
            Reply::Changed(changed) => Ok(changed),
            other => Err(strange(&other)),
        }
    }

    async fn installed(&self, name: &str) -> Result<Option<ServiceUnit>, InitError> {
        match self.ask(Request::Installed { name: name.into() }).await? {
            Reply::Unit(unit) => Ok(unit.map(|unit| *unit)),
            other => Err(strange(&other)),
        }
    }

    async fn remove(&self, name: &str) -> Result<(), InitError> {
        self.ask(Request::Remove { name: name.into() }).await.map(drop)
    }

    async fn start(&self, name: &str) -> Result<(), InitError> {
        self.ask(Request::Start { name: name.into() }).await.map(drop)
    }

    async fn stop(&self, name: &str) -> Result<(), InitError> {
        self.ask(Request::Stop { name: name.into() }).await.map(drop)
    }

    async fn status(&self, name: &str) -> Result<ServiceStatus, InitError> {
        match self.ask(Request::Status { name: name.into() }).await? {
            Reply::Status(status) => Ok(status),
            other => Err(strange(&other)),
        }
    }

    async fn log(&self, name: &str, lines_max: usize) -> Result<Vec<String>, InitError> {
        match self.ask(Request::Log { name: name.into(), lines_max }).await? {
            Reply::Lines(lines) => Ok(lines),
            other => Err(strange(&other)),
        }
    }
}
