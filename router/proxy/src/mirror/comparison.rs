//! A mirror's answer beside the one that the client got: status, named header fields, and the bodies as both go by.
//!
//! Whichever body is ahead waits for the other, up to a bound; nothing of it is copied, and neither of the two readers is held
//! up. What is longer is compared up to the bound.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, StatusCode};
use sluice_policy::filter::{COMPARED_BYTES_MAX, Compare};
use sluice_snapshot::shadow::{self, BodyDifference, HeaderDifference, Pair};

/// What lies between the two answers.
struct Between {
    headers: Vec<HeaderName>,
    compares_body: bool,
    client: Side,
    mirror: Side,
    /// Bytes that were found to be the same.
    same: u64,
    /// The first byte that is not.
    differs_at: Option<u64>,
    /// Of the task of the copy, which waits for the client's answer to end.
    waker: Option<Waker>,
}

#[derive(Default)]
struct Side {
    head: Option<Head>,
    /// What the other side has yet to say.
    ahead: VecDeque<Bytes>,
    /// Bytes that were compared, or wait for it.
    taken: usize,
    bytes: u64,
    /// `None` while it runs; then whether it came to its end.
    is_whole: Option<bool>,
}

struct Head {
    status: StatusCode,
    /// Values of the named fields.
    values: Vec<Option<Vec<u8>>>,
}

/// The end that sees the client's answer. Dropped before that is whole it ends the comparison.
pub(crate) struct Tap(Rc<RefCell<Between>>);

/// The end that sees the mirror's answer, and says what came of it.
pub(super) struct Comparison(Rc<RefCell<Between>>);

/// What differs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Differing {
    pub(super) status: Option<Pair<u16>>,
    pub(super) headers: Vec<HeaderDifference>,
    pub(super) body: Option<BodyDifference>,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Compared {
    Unfinished,
    Same { is_cut: bool },
    Different(Differing),
}

/// Both ends of a comparison.
pub(super) fn begin(compare: &Compare) -> (Tap, Comparison) {
    let between = Rc::new(RefCell::new(Between {
        headers: compare.headers.clone(),
        compares_body: compare.body,
        client: Side::default(),
        mirror: Side::default(),
        same: 0,
        differs_at: None,
        waker: None,
    }));
    (Tap(Rc::clone(&between)), Comparison(between))
}

impl Tap {
    /// The head of the client's answer.
    pub(crate) fn head(&self, status: StatusCode, headers: &HeaderMap) {
        let mut between = self.0.borrow_mut();
        between.client.head = Some(between.head(status, headers));
    }

    /// The next bytes of its body.
    pub(crate) fn push(&self, chunk: &Bytes) {
        self.0.borrow_mut().push(chunk, |between| &mut between.client);
    }

    /// The body came to its end.
    pub(crate) fn complete(self) {
        self.0.borrow_mut().client.is_whole = Some(true);
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let mut between = self.0.borrow_mut();
        between.client.is_whole.get_or_insert(false);
        if let Some(waker) = between.waker.take() {
            waker.wake();
        }
    }
}

impl Comparison {
    pub(super) fn head(&self, status: StatusCode, headers: &HeaderMap) {
        let mut between = self.0.borrow_mut();
        between.mirror.head = Some(between.head(status, headers));
    }

    pub(super) fn push(&self, chunk: &Bytes) {
        self.0.borrow_mut().push(chunk, |between| &mut between.mirror);
    }

    /// The mirror's answer came to its end.
    pub(super) fn complete(&self) {
        self.0.borrow_mut().mirror.is_whole = Some(true);
    }

    /// Completes when the client's answer ended, in whatever way.
    pub(super) fn client_ended(&self) -> impl Future<Output = ()> + '_ {
        poll_fn(|cx| {
            let mut between = self.0.borrow_mut();
            if between.client.is_whole.is_some() {
                return Poll::Ready(());
            }
            between.waker = Some(cx.waker().clone());
            Poll::Pending
        })
    }

    pub(super) fn result(&self) -> Compared {
        let between = self.0.borrow();
        let Between { client, mirror, .. } = &*between;
        let is_whole = client.is_whole == Some(true) && mirror.is_whole == Some(true);
        let (Some(of_client), Some(of_mirror), true) = (&client.head, &mirror.head, is_whole) else {
            return Compared::Unfinished;
        };
        let (in_client, in_mirror) = (of_client.status.as_u16(), of_mirror.status.as_u16());
        let status = (in_client != in_mirror).then_some(Pair { client: in_client, mirror: in_mirror });
        let headers = between.differing_headers(of_client, of_mirror);
        let body = between.differing_body();
        if status.is_none() && headers.is_empty() && body.is_none() {
            return Compared::Same { is_cut: between.compares_body && client.bytes > COMPARED_BYTES_MAX as u64 };
        }
        Compared::Different(Differing { status, headers, body })
    }
}

