//! What came of comparing the answers of mirrors with those that clients got: counts, and the last differences.
//!
//! One shard per worker. No content is kept: of a body its length and where it begins to differ, of a header field a short
//! piece of its value, and of one that carries secrets not even that.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use serde::{Serialize, Serializer};

use crate::time;

/// Differences that are kept, of each worker and as told: some screens.
pub const DIFFERENCES_KEPT_MAX: usize = 64;
/// Pairs of route and mirror that are counted; more than this only a policy has that is reloaded with new names all the time.
pub const PAIRS_MAX: usize = 1_024;
/// Longest piece of a header's value that is told, bytes.
pub const VALUE_BYTES_MAX: usize = 64;
/// Longest path that is told, bytes.
pub const PATH_BYTES_MAX: usize = 256;
/// What stands for the value of a field that carries secrets.
pub const HIDDEN: &str = "<hidden>";
/// Response fields whose values let somebody in (RFC 6265 section 4.1, RFC 9110 section 11.6.3).
const SECRET_FIELDS: [&str; 3] = ["set-cookie", "authentication-info", "proxy-authentication-info"];

/// What came of one comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// One of the two did not come to its end: the client left, or the mirror failed.
    Unfinished,
    /// Nothing differs.
    Same {
        /// There was more of both bodies than is compared.
        is_cut: bool,
    },
    /// Something does.
    Different(Box<Difference>),
}

/// How a mirror's answer differs from the one that the client got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// When the request came, Unix time in ms; told as RFC 3339.
    #[serde(rename = "time", serialize_with = "rfc3339")]
    pub time_ms: u64,
    /// Id of the request.
    pub request_id: String,
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// The route.
    pub route: String,
    /// The upstream of the mirror.
    pub mirror: String,
    /// The two statuses, if they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Pair<u16>>,
    /// The header fields that differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderDifference>,
    /// The bodies, if they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyDifference>,
}

/// What the client got and what the mirror said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Pair<T> {
    /// The client's.
    pub client: T,
    /// The mirror's.
    pub mirror: T,
}

/// A header field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeaderDifference {
    /// Its name.
    pub name: String,
    /// Its values, as far as they are [`shown`]; `None` = there is none.
    #[serde(flatten)]
    pub values: Pair<Option<String>>,
}

/// Two bodies that differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BodyDifference {
    /// The first byte that differs, from 0; `None` = it lies behind what is compared.
    pub offset: Option<u64>,
    /// How long they are, bytes.
    pub bytes: Pair<u64>,
}

/// What came of all comparisons of one route with one mirror.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ShadowTotals {
    /// The route.
    pub route: String,
    /// The upstream of the mirror.
    pub mirror: String,
    /// Nothing differed.
    pub same: u64,
    /// Of these, bodies of which only the beginning was compared.
    pub cut: u64,
    /// Something differed.
    pub different: u64,
    /// Of these, statuses.
    pub status: u64,
    /// Of these, header fields.
    pub headers: u64,
    /// Of these, bodies.
    pub body: u64,
    /// One of the two did not come to its end.
    pub unfinished: u64,
}

/// What came of all comparisons.
#[derive(Debug)]
pub struct Shadows(Vec<Mutex<Shard>>);

#[derive(Debug, Default)]
struct Shard {
    totals: BTreeMap<(String, String), ShadowTotals>,
    last: VecDeque<Difference>,
}

impl Shadows {
    pub(crate) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Mutex::default()).collect())
    }

    /// Keeps what came of one comparison. Beside the request path, on the worker's own thread.
    pub fn keep(&self, worker: usize, route: &str, mirror: &str, comparison: Comparison) {
        let mut shard = self.0[worker].lock().unwrap_or_else(PoisonError::into_inner);
        let Shard { totals, last } = &mut *shard;
        let pair = (route.to_owned(), mirror.to_owned());
        if totals.len() >= PAIRS_MAX && !totals.contains_key(&pair) {
            return;
        }
        let (route, mirror) = pair.clone();
        let totals = totals.entry(pair).or_insert_with(|| ShadowTotals { route, mirror, ..ShadowTotals::default() });
        match comparison {
            Comparison::Unfinished => totals.unfinished += 1,
            Comparison::Same { is_cut } => {
                totals.same += 1;
                totals.cut += u64::from(is_cut);
            }
            Comparison::Different(difference) => {
                totals.different += 1;
                totals.status += u64::from(difference.status.is_some());
                totals.headers += u64::from(!difference.headers.is_empty());
                totals.body += u64::from(difference.body.is_some());
                last.truncate(DIFFERENCES_KEPT_MAX - 1);
                last.push_front(*difference);
            }
        }
    }

    /// The totals of all workers, by route and mirror.
    #[must_use]
    pub fn totals(&self) -> Vec<ShadowTotals> {
        let mut sums: BTreeMap<(String, String), ShadowTotals> = BTreeMap::new();
        for shard in &self.0 {
            for (pair, totals) in &shard.lock().unwrap_or_else(PoisonError::into_inner).totals {
                let (route, mirror) = pair.clone();
                let empty = || ShadowTotals { route, mirror, ..ShadowTotals::default() };
                sums.entry(pair.clone()).or_insert_with(empty).add(totals);
            }
        }
        sums.into_values().collect()
    }

    /// The last differences, newest first.
    #[must_use]
    pub fn last(&self) -> Vec<Difference> {
        let mut all: Vec<Difference> = Vec::new();
        for shard in &self.0 {
            all.extend(shard.lock().unwrap_or_else(PoisonError::into_inner).last.iter().cloned());
        }
        all.sort_by_key(|difference| std::cmp::Reverse(difference.time_ms));
        all.truncate(DIFFERENCES_KEPT_MAX);
        all
    }
}

