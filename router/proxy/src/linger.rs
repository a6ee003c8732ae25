//! How a connection ends whose client may still be sending.
//!
//! A socket that is closed with bytes unread resets its connection, and a reset takes away what the client has not read
//! yet, the answer above all. So the sending half is closed first, and what still comes is read for a while (RFC 9112
//! section 9.6).

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use crate::stream::SharedStream;

/// What is read of a body that nobody wants, or of a connection that was closed. More than this is a client that does not
/// listen.
pub(crate) const DISCARDED_BYTES_MAX: usize = 64 << 20;
/// How long that reading may take.
pub(crate) const DISCARDING_MAX: Duration = Duration::from_secs(2);
/// Bytes of one read.
const READ_BYTES: usize = 16 << 10;

/// Closes the sending half and reads until the client has closed as well. Bounded in size and time.
pub(crate) async fn close(mut stream: SharedStream) {
    let read_all = async {
        if stream.shutdown().await.is_err() {
            return;
        }
        let mut space = vec![0; READ_BYTES];
        let mut left = DISCARDED_BYTES_MAX;
        loop {
            let mut buffer = ReadBuf::new(&mut space);
            let read = poll_fn(|cx| Pin::new(&mut stream).poll_read(cx, &mut buffer)).await;
            match left.checked_sub(buffer.filled().len()) {
                Some(rest) if read.is_ok() && !buffer.filled().is_empty() => left = rest,
                _ => return,
            }
        }
    };
    // Late or not: it is closed next.
    let _late = timeout(DISCARDING_MAX, read_all).await;
}
