//! A server that answers with the head of the request as it came: what a backend is told.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The server; gone with its drop.
pub struct Echo {
    /// Where it listens.
    pub address: SocketAddr,
    _accepting: JoinSet<()>,
}

impl Echo {
    /// Starts it.
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
                // One that breaks off is the router's to notice.
                connections.spawn(async move { drop(serve(connection).await) });
            }
        });
        Ok(Self { address, _accepting: accepting })
    }
}

/// Requests without a body, one after the other.
async fn serve(mut connection: TcpStream) -> Result<()> {
    let mut buffer = Vec::new();
    loop {
        while let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head: Vec<u8> = buffer.drain(..at + 4).collect();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", head.len());
            connection.write_all(&[answer.as_bytes(), &head].concat()).await?;
        }
        ensure!(connection.read_buf(&mut buffer).await? > 0, "closed");
    }
}
