//! The `Date` of responses over HTTP/2 (RFC 9110 section 6.6.1); over HTTP/1.1 hyper has its own.

use std::cell::RefCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;

/// The last date that was written, good for its second.
#[derive(Debug)]
pub(crate) struct Date {
    written: RefCell<(u64, HeaderValue)>,
}

impl Default for Date {
    fn default() -> Self {
        Self { written: RefCell::new((0, field(0))) }
    }
}

impl Date {
    /// The date at `now`.
    pub(crate) fn at(&self, now: SystemTime) -> HeaderValue {
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut written = self.written.borrow_mut();
        if written.0 != seconds {
            *written = (seconds, field(seconds));
        }
        written.1.clone()
    }
}

fn field(seconds: u64) -> HeaderValue {
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
    HeaderValue::try_from(text).expect("invariant: a date is visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_anew_in_the_next_second() {
        let date = Date::default();
        let at = |millis| date.at(UNIX_EPOCH + Duration::from_millis(millis));
        assert_eq!(at(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(at(784_111_777_999), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(at(784_111_778_000), "Sun, 06 Nov 1994 08:49:38 GMT");
    }
}