impl Drop for Comparison {
    fn drop(&mut self) {
        let mut between = self.0.borrow_mut();
        between.compares_body = false;
        between.client.ahead.clear();
    }
}

impl Between {
    fn head(&self, status: StatusCode, headers: &HeaderMap) -> Head {
        let value = |name: &HeaderName| {
            let lines: Vec<&[u8]> = headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect();
            (!lines.is_empty()).then(|| lines.join(&b", "[..]))
        };
        Head { status, values: self.headers.iter().map(value).collect() }
    }

    fn push(&mut self, chunk: &Bytes, side: fn(&mut Self) -> &mut Side) {
        let is_decided = !self.compares_body || self.differs_at.is_some();
        let side = side(self);
        side.bytes += chunk.len() as u64;
        let taken = chunk.len().min(COMPARED_BYTES_MAX - side.taken);
        if is_decided || taken == 0 {
            return;
        }
        side.taken += taken;
        side.ahead.push_back(chunk.slice(..taken));
        self.match_up();
    }

    /// Compares what both sides have.
    fn match_up(&mut self) {
        while let (Some(ours), Some(theirs)) = (self.client.ahead.front_mut(), self.mirror.ahead.front_mut()) {
            let bytes = ours.len().min(theirs.len());
            if ours[..bytes] != theirs[..bytes] {
                let at = ours.iter().zip(theirs.iter()).take_while(|(ours, theirs)| ours == theirs).count();
                self.differs_at = Some(self.same + at as u64);
                self.client.ahead.clear();
                self.mirror.ahead.clear();
                return;
            }
            self.same += bytes as u64;
            for side in [&mut self.client, &mut self.mirror] {
                if let Some(front) = side.ahead.front_mut() {
                    front.advance(bytes);
                }
                if side.ahead.front().is_some_and(Bytes::is_empty) {
                    side.ahead.pop_front();
                }
            }
        }
    }

    fn differing_headers(&self, client: &Head, mirror: &Head) -> Vec<HeaderDifference> {
        let both = self.headers.iter().zip(client.values.iter().zip(&mirror.values));
        let differing = both.filter(|(_, (client, mirror))| client != mirror);
        let shown = |name: &HeaderName, value: &Option<Vec<u8>>| {
            value.as_deref().map(|value| shadow::shown(name.as_str(), value))
        };
        let told = differing.map(|(name, (client, mirror))| HeaderDifference {
            name: name.as_str().to_owned(),
            values: Pair { client: shown(name, client), mirror: shown(name, mirror) },
        });
        told.collect()
    }

