//! What `redis-cli SET` sends: a raw client of the store that knows nothing of Sluice.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// For one answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// A connection to Redis (RESP2, as `redis-cli` has it).
pub(super) struct RawClient(BufReader<TcpStream>);

impl RawClient {
    pub(super) fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).context("connect to Redis")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Whether it answers at all.
    pub(super) fn ping(&mut self) -> Result<()> {
        self.call(&["PING"], "+PONG")
    }

    /// `SET key value`.
    pub(super) fn set(&mut self, key: &str, value: &str) -> Result<()> {
        self.call(&["SET", key, value], "+OK")
    }

    fn call(&mut self, words: &[&str], expected: &str) -> Result<()> {
        let mut message = format!("*{}\r\n", words.len());
        for word in words {
            message.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.0.get_mut().write_all(message.as_bytes())?;
        let mut answer = String::new();
        self.0.read_line(&mut answer)?;
        ensure!(answer.trim_end() == expected, "Redis answered {answer:?}");
        Ok(())
    }
}
