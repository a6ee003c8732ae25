//! The body of a case: how large it is, what of it is measured, and its bytes, made as they are asked for.

use http::{HeaderMap, HeaderValue, header};
use sluice_policy::{BodyContent, CaseBody};
use sluice_wasm::SizeUnit;

/// What a body of so many bytes is filled with.
const FILLER: u8 = b'x';
/// Stands between the parts of a form.
const BOUNDARY: &str = "sluice-boundary";

/// A body: something that is the same at its beginning and its end, and a filler between.
pub(super) struct Body {
    head: Vec<u8>,
    filler_bytes: u64,
    tail: Vec<u8>,
    chunk_bytes: usize,
    is_declared: bool,
    unit: SizeUnit,
}

impl Body {
    pub(super) fn new(body: &CaseBody) -> Self {
        let CaseBody { content, is_declared, chunk_bytes } = body;
        let plain = |head: Vec<u8>, filler_bytes, unit| Self {
            head,
            filler_bytes,
            tail: Vec::new(),
            chunk_bytes: (*chunk_bytes).max(1),
            is_declared: *is_declared,
            unit,
        };
        match content {
            BodyContent::Bytes(bytes) => plain(Vec::new(), *bytes, SizeUnit::Body),
            BodyContent::Text(text) => plain(text.clone().into_bytes(), 0, SizeUnit::Body),
            BodyContent::MultipartFile(bytes) => {
                let head = format!(
                    "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"file.bin\"\r\n\
                     content-type: application/octet-stream\r\n\r\n"
                );
                Self {
                    tail: format!("\r\n--{BOUNDARY}--\r\n").into_bytes(),
                    ..plain(head.into(), *bytes, SizeUnit::Part)
                }
            }
        }
    }

    /// Bytes of the whole body.
    pub(super) fn len(&self) -> u64 {
        self.filler_bytes + self.head.len() as u64 + self.tail.len() as u64
    }

    /// Says in `headers` what is said of such a body, unless they say it already.
    pub(super) fn announce(&self, headers: &mut HeaderMap) {
        if self.unit == SizeUnit::Part {
            let form = format!("multipart/form-data; boundary={BOUNDARY}");
            if let Ok(form) = HeaderValue::try_from(form) {
                headers.entry(header::CONTENT_TYPE).or_insert(form);
            }
        }
        if self.is_declared {
            headers.entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(self.len()));
        } else {
            headers.entry(header::TRANSFER_ENCODING).or_insert(HeaderValue::from_static("chunked"));
        }
    }

    /// The first size above `above` that the router knows of: the declared one, or what was counted at the end of a
    /// chunk.
    pub(super) fn measured(&self, above: u64) -> Option<Size> {
        let (before, bytes) = match self.unit {
            SizeUnit::Body => (0, self.len()),
            SizeUnit::Part => (self.head.len() as u64, self.filler_bytes),
        };
        if bytes <= above {
            return None;
        }
        if self.is_declared && self.unit == SizeUnit::Body {
            return Some(Size { bytes, unit: self.unit, is_declared: true });
        }
        let step = self.chunk_bytes as u64;
        let seen = (before + above + 1).div_ceil(step).saturating_mul(step) - before;
        Some(Size { bytes: seen.min(bytes), unit: self.unit, is_declared: false })
    }

    /// The chunks of its first `bytes_max` bytes, in order. A body without a byte is not shown at all.
    pub(super) fn chunks(&self, bytes_max: u64) -> impl Iterator<Item = Chunk> + '_ {
        let shown = self.len().min(bytes_max);
        let step = self.chunk_bytes as u64;
        (0..shown.div_ceil(step)).map(move |index| {
            let offset = index * step;
            let end = (offset + step).min(shown);
            Chunk { bytes: (offset..end).map(|at| self.byte(at)).collect(), offset, is_last: end == shown }
        })
    }

    fn byte(&self, at: u64) -> u8 {
        let index = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let after_head = at.checked_sub(self.head.len() as u64);
        let Some(after_head) = after_head else { return self.head[index(at)] };
        after_head.checked_sub(self.filler_bytes).and_then(|at| self.tail.get(index(at)).copied()).unwrap_or(FILLER)
    }
}

/// A size as a plugin hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) bytes: u64,
    pub(super) unit: SizeUnit,
    pub(super) is_declared: bool,
}

/// A chunk as a plugin is shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) bytes: Vec<u8>,
    pub(super) offset: u64,
    pub(super) is_last: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(content: BodyContent, is_declared: bool, chunk_bytes: usize) -> Body {
        Body::new(&CaseBody { content, is_declared, chunk_bytes })
    }

    #[test]
    fn the_first_size_above_is_the_declared_or_the_counted_one() {
        let declared = body(BodyContent::Bytes(50_001), true, 1_000);
        let size = |bytes, unit, is_declared| Some(Size { bytes, unit, is_declared });
        assert_eq!(declared.measured(50_000), size(50_001, SizeUnit::Body, true));
        assert_eq!(declared.measured(50_001), None);
        let counted = body(BodyContent::Bytes(100_000), false, 1_000);
        assert_eq!(counted.measured(50_000), size(51_000, SizeUnit::Body, false));
        assert_eq!(counted.measured(99_999), size(100_000, SizeUnit::Body, false));
        let form = body(BodyContent::MultipartFile(50_001), true, 1 << 20);
        assert_eq!(form.measured(50_000), size(50_001, SizeUnit::Part, false), "never the declared length of a form");
        assert_eq!(form.measured(50_001), None);
    }

    #[test]
    fn chunks_are_the_body_up_to_what_is_shown() {
        let form = body(BodyContent::MultipartFile(10), true, 7);
        let chunks: Vec<Chunk> = form.chunks(u64::MAX).collect();
        let whole: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.bytes.clone()).collect();
        assert_eq!(whole.len() as u64, form.len());
        let text = String::from_utf8(whole).unwrap();
        assert!(text.contains("\r\n\r\nxxxxxxxxxx\r\n--sluice-boundary--\r\n"), "{text}");
        assert!(chunks.iter().rev().skip(1).all(|chunk| chunk.bytes.len() == 7 && !chunk.is_last));
        assert!(chunks.last().unwrap().is_last);

        let shown: Vec<Chunk> = body(BodyContent::Text("abcdef".into()), true, 4).chunks(5).collect();
        let chunk = |bytes: &[u8], offset, is_last| Chunk { bytes: bytes.to_vec(), offset, is_last };
        assert_eq!(shown, [chunk(b"abcd", 0, false), chunk(b"e", 4, true)]);
        let empty: Vec<Chunk> = body(BodyContent::Bytes(0), true, 4).chunks(5).collect();
        assert_eq!(empty, []);
    }

    #[test]
    fn a_body_is_announced_unless_the_case_does() {
        let mut headers = HeaderMap::new();
        body(BodyContent::MultipartFile(1), true, 4).announce(&mut headers);
        assert!(headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("multipart/form-data; boundary="));
        assert!(headers.contains_key(header::CONTENT_LENGTH));
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(7));
        body(BodyContent::Bytes(1), true, 4).announce(&mut headers);
        assert_eq!(headers[header::CONTENT_LENGTH], "7");
        let mut headers = HeaderMap::new();
        body(BodyContent::Bytes(1), false, 4).announce(&mut headers);
        assert!(!headers.contains_key(header::CONTENT_LENGTH) && headers.contains_key(header::TRANSFER_ENCODING));
    }
}