impl ShadowTotals {
    fn add(&mut self, other: &Self) {
        self.same += other.same;
        self.cut += other.cut;
        self.different += other.different;
        self.status += other.status;
        self.headers += other.headers;
        self.body += other.body;
        self.unfinished += other.unfinished;
    }
}

/// What is told of a field's value: its beginning, if it carries no secret.
#[must_use]
pub fn shown(name: &str, value: &[u8]) -> String {
    if SECRET_FIELDS.contains(&name) {
        HIDDEN.to_owned()
    } else {
        cut(&String::from_utf8_lossy(value), VALUE_BYTES_MAX)
    }
}

/// `text`, cut with an ellipsis at `bytes_max`.
#[must_use]
pub fn cut(text: &str, bytes_max: usize) -> String {
    const ELLIPSIS: &str = "…";
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    format!("{}{ELLIPSIS}", &text[..text.floor_char_boundary(bytes_max - ELLIPSIS.len())])
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields over by reference")]
fn rfc3339<Z: Serializer>(time_ms: &u64, serializer: Z) -> Result<Z::Ok, Z::Error> {
    serializer.serialize_str(time::rfc3339(*time_ms).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(time_ms: u64) -> Comparison {
        Comparison::Different(Box::new(Difference {
            time_ms,
            request_id: "r".to_owned(),
            method: "GET".to_owned(),
            path: "/".to_owned(),
            route: "app".to_owned(),
            mirror: "next".to_owned(),
            status: Some(Pair { client: 200, mirror: 500 }),
            headers: Vec::new(),
            body: None,
        }))
    }

    #[test]
    fn comparisons_of_all_workers_are_summed() {
        let shadows = Shadows::new(2);
        shadows.keep(0, "app", "next", Comparison::Same { is_cut: true });
        shadows.keep(1, "app", "next", difference(1));
        shadows.keep(1, "app", "other", Comparison::Unfinished);
        let totals = shadows.totals();
        assert_eq!((totals[0].same, totals[0].cut, totals[0].different, totals[0].status), (1, 1, 1, 1));
        assert_eq!((totals[1].mirror.as_str(), totals[1].unfinished), ("other", 1));
    }

    #[test]
    fn the_newest_differences_are_kept() {
        let shadows = Shadows::new(2);
        for time_ms in 0..=DIFFERENCES_KEPT_MAX as u64 {
            shadows.keep(0, "app", "next", difference(time_ms));
        }
        shadows.keep(1, "app", "next", difference(7));
        let times: Vec<u64> = shadows.last().iter().map(|difference| difference.time_ms).collect();
        assert_eq!((times.len(), times[0], times[63]), (DIFFERENCES_KEPT_MAX, 64, 2));
    }

    #[test]
    fn pairs_are_bounded() {
        let shadows = Shadows::new(1);
        for index in 0..=PAIRS_MAX {
            shadows.keep(0, &index.to_string(), "next", Comparison::Unfinished);
        }
        assert_eq!(shadows.totals().len(), PAIRS_MAX);
    }

    #[test]
    fn values_are_cut_and_secrets_hidden() {
        assert_eq!(shown("set-cookie", b"session=1"), HIDDEN);
        assert_eq!(shown("etag", b"\"x\""), "\"x\"");
        let fits = "v".repeat(VALUE_BYTES_MAX);
        assert_eq!(shown("etag", fits.as_bytes()), fits);
        let long = shown("etag", format!("{fits}v").as_bytes());
        assert!(long.len() <= VALUE_BYTES_MAX && long.ends_with('…'), "{long}");
    }
}
