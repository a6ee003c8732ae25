//! Where a message ends, as far as hyper leaves it to us: one coding, one length (RFC 9112 section 6).

use http::{HeaderMap, HeaderValue, header};

use crate::error::Error;
use crate::head::tokens;

/// hyper takes any list of codings that ends in `chunked`, and undoes the last one only.
pub(crate) fn check_coding(headers: &HeaderMap) -> Result<(), Error> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter().flat_map(|line| tokens(line.as_bytes()));
    let Some(first) = codings.next() else { return Ok(()) };
    if !first.eq_ignore_ascii_case(b"chunked") {
        return Err(Error::Coding);
    }
    if codings.next().is_some() { Err(Error::Framing) } else { Ok(()) }
}

/// Leaves one number of several equal ones, in lines or in a list; hyper has checked that they are equal.
pub(crate) fn one_length(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lines.next() else { return };
    if lines.next().is_none() && !first.as_bytes().contains(&b',') {
        return;
    }
    let number = tokens(first.as_bytes()).next().map(HeaderValue::from_bytes);
    if let Some(Ok(length)) = number {
        headers.insert(header::CONTENT_LENGTH, length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_chunked_is_a_coding() {
        let check = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::TRANSFER_ENCODING, HeaderValue::from_static(line));
            }
            check_coding(&headers)
        };
        assert!(check(&[]).is_ok() && check(&["Chunked"]).is_ok());
        assert!(matches!(check(&["gzip, chunked"]), Err(Error::Coding)));
        assert!(matches!(check(&["chunked", "chunked"]), Err(Error::Framing)));
        assert!(matches!(check(&["chunked, gzip"]), Err(Error::Framing)));
    }
}
