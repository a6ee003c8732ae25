//! Many client connections at once, held open by the test. Each is two bytes streams and nothing else, so that the test
//! itself stays small.

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::PATIENCE;

/// Connections that are being opened at the same time: fewer than any backlog.
const AT_ONCE: usize = 64;
/// Descriptors that a process needs besides its connections.
const DESCRIPTORS_BESIDE: u64 = 500;
const HTTP1_REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n";
/// Preface, empty SETTINGS, and on stream 1 `GET http://test/` with the end of the stream: indexed fields of HPACK's
/// static table, and one literal (RFC 9113 section 3.4, RFC 7541 appendix A).
const HTTP2_REQUEST: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\
    \0\0\0\x04\0\0\0\0\0\
    \0\0\x09\x01\x05\0\0\0\x01\x82\x84\x86\x01\x04test";
/// Acknowledges the router's SETTINGS.
const HTTP2_ACKNOWLEDGEMENT: &[u8] = b"\0\0\0\x04\x01\0\0\0\0";
const HTTP2_HEAD_BYTES: usize = 9;
const END_STREAM: u8 = 1;

/// What the clients speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 without TLS, by prior knowledge.
    Http2,
}

/// Opens `count` connections to `address` (`host:port`), each of which has had one answer and idles since.
///
/// # Errors
/// If one of them is refused or not answered.
pub async fn idle(address: &str, protocol: Protocol, count: usize) -> Result<Vec<TcpStream>> {
    let opened = stream::iter(0..count).map(|number| async move {
        let opening = async {
            let connection = TcpStream::connect(address).await?;
            match protocol {
                Protocol::Http1 => ask_http1(connection).await,
                Protocol::Http2 => ask_http2(connection).await,
            }
        };
        timeout(PATIENCE, opening).await?.with_context(|| format!("client {number}"))
    });
    opened.buffer_unordered(AT_ONCE).try_collect().await
}

/// Asks once on this connection, and gives it back.
///
/// # Errors
/// If it is not answered with 200.
pub async fn ask_http1(mut connection: TcpStream) -> Result<TcpStream> {
    connection.write_all(HTTP1_REQUEST).await?;
    let mut answer = Vec::new();
    let head_end = loop {
        ensure!(connection.read_buf(&mut answer).await? > 0, "no answer");
        if let Some(at) = answer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let head = std::str::from_utf8(&answer[..head_end])?.to_ascii_lowercase();
    ensure!(head.starts_with("http/1.1 200 "), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).context("a length")?;
    let length: usize = length.trim().parse()?;
    while answer.len() < head_end + length {
        ensure!(connection.read_buf(&mut answer).await? > 0, "a short answer");
    }
    Ok(connection)
}

async fn ask_http2(mut connection: TcpStream) -> Result<TcpStream> {
    connection.write_all(HTTP2_REQUEST).await?;
    connection.write_all(HTTP2_ACKNOWLEDGEMENT).await?;
    let mut head = [0; HTTP2_HEAD_BYTES];
    loop {
        connection.read_exact(&mut head).await.context("no answer")?;
        let length = usize::try_from(u32::from_be_bytes([0, head[0], head[1], head[2]]))?;
        let mut payload = vec![0; length];
        connection.read_exact(&mut payload).await?;
        // HEADERS and DATA of the answer; its status is the router's usual one.
        if head[8] == 1 && head[3] <= 1 && head[4] & END_STREAM != 0 {
            return Ok(connection);
        }
    }
}

/// Allows this process, and those it starts from now on, as many descriptors as the machine lets it have.
///
/// # Errors
/// If those are too few for `connections`.
pub fn allow(connections: usize) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let needed = u64::try_from(connections)? + DESCRIPTORS_BESIDE;
    ensure!(limit.maximum.is_none_or(|maximum| maximum >= needed), "{needed} descriptors are needed: {limit:?}");
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?)
}
