//! A client that writes the frames of HTTP/2 by hand, so that they can be wrong.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::PATIENCE;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// Types of frames (RFC 9113 section 6).
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

// Flags of frames.
pub(crate) const ACK: u8 = 0x1;
pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;

// Error codes (RFC 9113 section 7).
pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// The fields of a good request.
pub(crate) const GOOD: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":authority", "test"), (":path", "/")];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With a whole response.
    Answered(u16),
    /// By a reset with this code.
    Reset(u32),
    /// With its connection; the code of the GOAWAY, if there was one.
    Closed(Option<u32>),
}

pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

/// A frame as it stands on the wire.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Fields as literals that nobody remembers (RFC 7541 section 6.2.2), byte for byte.
pub(crate) fn literals<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        string(&mut block, name.as_bytes());
        string(&mut block, value.as_bytes());
    }
    block
}

/// A string that is not compressed (RFC 7541 section 5.2).
pub(crate) fn string(block: &mut Vec<u8>, text: &[u8]) {
    const PREFIX_MAX: usize = 127;
    if text.len() < PREFIX_MAX {
        block.push(u8::try_from(text.len()).unwrap());
    } else {
        block.push(127);
        let mut rest = text.len() - PREFIX_MAX;
        while rest >= 128 {
            block.push(u8::try_from(rest % 128).unwrap() | 0x80);
            rest /= 128;
        }
        block.push(u8::try_from(rest).unwrap());
    }
    block.extend_from_slice(text);
}

impl Wire {
    /// A connection on which nothing was sent.
    pub(crate) async fn silent(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), buffer: Vec::new() }
    }

    /// A connection on which both sides may speak.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let mut wire = Self::silent(address).await;
        wire.send([PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await;
        wire
    }

    /// The server's end of a connection, after the client's preface; settings are exchanged.
    pub(crate) async fn accept(stream: TcpStream) -> Option<Self> {
        let mut wire = Self { stream, buffer: Vec::new() };
        while wire.buffer.len() < PREFACE.len() {
            matches!(wire.stream.read_buf(&mut wire.buffer).await, Ok(bytes) if bytes > 0).then_some(())?;
        }
        assert!(wire.buffer.starts_with(PREFACE));
        wire.buffer.drain(..PREFACE.len());
        wire.try_send(frame(SETTINGS, 0, 0, &[])).await.then_some(wire)
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        assert!(self.try_send(bytes).await, "the router takes it");
    }

    /// False if the router has closed the connection.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await.expect("room in time").is_ok()
    }

    pub(crate) async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.send(frame(kind, flags, stream, payload)).await;
    }

    /// A request without a body.
    pub(crate) async fn request(&mut self, stream: u32, fields: &[(&str, &str)]) {
        self.frame(HEADERS, END_STREAM | END_HEADERS, stream, &literals(fields.iter().copied())).await;
    }

    /// The next frame; `None` at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        timeout(PATIENCE, self.read()).await.expect("a frame in time")
    }

    async fn read(&mut self) -> Option<Frame> {
        loop {
            if let [high, middle, low, kind, flags, stream @ ..] = &*self.buffer
                && let Some((stream, payload)) = stream.split_first_chunk::<4>()
            {
                let length = usize::try_from(u32::from_be_bytes([0, *high, *middle, *low])).unwrap();
                if payload.len() >= length {
                    let (kind, flags, stream) = (*kind, *flags, u32::from_be_bytes(*stream));
                    let payload = payload[..length].to_vec();
                    self.buffer.drain(..9 + length);
                    return Some(Frame { kind, flags, stream, payload });
                }
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(bytes) if bytes > 0 => {}
                _ => return None,
            }
        }
    }

    /// Reads on until a frame of this kind, and stream if it is not 0; acknowledges settings on the way.
    pub(crate) async fn until(&mut self, kind: u8, stream: u32) -> Frame {
        loop {
            let frame = self.next().await.expect("a frame before the end");
            self.acknowledge(&frame).await;
            if frame.kind == kind && (stream == 0 || frame.stream == stream) {
                return frame;
            }
        }
    }

    async fn acknowledge(&mut self, frame: &Frame) {
        if frame.kind == SETTINGS && frame.flags & ACK == 0 {
            self.try_send(self::frame(SETTINGS, ACK, 0, &[])).await;
        }
    }

    /// How a stream ends.
    pub(crate) async fn end_of(&mut self, stream: u32) -> End {
        let mut status = 0;
        let mut code = None;
        while let Some(frame) = self.next().await {
            self.acknowledge(&frame).await;
            if frame.kind == GOAWAY {
                code = Some(error_code(&frame.payload[4..]));
            }
            if frame.stream != stream {
                continue;
            }
            if frame.kind == RST_STREAM {
                return End::Reset(error_code(&frame.payload));
            }
            if frame.kind == HEADERS && status == 0 {
                status = status_of(&frame.payload);
            }
            if matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0 {
                return End::Answered(status);
            }
        }
        End::Closed(code)
    }

    /// Reads to the end of the connection; the code of the GOAWAY, if there was one.
    pub(crate) async fn end(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.next().await {
            if frame.kind == GOAWAY {
                code = Some(error_code(&frame.payload[4..]));
            }
        }
        code
    }
}

fn error_code(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().unwrap())
}

/// The status at the head of a block: indexed, or a literal whose digits may be compressed (RFC 7541 appendices A, B).
pub(crate) fn status_of(block: &[u8]) -> u16 {
    const INDEXED: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    // A change of the table's size may stand before it.
    let block = if block[0] & 0xe0 == 0x20 { &block[1..] } else { block };
    if block[0] & 0x80 != 0 {
        return INDEXED[usize::from(block[0] & 0x7f) - 8];
    }
    let (is_compressed, length) = (block[1] & 0x80 != 0, usize::from(block[1] & 0x7f));
    let text = &block[2..2 + length];
    if !is_compressed {
        return std::str::from_utf8(text).unwrap().parse().unwrap();
    }
    let bits: Vec<u16> = text.iter().flat_map(|byte| (0..8).rev().map(move |bit| u16::from(byte >> bit & 1))).collect();
    let number = |bits: &[u16]| bits.iter().fold(0, |number, bit| number << 1 | bit);
    let (mut at, mut status) = (0, 0);
    for _ in 0..3 {
        let short = number(&bits[at..at + 5]);
        let (digit, length) = if short < 3 { (short, 5) } else { (number(&bits[at..at + 6]) - 22, 6) };
        status = status * 10 + digit;
        at += length;
    }
    status
}
