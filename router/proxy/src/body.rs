//! Step of the path: the request body, counted on its way from the client to the server.
//!
//! Plugins hear of its size and are shown its bytes here, on their way and never twice.
//!
//! The body belongs to the exchange; whoever sends it (an attempt at a server, or the discarding after an early answer)
//! holds a handle. It is never kept, so what an attempt has begun to send cannot be sent again.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::poll_fn;
use http_body::{Body, Frame, SizeHint};
use tokio::time::timeout;

use crate::answer::Answer;
use crate::chain::{self, Chunks};
use crate::codec::Incoming;
use crate::error::Error;
use crate::exchange::Exchange;
use crate::expect::Hold;
use crate::headers;
use crate::linger::{DISCARDED_BYTES_MAX, DISCARDING_MAX};
use crate::meter::Meter;
use crate::mirror::{CopiedBody, Tee};
use crate::stall::Stall;

/// The body of one request.
pub(crate) struct Upload {
    inner: RefCell<Inner>,
}

struct Inner {
    incoming: Incoming,
    meter: Option<(Meter, Weak<Exchange>)>,
    /// The plugins that look at its bytes.
    chunks: Option<Chunks>,
    stall: Stall,
    /// Keeps it from the server.
    hold: Option<Hold>,
    /// Copies for mirrors.
    tees: Vec<Tee>,
    /// Bytes that its route still allows, if it limits a body that declares no length.
    allowed_bytes: Option<u64>,
    progress: Progress,
    /// Bytes read so far.
    bytes: u64,
    /// Why it was stopped, for whoever waits for the server's answer.
    stopped_by: Option<Result<Answer, Error>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// Nothing of it was read yet: it can be sent from its beginning.
    Unread,
    Running,
    Complete,
    Stopped,
}

impl Upload {
    /// The body of a request, or `None` if it has none.
    pub(crate) fn open(incoming: Incoming, idle_max: Duration) -> Option<Rc<Self>> {
        if incoming.is_end_stream() {
            return None;
        }
        let stall = Stall::new(idle_max, None);
        let progress = Progress::Unread;
        let inner = Inner {
            incoming,
            meter: None,
            chunks: None,
            stall,
            hold: None,
            tees: Vec::new(),
            allowed_bytes: None,
            progress,
            bytes: 0,
            stopped_by: None,
        };
        Some(Rc::new(Self { inner: RefCell::new(inner) }))
    }

    /// Has the rest of the body counted.
    pub(crate) fn count_with(&self, meter: Meter, exchange: &Rc<Exchange>) {
        self.inner.borrow_mut().meter = Some((meter, Rc::downgrade(exchange)));
    }

    /// Has it shown to plugins.
    pub(crate) fn show_to(&self, chunks: Chunks) {
        self.inner.borrow_mut().chunks = Some(chunks);
    }

    /// Has the rest of the body copied.
    pub(crate) fn copy_to(&self, tee: Tee) {
        self.inner.borrow_mut().tees.push(tee);
    }

    /// Allows at most `bytes_max`. A body that declares more is refused before a byte of it is asked for, so no client
    /// is told to continue; one that declares nothing is counted.
    pub(crate) fn limit(&self, bytes_max: u64) -> Result<(), Error> {
        let mut inner = self.inner.borrow_mut();
        match inner.incoming.size_hint().exact() {
            Some(declared) if declared > bytes_max => return Err(Error::BodyTooLarge),
            Some(_) => {}
            None => inner.allowed_bytes = Some(bytes_max),
        }
        Ok(())
    }

    /// Bytes that were read.
    pub(crate) fn bytes(&self) -> u64 {
        self.inner.borrow().bytes
    }

    /// Keeps it from the server for now.
    pub(crate) fn hold(&self, hold: Hold) {
        self.inner.borrow_mut().hold = Some(hold);
    }

    /// The server asks for it.
    pub(crate) fn ask(&self) {
        if let Some(hold) = &self.inner.borrow().hold {
            hold.ask();
        }
    }

    /// The head of the server's answer is there.
    pub(crate) fn answered(&self) {
        if let Some(hold) = &mut self.inner.borrow_mut().hold {
            hold.answered();
        }
    }

    /// True when all of it was read.
    pub(crate) fn is_complete(&self) -> bool {
        self.inner.borrow().progress == Progress::Complete
    }

    /// Why it was stopped, if it was; once.
    pub(crate) fn take_stop(&self) -> Option<Result<Answer, Error>> {
        self.inner.borrow_mut().stopped_by.take()
    }

    /// Reads and counts what the client still sends, so that it gets to read its answer. Bounded in size and time.
    pub(crate) async fn discard(self: Rc<Self>, _keeps_counting: Rc<Exchange>) {
        // What the server must not get is read all the same.
        self.inner.borrow_mut().allowed_bytes = None;
        let read_all = async {
            let mut left = DISCARDED_BYTES_MAX;
            while let Some(Ok(frame)) = poll_fn(|cx| self.inner.borrow_mut().poll_read(cx)).await {
                match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                    Some(rest) => left = rest,
                    None => break,
                }
            }
        };
        // Late or not: the connection is closed next.
        let _late = timeout(DISCARDING_MAX, read_all).await;
    }
}

