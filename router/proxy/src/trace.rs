//! The trace that a request belongs to (W3C Trace Context): passed on where it is valid, else begun here.
//!
//! The router makes no span of its own: a valid `traceparent` reaches the server as it came, and costs no allocation.

use std::cell::OnceCell;

use http::{HeaderMap, HeaderName, HeaderValue};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// `00-` trace-id `-` parent-id `-` flags (Trace Context section 3.2.2); later versions may only append.
const TRACEPARENT_BYTES: usize = 55;
/// Where the ids and the flags stand in it.
const TRACE_ID: std::ops::Range<usize> = 3..35;
const PARENT_ID: std::ops::Range<usize> = 36..52;
const FLAGS: std::ops::Range<usize> = 53..55;
/// A version that cannot be (section 3.2.2.1).
const VERSION_INVALID: &[u8] = b"ff";
/// The version that is exactly [`TRACEPARENT_BYTES`] long.
const VERSION_KNOWN: &[u8] = b"00";
/// Flags of a trace begun here: `sampled`, because a router that does not trace must not switch off the tracing of those
/// behind it; and `random`, because its id is (Trace Context level 2, section 3.2.2.5).
const FLAGS_BEGUN: &[u8; 2] = b"03";
const HEX: &[u8; 16] = b"0123456789abcdef";

/// The trace of one request: `traceparent` as the server gets it.
#[derive(Debug, Default)]
pub(crate) struct Trace(OnceCell<HeaderValue>);

impl Trace {
    /// Leaves exactly one valid `traceparent` in `headers`. `random` is asked if it must be made.
    pub(crate) fn settle(&self, headers: &mut HeaderMap, random: impl Fn() -> u64) {
        let mut lines = headers.get_all(TRACEPARENT).iter();
        let only = lines.next().filter(|line| lines.next().is_none() && is_valid(line.as_bytes()));
        let parent = only.cloned().unwrap_or_else(|| {
            let begun = begin(random);
            // The state of vendors belongs to the trace that ended here (section 3.3).
            headers.remove(TRACESTATE);
            headers.insert(TRACEPARENT, begun.clone());
            begun
        });
        // A head is read once.
        let _first = self.0.set(parent);
    }

    /// The trace-id, once the head was read.
    pub(crate) fn id(&self) -> Option<&str> {
        self.0.get()?.to_str().ok()?.get(TRACE_ID)
    }
}

/// True if `text` says which trace the request belongs to. Versions to come are read as far as they are known (section
/// 3.2.4).
fn is_valid(text: &[u8]) -> bool {
    let Some((known, more)) = text.split_at_checked(TRACEPARENT_BYTES) else { return false };
    let version = &known[..2];
    let dashes = [2, TRACE_ID.end, PARENT_ID.end].iter().all(|at| known[*at] == b'-');
    dashes
        && is_hex(version)
        && version != VERSION_INVALID
        && (more.is_empty() || (version != VERSION_KNOWN && more[0] == b'-'))
        && is_id(&known[TRACE_ID])
        && is_id(&known[PARENT_ID])
        && is_hex(&known[FLAGS])
}

/// Hex digits, not all of them zero.
fn is_id(digits: &[u8]) -> bool {
    is_hex(digits) && digits.iter().any(|digit| *digit != b'0')
}

/// Lower case only (section 3.2.2).
fn is_hex(digits: &[u8]) -> bool {
    digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

fn begin(random: impl Fn() -> u64) -> HeaderValue {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    write_hex(&mut text[TRACE_ID.start..][..16], random());
    write_hex(&mut text[TRACE_ID.start + 16..TRACE_ID.end], random());
    write_hex(&mut text[PARENT_ID], random());
    text[FLAGS].copy_from_slice(FLAGS_BEGUN);
    HeaderValue::from_bytes(&text).expect("invariant: hex digits and dashes are visible ASCII")
}

/// All-zero ids are invalid: 0 stands for 1.
fn write_hex(digits: &mut [u8], number: u64) {
    let mut rest = number.max(1);
    for digit in digits.iter_mut().rev() {
        *digit = HEX[usize::try_from(rest & 0xf).unwrap_or_default()];
        rest >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn settled(lines: &[(&'static str, &str)]) -> (Trace, HeaderMap) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        let trace = Trace::default();
        trace.settle(&mut headers, || 0x1234);
        (trace, headers)
    }

    fn is_kept(line: &str) -> bool {
        let (_, headers) = settled(&[("traceparent", line), ("tracestate", "a=1")]);
        assert!(is_valid(headers["traceparent"].as_bytes()), "{line}");
        assert_eq!(headers.contains_key("tracestate"), headers["traceparent"] == line, "{line}");
        headers["traceparent"] == line
    }

    #[test]
    fn b28_a_valid_one_is_passed_on_with_its_state() {
        let (trace, headers) = settled(&[("traceparent", VALID), ("tracestate", "a=1"), ("tracestate", "b=2")]);
        assert_eq!(headers["traceparent"], VALID);
        assert_eq!(headers.get_all("tracestate").iter().count(), 2);
        assert_eq!(trace.id(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
    }

    #[test]
    fn b28_versions_to_come_are_read_as_far_as_they_are_known() {
        assert!(is_kept(&VALID.replacen("00", "01", 1)));
        assert!(is_kept(&format!("{}-what-the-future-brings", VALID.replacen("00", "cc", 1))));
        assert!(!is_kept(&format!("{}.what", VALID.replacen("00", "cc", 1))));
        assert!(!is_kept(&VALID.replacen("00", "ff", 1)));
    }

    #[test]
    fn b28_hostile_ones_are_replaced() {
        for line in [
            "",
            "-",
            "00",
            &VALID[..54],
            &format!("{VALID}-00"),
            &format!("{VALID}0"),
            &VALID.to_uppercase(),
            &VALID.replace("4bf92f3577b34da6a3ce929d0e0e4736", "00000000000000000000000000000000"),
            &VALID.replace("00f067aa0ba902b7", "0000000000000000"),
            &VALID.replace('-', "_"),
            &VALID.replace("-01", "-0g"),
            &VALID.replace("4bf92f", "4bf92 "),
            &format!("{VALID},{VALID}"),
            &"0".repeat(8_000),
        ] {
            assert!(!is_kept(line), "{line}");
        }
        let (_, headers) = settled(&[("traceparent", VALID), ("traceparent", VALID), ("tracestate", "a=1")]);
        assert_eq!(headers.get_all("traceparent").iter().count(), 1);
        assert!(headers["traceparent"] != VALID && !headers.contains_key("tracestate"));
    }

    #[test]
    fn b28_none_is_made_and_begun_ones_are_valid() {
        let (trace, headers) = settled(&[("tracestate", "a=1")]);
        assert_eq!(headers["traceparent"], "00-00000000000012340000000000001234-0000000000001234-03");
        assert_eq!(trace.id(), Some("00000000000012340000000000001234"));
        assert!(!headers.contains_key("tracestate"));
        assert!(is_valid(begin(|| 0).as_bytes()));
    }
}
