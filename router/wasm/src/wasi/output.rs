//! The output of a plugin, line by line: of each line as much is held as its log takes.

use std::mem;

use crate::bounds::LOG_LINE_BYTES_MAX;

/// The line that is being written.
#[derive(Default)]
pub(super) struct Line {
    /// At most [`LOG_LINE_BYTES_MAX`] bytes.
    bytes: Vec<u8>,
}

impl Line {
    /// Takes more output; each line that ends in it goes to `write`.
    pub(super) fn feed(&mut self, mut output: &[u8], mut write: impl FnMut(&str)) {
        while let Some(end) = output.iter().position(|byte| *byte == b'\n') {
            self.hold(&output[..end]);
            output = &output[end + 1..];
            let line = mem::take(&mut self.bytes);
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches('\r');
            if !line.is_empty() {
                write(line);
            }
        }
        self.hold(output);
    }

    fn hold(&mut self, bytes: &[u8]) {
        let room = LOG_LINE_BYTES_MAX - self.bytes.len();
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (mut line, mut lines) = (Line::default(), Vec::new());
        for piece in pieces {
            line.feed(piece, |line| lines.push(line.to_owned()));
            assert!(line.bytes.len() <= LOG_LINE_BYTES_MAX);
        }
        lines
    }

    #[test]
    fn lines_end_where_they_end_and_not_where_writes_do() {
        assert_eq!(lines(&[b"a", b"b\nc\r\n\n", b"d"]), ["ab", "c"]);
        assert_eq!(lines(&[b"\xff\n"]), ["\u{fffd}"]);
    }

    #[test]
    fn a_line_is_held_up_to_its_bound_and_the_rest_is_dropped() {
        let long = [b'x'; LOG_LINE_BYTES_MAX];
        assert_eq!(lines(&[&long, b"\n"])[0].len(), LOG_LINE_BYTES_MAX);
        assert_eq!(lines(&[&long, b"y\n", b"z\n"]), [String::from_utf8(long.to_vec()).unwrap(), "z".to_owned()]);
        assert!(lines(&[&long[..]; 1000]).is_empty());
    }
}
