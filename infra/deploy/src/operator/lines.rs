//! What a program prints, line by line, with a bound on each.

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// A longer line is cut.
pub(super) const LINE_BYTES_MAX: usize = 4 * 1024;

/// Hands on each line, and at the end what has no line end. A line is handed on before the next one is read.
pub(super) async fn each(stream: Option<impl AsyncRead + Unpin>, mut take: impl AsyncFnMut(&[u8])) {
    let Some(stream) = stream else { return };
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        let (used, is_end) = match reader.fill_buf().await {
            Ok([]) | Err(_) => break,
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
            take(&line).await;
            line.clear();
        }
    }
    if !line.is_empty() {
        take(&line).await;
    }
}
