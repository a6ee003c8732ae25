//! An origin of big bodies: it sends and takes them as fast as it can and keeps none of them.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What bodies are made of; no byte of a chunk's head looks like it (RFC 9112 section 7.1).
pub const FILLING: u8 = b'x';
const PART_BYTES: usize = 64 << 10;
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The origin; gone with its drop.
pub struct Flood {
    /// Where it listens.
    pub address: SocketAddr,
    _accepting: JoinSet<()>,
}

impl Flood {
    /// `GET /NUMBER` is answered with as many bytes; any upload with the number of bytes that came.
    ///
    /// # Errors
    /// If it cannot listen.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                // One that breaks off is the client's to notice.
                connections.spawn(async move { drop(serve(connection).await) });
            }
        });
        Ok(Self { address, _accepting: accepting })
    }

    /// A policy that sends everything here.
    #[must_use]
    pub fn policy(&self) -> String {
        format!(
            "[upstreams.flood]\nservers = [\"{}\"]\nconnections_max = 2000\n[[routes]]\nname = \"flood\"\n\
             to = \"flood\"\ntimeouts = {{ request = \"10m\" }}\n",
            self.address
        )
    }
}

async fn serve(mut connection: TcpStream) -> Result<()> {
    let mut buffer = Vec::new();
    loop {
        let head = read_head(&mut connection, &mut buffer).await?;
        let path = head.split(' ').nth(1).context("a request line")?;
        if head.starts_with("GET ") {
            send(&mut connection, path.trim_start_matches('/').parse().unwrap_or(0)).await?;
        } else {
            let taken = take(&mut connection, &mut buffer, &head).await?.to_string();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{taken}", taken.len());
            connection.write_all(answer.as_bytes()).await?;
        }
    }
}

async fn read_head(connection: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<String> {
    loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            return Ok(String::from_utf8(buffer.drain(..at + 4).collect())?);
        }
        anyhow::ensure!(connection.read_buf(buffer).await? > 0, "closed");
    }
}

async fn send(connection: &mut TcpStream, bytes: usize) -> Result<()> {
    connection.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n").as_bytes()).await?;
    let part = vec![FILLING; PART_BYTES];
    let mut left = bytes;
    while left > 0 {
        let next = left.min(PART_BYTES);
        connection.write_all(&part[..next]).await?;
        left -= next;
    }
    Ok(())
}

/// Reads a body and counts what it is made of.
async fn take(connection: &mut TcpStream, buffer: &mut Vec<u8>, head: &str) -> Result<usize> {
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: Option<usize> = length.map(|length| length.trim().parse()).transpose()?;
    let (mut taken, mut tail) = (0, Vec::new());
    loop {
        taken += buffer.iter().filter(|byte| **byte == FILLING).count();
        tail.extend_from_slice(&buffer[buffer.len().saturating_sub(LAST_CHUNK.len())..]);
        tail.drain(..tail.len().saturating_sub(LAST_CHUNK.len()));
        buffer.clear();
        if length.map_or(tail == LAST_CHUNK, |length| taken >= length) {
            return Ok(taken);
        }
        buffer.reserve(PART_BYTES);
        anyhow::ensure!(connection.read_buf(buffer).await? > 0, "the upload broke off");
    }
}
