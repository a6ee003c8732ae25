//! Sizes of the file parts of a `multipart/form-data` body, counted while it streams by (RFC 7578, RFC 2046 section 5.1).
//!
//! The scanner changes nothing and keeps at most one part's head. It reads boundaries strictly: a line break is CRLF, as
//! RFC 2046 demands, so what a strict server takes for content is counted as content. Where a body is not well-formed it
//! errs on the side of counting: a part whose head cannot be read counts as a file.

/// Longest boundary (RFC 2046 section 5.1.1).
const BOUNDARY_BYTES_MAX: usize = 70;
/// Longest head of a part; a longer one makes the part a file. Browsers send about 200 bytes, file names included.
const PART_HEAD_BYTES_MAX: usize = 16 * 1024;

/// The boundary of a `multipart/form-data` content type, or `None` if it is something else.
pub(crate) fn boundary(content_type: &[u8]) -> Option<Vec<u8>> {
    let (essence, parameters) = match memchr::memchr(b';', content_type) {
        Some(end) => (&content_type[..end], &content_type[end + 1..]),
        None => (content_type, &[][..]),
    };
    if !essence.trim_ascii().eq_ignore_ascii_case(b"multipart/form-data") {
        return None;
    }
    let boundary = parameter(parameters, b"boundary")?;
    let is_valid = (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()) && !boundary.iter().any(u8::is_ascii_control);
    is_valid.then_some(boundary)
}

/// Reads a body as it comes, in chunks of any size.
#[derive(Debug)]
pub(crate) struct Scanner {
    /// CRLF, two dashes, the boundary.
    delimiter: Vec<u8>,
    state: State,
    part: Option<Part>,
    largest_bytes: u64,
}

#[derive(Debug)]
struct Part {
    is_file: bool,
    bytes: u64,
}

#[derive(Debug)]
enum State {
    /// In a part, or before the first one: the first `matched` bytes of the delimiter were just seen.
    Content { matched: usize },
    /// After a whole delimiter: `seen` bytes that still allow it to be one.
    Delimiter { seen: u64, tail: Tail },
    /// In the head of a part.
    Head(Vec<u8>),
    /// After the closing delimiter.
    Epilogue,
}

/// What may follow a delimiter: padding and CRLF, or two dashes and then the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    Start,
    Dash,
    Padding { closing: bool },
    Return { closing: bool },
}

impl Scanner {
    /// A scanner for bodies with this boundary.
    pub(crate) fn new(boundary: &[u8]) -> Self {
        let delimiter = [b"\r\n--", boundary].concat();
        // The first delimiter may stand at the very beginning, without a line break before it.
        Self { delimiter, state: State::Content { matched: 2 }, part: None, largest_bytes: 0 }
    }

    /// Bytes of the largest file part so far, the running one included.
    pub(crate) fn largest_file_bytes(&self) -> u64 {
        self.largest_bytes
    }

    /// Reads on.
    pub(crate) fn feed(&mut self, mut chunk: &[u8]) {
        while !chunk.is_empty() {
            let used = match &mut self.state {
                State::Content { .. } => self.content(chunk),
                State::Delimiter { .. } => self.after_delimiter(chunk[0]),
                State::Head(_) => self.head(chunk),
                State::Epilogue => chunk.len(),
            };
            chunk = &chunk[used..];
        }
    }

    /// Content up to the next possible delimiter. A boundary holds no CR, so a failed match can only begin anew at the
    /// byte that failed it.
    fn content(&mut self, chunk: &[u8]) -> usize {
        let State::Content { matched } = self.state else { return 0 };
        if matched == 0 {
            let until = memchr::memchr(b'\r', chunk);
            self.count(until.unwrap_or(chunk.len()));
            let Some(until) = until else { return chunk.len() };
            self.state = State::Content { matched: 1 };
            return until + 1;
        }
        let alike = self.delimiter[matched..].iter().zip(chunk).take_while(|(wanted, byte)| wanted == byte).count();
        let matched = matched + alike;
        if matched == self.delimiter.len() {
            self.state = State::Delimiter { seen: 0, tail: Tail::Start };
        } else if alike == chunk.len() {
            self.state = State::Content { matched };
        } else {
            self.count(matched);
            self.state = State::Content { matched: 0 };
        }
        alike
    }

