//! The body of a copy: chunks of the upload, as they pass by on their way to the server.
//!
//! Nothing is copied but handles of the chunks. What waits for a slow mirror is bounded.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::body::Stopped;

/// Bytes of one body that may wait for a mirror: several chunks as they come from a socket, so that a short pause of the
/// mirror does not end its copy.
const COPIED_BYTES_MAX: usize = 1 << 20;

/// What lies between an upload and its copy.
#[derive(Debug)]
struct Between {
    chunks: VecDeque<Bytes>,
    bytes: usize,
    /// `None` while the upload runs; then whether it came to its end.
    is_whole: Option<bool>,
    /// Of the copy's task, which alone reads here.
    waker: Option<Waker>,
}

/// The end of a copied body that the upload writes to. Dropped before the upload is whole it breaks the copy off.
#[derive(Debug)]
pub(crate) struct Tee(Rc<RefCell<Between>>);

/// The end that the copy reads from.
#[derive(Clone, Debug)]
pub(crate) struct CopiedBody {
    between: Rc<RefCell<Between>>,
    size_hint: SizeHint,
}

/// Both ends of a copied body that is as long as `size_hint` says.
pub(super) fn tee(size_hint: SizeHint) -> (Tee, CopiedBody) {
    let between = Between { chunks: VecDeque::new(), bytes: 0, is_whole: None, waker: None };
    let between = Rc::new(RefCell::new(between));
    (Tee(Rc::clone(&between)), CopiedBody { between, size_hint })
}

impl Between {
    fn end(&mut self, is_whole: bool) {
        if self.is_whole.is_none() {
            self.is_whole = Some(is_whole);
        }
        if !is_whole {
            self.chunks.clear();
        }
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Tee {
    /// Passes on a chunk of the upload; what is more than may wait breaks the copy off.
    pub(crate) fn push(&self, chunk: &Bytes) {
        let mut between = self.0.borrow_mut();
        if between.is_whole.is_some() {
            return;
        }
        if between.bytes + chunk.len() > COPIED_BYTES_MAX {
            return between.end(false);
        }
        between.bytes += chunk.len();
        between.chunks.push_back(chunk.clone());
        between.wake();
    }

    /// The upload came to its end.
    pub(crate) fn complete(self) {
        self.0.borrow_mut().end(true);
    }
}

impl Drop for Tee {
    fn drop(&mut self) {
        let mut between = self.0.borrow_mut();
        if between.is_whole.is_none() {
            between.end(false);
        }
    }
}

impl CopiedBody {
    /// Completes when the copy is broken off. A connection whose peer takes nothing does not ask for more of a body, so it
    /// would not learn of it.
    pub(super) fn broken_off(&self) -> impl Future<Output = ()> + use<> {
        let between = Rc::clone(&self.between);
        poll_fn(move |cx| {
            let mut between = between.borrow_mut();
            if between.is_whole == Some(false) {
                return Poll::Ready(());
            }
            between.waker = Some(cx.waker().clone());
            Poll::Pending
        })
    }

    pub(crate) fn poll_chunk(&self, cx: &Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Stopped>>> {
        let mut between = self.between.borrow_mut();
        if let Some(chunk) = between.chunks.pop_front() {
            between.bytes -= chunk.len();
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        match between.is_whole {
            Some(true) => Poll::Ready(None),
            Some(false) => Poll::Ready(Some(Err(Stopped))),
            None => {
                between.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        let between = self.between.borrow();
        between.chunks.is_empty() && between.is_whole == Some(true)
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.size_hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &CopiedBody) -> Poll<Option<Result<usize, Stopped>>> {
        let frame = body.poll_chunk(&Context::from_waker(Waker::noop()));
        frame.map(|frame| frame.map(|frame| frame.map(|frame| frame.into_data().unwrap().len())))
    }

    #[test]
    fn a_copy_follows_its_upload_to_the_end() {
        let (tee, body) = tee(SizeHint::default());
        assert!(read(&body).is_pending());
        tee.push(&Bytes::from_static(b"abc"));
        tee.complete();
        assert!(!body.is_over());
        assert!(matches!(read(&body), Poll::Ready(Some(Ok(3)))));
        assert!(body.is_over() && matches!(read(&body), Poll::Ready(None)));
    }

    #[test]
    fn an_upload_that_breaks_off_breaks_its_copy_off() {
        let (tee, body) = tee(SizeHint::default());
        tee.push(&Bytes::from_static(b"abc"));
        drop(tee);
        assert!(!body.is_over() && matches!(read(&body), Poll::Ready(Some(Err(Stopped)))));
    }

    #[test]
    fn what_waits_for_a_mirror_is_bounded() {
        let (tee, body) = tee(SizeHint::default());
        tee.push(&Bytes::from(vec![0; COPIED_BYTES_MAX]));
        assert!(matches!(read(&body), Poll::Ready(Some(Ok(COPIED_BYTES_MAX)))));
        tee.push(&Bytes::from(vec![0; COPIED_BYTES_MAX]));
        tee.push(&Bytes::from_static(b"x"));
        assert!(matches!(read(&body), Poll::Ready(Some(Err(Stopped)))));
        tee.complete();
        assert!(!body.is_over(), "what was broken off stays so");
    }
}