    fn differing_body(&self) -> Option<BodyDifference> {
        let bytes = Pair { client: self.client.bytes, mirror: self.mirror.bytes };
        if !self.compares_body || (self.differs_at.is_none() && bytes.client == bytes.mirror) {
            return None;
        }
        // One that ends where the other goes on differs at its end.
        let end = bytes.client.min(bytes.mirror);
        let offset = self.differs_at.or_else(|| (end < COMPARED_BYTES_MAX as u64).then_some(end));
        Some(BodyDifference { offset, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(body: bool) -> Compare {
        Compare { headers: vec![http::header::ETAG, http::header::SET_COOKIE], body }
    }

    fn fields(lines: &[(HeaderName, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    /// Both bodies in pieces, which come alternately.
    fn bodies(client: &[&[u8]], mirror: &[&[u8]]) -> Compared {
        let (tap, comparison) = begin(&compare(true));
        tap.head(StatusCode::OK, &HeaderMap::new());
        comparison.head(StatusCode::OK, &HeaderMap::new());
        for index in 0..client.len().max(mirror.len()) {
            if let Some(chunk) = client.get(index) {
                tap.push(&Bytes::copy_from_slice(chunk));
            }
            if let Some(chunk) = mirror.get(index) {
                comparison.push(&Bytes::copy_from_slice(chunk));
            }
        }
        tap.complete();
        comparison.complete();
        comparison.result()
    }

    fn differing(offset: Option<u64>, client: u64, mirror: u64) -> Compared {
        let body = Some(BodyDifference { offset, bytes: Pair { client, mirror } });
        Compared::Different(Differing { status: None, headers: Vec::new(), body })
    }

    #[test]
    fn bodies_are_the_same_however_they_are_cut_into_pieces() {
        assert_eq!(bodies(&[b"abc", b"def"], &[b"a", b"bcde", b"f"]), Compared::Same { is_cut: false });
        assert_eq!(bodies(&[], &[]), Compared::Same { is_cut: false });
    }

    #[test]
    fn the_first_byte_that_differs_is_told() {
        assert_eq!(bodies(&[b"abc", b"def"], &[b"abcdXf", b"more"]), differing(Some(4), 6, 10));
        assert_eq!(bodies(&[b"abc"], &[b"abcd"]), differing(Some(3), 3, 4));
        assert_eq!(bodies(&[b"a"], &[]), differing(Some(0), 1, 0));
    }

    #[test]
    fn bodies_are_compared_up_to_a_bound() {
        let fits = vec![b'x'; COMPARED_BYTES_MAX];
        let long = [&fits[..], b"a"].concat();
        let other = [&fits[..], b"b"].concat();
        let mut last = fits.clone();
        last[COMPARED_BYTES_MAX - 1] = b'y';
        let bytes = COMPARED_BYTES_MAX as u64;
        assert_eq!(bodies(&[&fits], &[&fits]), Compared::Same { is_cut: false });
        assert_eq!(bodies(&[&long], &[&other]), Compared::Same { is_cut: true });
        assert_eq!(bodies(&[&fits], &[&last]), differing(Some(bytes - 1), bytes, bytes));
        assert_eq!(bodies(&[&fits], &[&long]), differing(None, bytes, bytes + 1), "it lies behind the bound");
    }

    #[test]
    fn what_waits_for_the_other_side_is_bounded() {
        let (tap, comparison) = begin(&compare(true));
        for _ in 0..3 {
            tap.push(&Bytes::from(vec![0; COMPARED_BYTES_MAX]));
        }
        let between = comparison.0.borrow();
        let waiting: usize = between.client.ahead.iter().map(Bytes::len).sum();
        assert_eq!((waiting, between.client.bytes), (COMPARED_BYTES_MAX, 3 * COMPARED_BYTES_MAX as u64));
    }

    #[test]
    fn nothing_waits_for_a_mirror_that_is_gone() {
        let (tap, comparison) = begin(&compare(true));
        tap.push(&Bytes::from_static(b"abc"));
        drop(comparison);
        tap.push(&Bytes::from_static(b"def"));
        assert!(tap.0.borrow().client.ahead.is_empty());
    }

    #[test]
    fn statuses_and_named_fields_are_compared_and_secrets_not_told() {
        let (tap, comparison) = begin(&compare(false));
        let set = [(http::header::ETAG, "\"1\""), (http::header::SET_COOKIE, "s=1"), (http::header::DATE, "now")];
        tap.head(StatusCode::OK, &fields(&set));
        tap.push(&Bytes::from_static(b"one"));
        tap.complete();
        comparison.head(StatusCode::NOT_FOUND, &fields(&[(http::header::SET_COOKIE, "s=2")]));
        comparison.complete();
        let Compared::Different(differing) = comparison.result() else { panic!("they differ") };
        assert_eq!(differing.status, Some(Pair { client: 200, mirror: 404 }));
        let told: Vec<_> = differing.headers.iter().map(|header| (&*header.name, header.values.clone())).collect();
        let hidden = || Some(shadow::HIDDEN.to_owned());
        assert_eq!(
            told,
            [
                ("etag", Pair { client: Some("\"1\"".to_owned()), mirror: None }),
                ("set-cookie", Pair { client: hidden(), mirror: hidden() })
            ]
        );
        assert_eq!(differing.body, None, "bodies are not compared");
    }

    #[test]
    fn an_answer_that_does_not_come_to_its_end_compares_with_nothing() {
        let (tap, comparison) = begin(&compare(true));
        tap.head(StatusCode::OK, &HeaderMap::new());
        comparison.head(StatusCode::OK, &HeaderMap::new());
        comparison.complete();
        drop(tap);
        assert_eq!(comparison.result(), Compared::Unfinished);
    }
}
