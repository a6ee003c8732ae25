//! The server's side of HTTP/2 as bytes, for origins that break off in the middle of a frame sequence. What is well formed
//! from end to end is left to a library.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::h2wire::{ACK, DATA, END_STREAM, Frame, HEADERS, PING, PREFACE, SETTINGS, frame};
use crate::origin::fill;

/// `:status: 200`, from the static table of HPACK (RFC 7541 appendix A).
pub(crate) const STATUS_200: &[u8] = &[0x88];
/// `:method: POST`, likewise; encoders put it first.
pub(crate) const METHOD_POST: u8 = 0x83;
/// `INTERNAL_ERROR` (RFC 9113 section 7).
pub(crate) const INTERNAL_ERROR: [u8; 4] = [0, 0, 0, 2];
/// Length, type, flags and stream of a frame (RFC 9113 section 4.1).
const HEAD_BYTES: usize = 9;

/// Reads a frame; `None` at the end of the connection.
pub(crate) async fn read_frame(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Frame> {
    while buffer.len() < HEAD_BYTES {
        fill(stream, buffer).await?;
    }
    let length = usize::try_from(u32::from_be_bytes([0, buffer[0], buffer[1], buffer[2]])).unwrap();
    let (kind, flags) = (buffer[3], buffer[4]);
    let id = u32::from_be_bytes([buffer[5], buffer[6], buffer[7], buffer[8]]);
    while buffer.len() < HEAD_BYTES + length {
        fill(stream, buffer).await?;
    }
    let payload = buffer.drain(..HEAD_BYTES + length).skip(HEAD_BYTES).collect();
    Some(Frame { kind, flags, stream: id, payload })
}

/// Reads the client's preface and sends the server's.
pub(crate) async fn greet(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    while buffer.len() < PREFACE.len() {
        fill(stream, buffer).await?;
    }
    assert_eq!(&buffer[..PREFACE.len()], PREFACE, "HTTP/2 by prior knowledge");
    buffer.drain(..PREFACE.len());
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.ok()
}

/// A request that came in whole: its stream, its header block and its body.
#[derive(Debug)]
pub(crate) struct WholeRequest {
    pub(crate) stream: u32,
    pub(crate) block: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

/// Reads frames until one request is whole, and acknowledges what has to be. One request at a time.
pub(crate) async fn read_whole(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<WholeRequest> {
    let (mut block, mut body) = (Vec::new(), Vec::new());
    loop {
        let Frame { kind, flags, stream: id, payload } = read_frame(stream, buffer).await?;
        match kind {
            HEADERS if block.is_empty() => block = payload,
            DATA => body.extend(payload),
            SETTINGS | PING if flags & ACK == 0 => {
                let echoed = if kind == PING { &payload[..] } else { &[] };
                stream.write_all(&frame(kind, ACK, 0, echoed)).await.ok()?;
            }
            _ => {}
        }
        if matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 {
            return Some(WholeRequest { stream: id, block, body });
        }
    }
}