impl Inner {
    /// Reads for the server; ends with an error when the upload is stopped.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Stopped>>> {
        if self.progress == Progress::Stopped {
            return Poll::Ready(Some(Err(Stopped)));
        }
        if let Some(hold) = &mut self.hold {
            ready!(hold.poll(cx));
            self.hold = None;
        }
        match self.poll_read(cx) {
            Poll::Ready(_) if self.progress == Progress::Stopped => Poll::Ready(Some(Err(Stopped))),
            read => read,
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Stopped>>> {
        loop {
            match self.incoming.poll_frame(cx) {
                Poll::Ready(Some(Ok(mut frame))) => {
                    self.begin();
                    self.stall.moved();
                    if let Some(trailers) = frame.trailers_mut() {
                        headers::take_off_trailers(trailers);
                        self.complete();
                        self.show(&[], true);
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    let Ok(chunk) = frame.into_data() else { continue };
                    self.bytes += chunk.len() as u64;
                    if !self.is_allowed(chunk.len()) {
                        return self.stop(Err(Error::BodyTooLarge));
                    }
                    self.tees.iter().for_each(|tee| tee.push(&chunk));
                    let is_end = self.incoming.is_end_stream();
                    if is_end {
                        self.complete();
                    }
                    self.count(&chunk);
                    if self.chunks.is_some() {
                        self.show(&chunk, is_end);
                    }
                    return Poll::Ready(Some(Ok(Frame::data(chunk))));
                }
                Poll::Ready(Some(Err(_broken))) => return self.stop(Err(Error::BodyBroken)),
                Poll::Ready(None) => {
                    self.complete();
                    self.show(&[], true);
                    return Poll::Ready(None);
                }
                Poll::Pending => {
                    return match self.stall.poll(cx) {
                        Poll::Ready(_idle) => self.stop(Err(Error::BodyIdle)),
                        Poll::Pending => Poll::Pending,
                    };
                }
            }
        }
    }

    /// Takes `bytes` from what its route allows.
    fn is_allowed(&mut self, bytes: usize) -> bool {
        let Some(allowed) = self.allowed_bytes else { return true };
        let left = allowed.checked_sub(bytes as u64);
        self.allowed_bytes = left.or(self.allowed_bytes);
        left.is_some()
    }

    fn begin(&mut self) {
        if self.progress == Progress::Unread {
            self.progress = Progress::Running;
        }
    }

    fn complete(&mut self) {
        self.begin();
        if self.progress == Progress::Running {
            self.progress = Progress::Complete;
        }
        self.tees.drain(..).for_each(Tee::complete);
    }

    fn stop(&mut self, by: Result<Answer, Error>) -> Poll<Option<Result<Frame<Bytes>, Stopped>>> {
        self.progress = Progress::Stopped;
        self.stopped_by.get_or_insert(by);
        self.meter = None;
        self.chunks = None;
        self.tees.clear();
        Poll::Ready(Some(Err(Stopped)))
    }

    /// Counts a chunk and tells the plugins that wait for a size. An answer of theirs stops the upload, unless the
    /// response has begun.
    fn count(&mut self, chunk: &[u8]) {
        let Some((meter, exchange)) = &mut self.meter else { return };
        let Some(exchange) = exchange.upgrade() else { return };
        meter.feed(chunk);
        while let Some((link, due)) = meter.due() {
            let (size_bytes, unit) = (meter.size_bytes(), meter.unit());
            let answered = chain::body_size(&exchange, link, due, size_bytes, unit, false).transpose();
            if let Some(by) = answered
                && !exchange.is_answered()
            {
                let _stopped = self.stop(by);
                return;
            }
        }
    }

    /// Shows what came to the plugins that look at it. An answer of theirs stops the upload, as that to its size does.
    fn show(&mut self, chunk: &[u8], is_end: bool) {
        let Some(chunks) = &mut self.chunks else { return };
        let answered = chunks.show(chunk, is_end);
        if chunks.is_over() {
            self.chunks = None;
        }
        if let Some(by) = answered {
            let _stopped = self.stop(by);
        }
    }
}

/// The body was stopped; the upload says why.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("upload stopped")]
pub(crate) struct Stopped;

/// The body as an attempt at a server sends it; a handle, so that a clone sends the same one.
#[derive(Clone)]
pub(crate) enum RequestBody {
    /// There is none.
    Empty,
    /// What the client sends.
    Upload(Rc<Upload>),
    /// What a mirror gets of it.
    Copy(CopiedBody),
}

impl RequestBody {
    /// The server asks for it.
    pub(crate) fn ask(&self) {
        if let Self::Upload(upload) = self {
            upload.ask();
        }
    }

    /// True once some of it was read: what is gone cannot be sent again.
    pub(crate) fn is_begun(&self) -> bool {
        match self {
            Self::Empty => false,
            Self::Upload(upload) => upload.inner.borrow().progress != Progress::Unread,
            Self::Copy(_) => true,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Stopped;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Stopped>>> {
        match &*self {
            Self::Empty => Poll::Ready(None),
            Self::Upload(upload) => upload.inner.borrow_mut().poll_send(cx),
            Self::Copy(body) => body.poll_chunk(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            // A stopped upload is asked once more, and then fails: it must not look complete.
            Self::Upload(upload) => upload.is_complete(),
            Self::Copy(body) => body.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Upload(upload) => upload.inner.borrow().incoming.size_hint(),
            Self::Copy(body) => body.size_hint(),
        }
    }
}