    fn after_delimiter(&mut self, byte: u8) -> usize {
        let State::Delimiter { seen, tail } = self.state else { return 0 };
        let next = match (tail, byte) {
            (Tail::Start, b'-') => Some(Tail::Dash),
            (Tail::Dash, b'-') => Some(Tail::Padding { closing: true }),
            (Tail::Start, b' ' | b'\t') => Some(Tail::Padding { closing: false }),
            (Tail::Padding { closing }, b' ' | b'\t') => Some(Tail::Padding { closing }),
            (Tail::Start, b'\r') => Some(Tail::Return { closing: false }),
            (Tail::Padding { closing }, b'\r') => Some(Tail::Return { closing }),
            (Tail::Return { closing }, b'\n') => {
                self.part = None;
                self.state = if closing { State::Epilogue } else { State::Head(Vec::new()) };
                return 1;
            }
            (Tail::Start | Tail::Dash | Tail::Padding { .. } | Tail::Return { .. }, _) => None,
        };
        if let Some(tail) = next {
            self.state = State::Delimiter { seen: seen + 1, tail };
            return 1;
        }
        // It only looked like a delimiter: all of it is content. A CR just seen may begin the real one.
        let is_return = matches!(tail, Tail::Return { .. });
        self.count(self.delimiter.len());
        self.count_long(seen - u64::from(is_return));
        self.state = State::Content { matched: usize::from(is_return) };
        0
    }

    /// Collects the head of a part, up to and with its empty line.
    fn head(&mut self, chunk: &[u8]) -> usize {
        let State::Head(head) = &mut self.state else { return 0 };
        let before = head.len();
        let room = (PART_HEAD_BYTES_MAX - before).min(chunk.len());
        head.extend_from_slice(&chunk[..room]);
        let from = before.saturating_sub(EMPTY_LINE.len() - 1);
        let end = if head.starts_with(b"\r\n") {
            Some(2)
        } else {
            memchr::memmem::find(&head[from..], EMPTY_LINE).map(|at| from + at + EMPTY_LINE.len())
        };
        if let Some(end) = end {
            let is_file = is_file(&head[..end]);
            self.begin_part(is_file);
            return end - before;
        }
        if head.len() == PART_HEAD_BYTES_MAX {
            self.begin_part(true);
        }
        room
    }

    fn begin_part(&mut self, is_file: bool) {
        self.part = Some(Part { is_file, bytes: 0 });
        self.state = State::Content { matched: 0 };
    }

    fn count(&mut self, bytes: usize) {
        self.count_long(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    fn count_long(&mut self, bytes: u64) {
        if let Some(part) = &mut self.part {
            part.bytes = part.bytes.saturating_add(bytes);
            if part.is_file {
                self.largest_bytes = self.largest_bytes.max(part.bytes);
            }
        }
    }
}

const EMPTY_LINE: &[u8] = b"\r\n\r\n";

/// True if the head of a part names a file (RFC 7578 section 4.2).
fn is_file(head: &[u8]) -> bool {
    let lines = head.split(|byte| *byte == b'\n');
    lines.filter_map(|line| line.split_at_checked(memchr::memchr(b':', line)?)).any(|(name, value)| {
        name.trim_ascii().eq_ignore_ascii_case(b"content-disposition")
            && (parameter(value, b"filename").is_some() || parameter(value, b"filename*").is_some())
    })
}

/// The value of a parameter in `...; name=value; name="value"` (RFC 9110 section 5.6.6).
fn parameter(text: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut rest = text;
    while !rest.is_empty() {
        let end = unquoted_semicolon(rest);
        let piece = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        if let Some(equals) = memchr::memchr(b'=', piece)
            && piece[..equals].trim_ascii().eq_ignore_ascii_case(name)
        {
            return Some(unquote(piece[equals + 1..].trim_ascii()));
        }
    }
    None
}

/// Where the first `;` outside quotes stands, or the end.
fn unquoted_semicolon(text: &[u8]) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

fn unquote(value: &[u8]) -> Vec<u8> {
    let Some(inner) = value.strip_prefix(b"\"") else { return value.to_vec() };
    let mut plain = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => plain.extend(bytes.next()),
            other => plain.push(*other),
        }
    }
    plain
}

#[cfg(test)]
#[path = "multipart_tests.rs"]
mod tests;
