//! A server that answers everything with an empty 200: what stands behind the routers of a measurement.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use anyhow::{Context, Result};

/// Connections that are served at a time; a router keeps far fewer.
const CONNECTIONS_MAX: usize = 512;
/// Longest head of a request.
const HEAD_BYTES_MAX: u64 = 64 << 10;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// Begins to listen; serves until the process ends.
pub(super) fn start() -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("listen as a server")?;
    let address = listener.local_addr()?;
    let serve = move || {
        for stream in listener.incoming().take(CONNECTIONS_MAX).flatten() {
            let served = thread::Builder::new().name("origin".to_owned()).spawn(move || serve(stream).ok());
            if served.is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("origin".to_owned()).spawn(serve).context("start a server")?;
    Ok(address)
}

fn serve(stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    loop {
        let mut length = 0_u64;
        loop {
            line.clear();
            if reader.by_ref().take(HEAD_BYTES_MAX).read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim_end().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or_default();
            }
        }
        std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink())?;
        reader.get_mut().write_all(ANSWER)?;
    }
}
