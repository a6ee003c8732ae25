//! A client of one keep-alive connection, blocking: nothing stands between a measurement and the socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// For one answer; longer is a failure of the measurement.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Largest answer that is read.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Says which variant answered.
const VARIANT_HEADER: &str = "x-sluice-variant";

/// A connection.
pub(super) struct Connection {
    stream: BufReader<TcpStream>,
    line: String,
}

/// What is read of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) variant: Option<String>,
}

impl Connection {
    /// Connects to `http://HOST:PORT`.
    pub(super) fn open(address: &str) -> Result<Self> {
        let address: SocketAddr = address.trim_start_matches("http://").parse().context("read an address")?;
        let stream = TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        Ok(Self { stream: BufReader::new(stream), line: String::new() })
    }

    /// A request for `path`, of the user `uid`; with a body it is a POST.
    pub(super) fn ask(&mut self, path: &str, uid: &str, body: &[u8]) -> Result<Answer> {
        let method = if body.is_empty() { "GET" } else { "POST" };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: bench\r\ncookie: uid={uid}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut message = head.into_bytes();
        message.extend_from_slice(body);
        self.stream.get_mut().write_all(&message)?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Answer> {
        let status = self.line()?.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.context("read a status line")?;
        let (mut variant, mut length) = (None, 0);
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').context("read a header field")?;
            if name.eq_ignore_ascii_case(VARIANT_HEADER) {
                variant = Some(value.trim().to_owned());
            } else if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().context("read a content length")?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                bail!("no answer of a benchmark is chunked");
            }
        }
        if length > ANSWER_BYTES_MAX {
            bail!("an answer of {length} bytes is too large");
        }
        self.stream.read_exact(&mut vec![0; length])?;
        Ok(Answer { status, variant })
    }

    fn line(&mut self) -> Result<&str> {
        self.line.clear();
        let read = self.stream.by_ref().take(ANSWER_BYTES_MAX as u64).read_line(&mut self.line)?;
        if read == 0 {
            bail!("the router closed the connection");
        }
        Ok(self.line.trim_end())
    }
}
