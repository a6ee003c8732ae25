//! The scanner at its edges, and under any chunking.

use proptest::prelude::*;

use super::*;

fn part(disposition: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("--B\r\nContent-Disposition: form-data; {disposition}\r\nContent-Type: image/png\r\n\r\n");
    [head.as_bytes(), content, b"\r\n"].concat()
}

fn body(parts: &[Vec<u8>]) -> Vec<u8> {
    [&parts.concat()[..], b"--B--\r\n"].concat()
}

fn largest(body: &[u8]) -> u64 {
    let mut scanner = Scanner::new(b"B");
    scanner.feed(body);
    scanner.largest_file_bytes()
}

#[test]
fn the_largest_file_counts_and_fields_do_not() {
    let parts = [
        part("name=\"text\"", &[b'x'; 900]),
        part("name=\"a\"; filename=\"a.png\"", &[b'x'; 10]),
        part("name=\"b\"; FileName=b", &[b'x'; 30]),
        part("name=\"c\"; filename*=UTF-8''c", &[b'x'; 20]),
    ];
    assert_eq!(largest(&body(&parts)), 30);
    assert_eq!(largest(&[b"preamble, 60 bytes of it\r\n", &body(&parts)[..]].concat()), 30);
    assert_eq!(largest(&[&body(&parts)[..], &[b'y'; 400]].concat()), 30, "an epilogue is no part");
}

#[test]
fn exact_sizes_at_the_limit() {
    for bytes in [0_usize, 1, 49_999, 50_000, 50_001] {
        let upload = body(&[part("name=\"image\"; filename=\"x\"", &vec![b'\r'; bytes])]);
        assert_eq!(largest(&upload), bytes as u64);
    }
}

#[test]
fn what_only_looks_like_a_delimiter_is_content() {
    let lookalikes: [&[u8]; 9] = [
        b"\r\n--",
        b"\r\n--Bx",
        b"\r\n--B-x",
        b"\r\n--B--x",
        b"\r\n--B \tx",
        b"\n--B\n",
        b"\r\r\n--b\r\n",
        b"--B\r\n",
        b"\r\n--B\rx",
    ];
    for content in lookalikes {
        let upload = body(&[part("name=\"i\"; filename=\"x\"", content)]);
        assert_eq!(largest(&upload), content.len() as u64, "{:?}", String::from_utf8_lossy(content));
    }
}

#[test]
fn a_delimiter_right_after_a_lookalike_is_seen() {
    let content = b"\r\n--B-\r\n--B\r";
    let upload = body(&[part("name=\"i\"; filename=\"x\"", content), part("name=\"j\"; filename=\"y\"", b"12")]);
    assert_eq!(largest(&upload), content.len() as u64);
}

#[test]
fn a_name_that_mentions_a_file_is_no_file() {
    assert_eq!(largest(&body(&[part("name=\"; filename=x\"", b"12345")])), 0);
    assert_eq!(largest(&body(&[part("name=\"a\\\"; filename=x\"", b"12345")])), 0);
}

#[test]
fn a_part_without_a_head_is_a_field_and_one_with_too_long_a_head_is_a_file() {
    assert_eq!(largest(b"--B\r\n\r\n12345\r\n--B--"), 0);
    let line = b"X-Pad: ";
    let endless = |bytes: usize| [b"--B\r\n", &line[..], &vec![b'x'; bytes - line.len()], b"\r\n\r\n12345"].concat();
    assert_eq!(largest(&endless(PART_HEAD_BYTES_MAX - EMPTY_LINE.len())), 0, "a head at the bound is read");
    assert!(largest(&endless(PART_HEAD_BYTES_MAX - EMPTY_LINE.len() + 1)) > 0, "one byte more is not");
}

#[test]
fn boundaries_are_read_from_the_content_type() {
    let read = |text: &str| boundary(text.as_bytes()).map(|boundary| String::from_utf8(boundary).unwrap());
    assert_eq!(read("multipart/form-data; boundary=abc").as_deref(), Some("abc"));
    assert_eq!(read("Multipart/Form-Data; charset=utf-8; Boundary=\"a b;c\"").as_deref(), Some("a b;c"));
    assert_eq!(read("multipart/form-data"), None);
    assert_eq!(read("multipart/form-data; boundary="), None);
    assert_eq!(read("multipart/mixed; boundary=abc"), None);
    assert!(read(&format!("multipart/form-data; boundary={}", "x".repeat(BOUNDARY_BYTES_MAX))).is_some());
    assert!(read(&format!("multipart/form-data; boundary={}", "x".repeat(BOUNDARY_BYTES_MAX + 1))).is_none());
}

/// Contents made of the bytes that matter to the scanner.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\r\n--B".to_vec()),
        Just(b"\r\n--B--".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"-".to_vec()),
        Just(b"B".to_vec()),
        Just(b" ".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..20),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_chunking_counts_the_same(
        contents in proptest::collection::vec((any::<bool>(), content()), 0..4),
        cuts in proptest::collection::vec(1_usize..40, 1..80),
    ) {
        let disposition = |is_file| if is_file { "name=\"f\"; filename=\"f\"" } else { "name=\"f\"" };
        let parts: Vec<_> = contents.iter().map(|(is_file, content)| part(disposition(*is_file), content)).collect();
        let body = body(&parts);
        let whole = largest(&body);
        let mut scanner = Scanner::new(b"B");
        let (mut rest, mut cuts) = (&body[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
            let before = scanner.largest_file_bytes();
            scanner.feed(chunk);
            prop_assert!(scanner.largest_file_bytes() >= before, "a count never shrinks");
            rest = after;
        }
        prop_assert_eq!(scanner.largest_file_bytes(), whole);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(largest(&bytes) <= bytes.len() as u64);
    }
}
