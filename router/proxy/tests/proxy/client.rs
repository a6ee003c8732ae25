//! A client that sees every byte.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than anything that a test waits for on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The connection ended before the body did.
    pub(crate) is_truncated: bool,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), buffer: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await.unwrap().unwrap();
    }

    /// Sends a request and reads its response.
    pub(crate) async fn ask(&mut self, request: impl AsRef<[u8]>) -> Reply {
        self.send(&request).await;
        self.reply_to(request.as_ref().starts_with(b"HEAD ")).await
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        self.ask(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")).await
    }

    pub(crate) async fn reply(&mut self) -> Reply {
        self.reply_to(false).await
    }

    async fn reply_to(&mut self, is_head: bool) -> Reply {
        timeout(PATIENCE, self.read_reply(is_head)).await.expect("a response in time")
    }

    async fn read_reply(&mut self, is_head: bool) -> Reply {
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.fill().await, "closed before a response, after {:?}", String::from_utf8_lossy(&self.buffer));
        };
        let head = String::from_utf8(self.buffer.drain(..end).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let split = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        let headers = lines.map(split).collect();
        let mut reply = Reply { status, headers, body: Vec::new(), is_truncated: false };
        let length = reply.header("content-length").map(|length| length.parse::<usize>().unwrap());
        if is_head || matches!(status, 100..=199 | 204 | 304) {
        } else if reply.header("transfer-encoding") == Some("chunked") {
            self.chunks(&mut reply).await;
        } else if let Some(length) = length {
            while self.buffer.len() < length && self.fill().await {}
            reply.is_truncated = self.buffer.len() < length;
            reply.body = self.buffer.drain(..length.min(self.buffer.len())).collect();
        } else {
            while self.fill().await {}
            reply.body = std::mem::take(&mut self.buffer);
        }
        reply
    }

    async fn chunks(&mut self, reply: &mut Reply) {
        loop {
            let Some(at) = find(&self.buffer, b"\r\n") else {
                if self.fill().await {
                    continue;
                }
                reply.is_truncated = true;
                return;
            };
            let size = usize::from_str_radix(std::str::from_utf8(&self.buffer[..at]).unwrap(), 16).unwrap();
            while self.buffer.len() < at + 2 + size + 2 {
                if !self.fill().await {
                    reply.is_truncated = true;
                    return;
                }
            }
            reply.body.extend_from_slice(&self.buffer[at + 2..at + 2 + size]);
            self.buffer.drain(..at + 2 + size + 2);
            if size == 0 {
                return;
            }
        }
    }

    /// Everything up to and with the first `wanted`, as it came.
    pub(crate) async fn until(&mut self, wanted: &str) -> String {
        let reading = async {
            loop {
                if let Some(at) = find(&self.buffer, wanted.as_bytes()) {
                    return String::from_utf8(self.buffer.drain(..at + wanted.len()).collect()).unwrap();
                }
                assert!(self.fill().await, "closed after {:?}", String::from_utf8_lossy(&self.buffer));
            }
        };
        timeout(PATIENCE, reading).await.expect("what is awaited in time")
    }

    /// True once the router has closed the connection without another byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        timeout(PATIENCE, async { !self.fill().await }).await.expect("an end in time")
    }

    /// Reads whatever comes, to the end of the connection.
    pub(crate) async fn end(&mut self) {
        let read = timeout(PATIENCE, async { while self.fill().await {} });
        read.await.expect("an end in time");
    }

    async fn fill(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.buffer).await, Ok(bytes) if bytes > 0)
    }
}

pub(crate) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Waits until `holds`, looking again and again.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let looked = timeout(PATIENCE, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    assert!(looked.await.is_ok(), "never: {what}");
}
