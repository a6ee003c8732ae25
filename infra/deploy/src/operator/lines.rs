//! What a program prints, line by line, with a bound on each.

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// A longer line is cut.
pub(super) const LINE_BYTES_MAX: usize = 4 * 1024;

/// The lines of a stream.
pub(super) struct Lines<R> {
    reader: Option<BufReader<R>>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// No stream has no lines.
    pub(super) fn of(stream: Option<R>) -> Self {
        Self { reader: stream.map(BufReader::new) }
    }

    /// The next one, without its end; what has none is the last. A stream that breaks off has ended.
    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
        let reader = self.reader.as_mut()?;
        let mut line = Vec::new();
        loop {
            let (used, is_end) = match reader.fill_buf().await {
                Ok([]) | Err(_) => return (!line.is_empty()).then_some(line),
                Ok(bytes) => {
                    let end = bytes.iter().position(|byte| *byte == b'\n');
                    let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
                    let room = LINE_BYTES_MAX.saturating_sub(line.len());
                    line.extend_from_slice(part.get(..room).unwrap_or(part));
                    (end.map_or(bytes.len(), |end| end + 1), end.is_some())
                }
            };
            reader.consume(used);
            if is_end {
                return Some(line);
            }
        }
    }
}
