//! What the supervisor is asked and answers: one line of JSON each way, of bounded length, over a unix socket that only
//! its owner can open.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::init::ServiceStatus;
use crate::layout::Layout;
use crate::manifest::ServiceUnit;

/// Longest request: a unit with 256 KiB of environment is a mistake.
pub(super) const REQUEST_BYTES_MAX: u64 = 256 * 1024;
/// Longest answer: [`super::journal::TAIL_BYTES_MAX`] of log, each byte escaped to six at the worst, and some more.
pub(super) const REPLY_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// Name of the socket.
const SOCKET: &str = "init.sock";

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub(super) enum Request {
    Install { unit: ServiceUnit },
    Installed { name: String },
    Remove { name: String },
    Start { name: String },
    Stop { name: String },
    Status { name: String },
    Log { name: String, lines_max: usize },
}

impl Request {
    /// The service that it is about.
    pub(super) fn service(&self) -> &str {
        match self {
            Self::Install { unit } => &unit.name,
            Self::Installed { name }
            | Self::Remove { name }
            | Self::Start { name }
            | Self::Stop { name }
            | Self::Status { name }
            | Self::Log { name, .. } => name,
        }
    }
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    Done,
    Changed(bool),
    Unit(Option<Box<ServiceUnit>>),
    Status(ServiceStatus),
    Lines(Vec<String>),
    Refused(String),
}

/// The folder of the socket.
pub(super) fn folder(layout: &Layout) -> PathBuf {
    layout.at("/run/sluice")
}

/// True if a supervisor is, or was, at work below this root.
pub(super) fn is_there(layout: &Layout) -> bool {
    folder(layout).join(SOCKET).exists()
}

/// A path of the socket that fits into the 108 bytes of `sockaddr_un` however deep the root is: through the descriptor
/// of its folder, which must stay open as long as the path is used.
pub(super) fn short_path(folder: &Path) -> io::Result<(File, PathBuf)> {
    let opened = File::open(folder)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", opened.as_raw_fd()));
    Ok((opened, path))
}

/// Writes one line.
pub(super) async fn send<T: Serialize + Sync>(to: &mut (impl AsyncWrite + Unpin), message: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    to.write_all(&line).await?;
    to.flush().await
}

/// Reads one line; `None` at the end of the stream.
pub(super) async fn receive<T: DeserializeOwned>(
    from: &mut (impl AsyncBufRead + Unpin),
    bytes_max: u64,
) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    let read = from.take(bytes_max).read_until(b'\n', &mut line).await?;
    if read == 0 {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("no whole line in {read} bytes")));
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_may_have_so_many_bytes_and_not_one_more() {
        let line = b"\"abc\"\n";
        let fits: Option<String> = receive(&mut &line[..], 6).await.unwrap();
        assert_eq!(fits.as_deref(), Some("abc"));
        let longer = receive::<String>(&mut &line[..], 5).await.unwrap_err();
        assert_eq!(longer.to_string(), "no whole line in 5 bytes");
        assert!(receive::<String>(&mut &b""[..], 5).await.unwrap().is_none());
    }

    #[test]
    fn the_path_of_the_socket_is_short_however_deep_the_root_is() {
        let outer = tempfile::tempdir().unwrap();
        let deep = outer.path().join("a-folder-with-a-long-name/".repeat(8));
        std::fs::create_dir_all(&deep).unwrap();
        let (_opened, path) = short_path(&deep).unwrap();
        assert!(path.as_os_str().len() < 108, "{}", path.display());
        std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(deep.join(SOCKET).exists());
    }
}
