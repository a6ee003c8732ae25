//! Counts a request body as it streams by, and says which plugins have to hear of its size.

use http::{HeaderMap, header};
use sluice_snapshot::Link;
use sluice_wasm::SizeUnit;

use crate::chain;
use crate::exchange::Exchange;
use crate::multipart::{self, Scanner};

/// The sizes that those of one link wait for, if they do: each hears of the first one strictly greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watching {
    /// The one whose word counts.
    pub(crate) serving: Option<u64>,
    /// A new digest beside it.
    pub(crate) shadow: Option<u64>,
}

/// Who of a link has to hear of a size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) serving: bool,
    pub(crate) shadow: bool,
}

impl Watching {
    /// Who has to hear of this size.
    pub(crate) fn due(self, size_bytes: u64) -> Due {
        let is_due = |above_bytes: Option<u64>| above_bytes.is_some_and(|above_bytes| size_bytes > above_bytes);
        Due { serving: is_due(self.serving), shadow: is_due(self.shadow) }
    }

    /// The same, for the last time.
    fn take_due(&mut self, size_bytes: u64) -> Option<Due> {
        let due = self.due(size_bytes);
        self.serving.take_if(|_| due.serving);
        self.shadow.take_if(|_| due.shadow);
        (due != Due::default()).then_some(due)
    }
}

/// What is counted.
#[derive(Debug)]
enum Counter {
    Body(u64),
    Parts(Box<Scanner>),
}

/// Counts one body.
#[derive(Debug)]
pub(crate) struct Meter {
    counter: Counter,
    /// Those that have not heard yet, in chain order.
    watches: Vec<(Link, Watching)>,
}

/// How a body will be measured.
#[derive(Debug)]
pub(crate) enum Measure {
    /// By the length that its head declares.
    Declared(u64),
    /// By counting it.
    Counted(CountedAs),
}

/// What counting looks at.
#[derive(Debug)]
pub(crate) enum CountedAs {
    /// Every byte.
    Body,
    /// The largest file part between delimiters with this boundary.
    Parts(Vec<u8>),
}

/// How to measure a body with this head. The length of a multipart body says nothing about its parts.
pub(crate) fn measure(headers: &HeaderMap) -> Measure {
    let content_type = headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes());
    if let Some(boundary) = content_type.and_then(multipart::boundary) {
        return Measure::Counted(CountedAs::Parts(boundary));
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let is_chunked = headers.contains_key(header::TRANSFER_ENCODING);
    match length {
        Some(bytes) if !is_chunked => Measure::Declared(bytes),
        _ => Measure::Counted(CountedAs::Body),
    }
}

impl Meter {
    /// A meter for the plugins of this request that watch the size, or `None` if none does.
    pub(crate) fn new(exchange: &Exchange, counted_as: CountedAs) -> Option<Self> {
        let links = &exchange.route()?.body_size_phase;
        let watches = links.iter().map(|link| (*link, chain::watching(exchange, *link)));
        let watches: Vec<_> = watches.filter(|(_, watching)| *watching != Watching::default()).collect();
        if watches.is_empty() {
            return None;
        }
        let counter = match counted_as {
            CountedAs::Body => Counter::Body(0),
            CountedAs::Parts(boundary) => Counter::Parts(Box::new(Scanner::new(&boundary))),
        };
        Some(Self { counter, watches })
    }

    /// Counts a chunk.
    pub(crate) fn feed(&mut self, chunk: &[u8]) {
        match &mut self.counter {
            Counter::Body(bytes) => *bytes = bytes.saturating_add(chunk.len() as u64),
            Counter::Parts(scanner) => scanner.feed(chunk),
        }
    }

    /// The next of those that have to hear of the size so far; each hears once.
    pub(crate) fn due(&mut self) -> Option<(Link, Due)> {
        let size_bytes = self.size_bytes();
        self.watches.iter_mut().find_map(|(link, watching)| Some((*link, watching.take_due(size_bytes)?)))
    }

    /// The size so far.
    pub(crate) fn size_bytes(&self) -> u64 {
        match &self.counter {
            Counter::Body(bytes) => *bytes,
            Counter::Parts(scanner) => scanner.largest_file_bytes(),
        }
    }

    /// What the size is a size of.
    pub(crate) fn unit(&self) -> SizeUnit {
        match self.counter {
            Counter::Body(_) => SizeUnit::Body,
            Counter::Parts(_) => SizeUnit::Part,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn measured(lines: &[(&'static str, &'static str)]) -> Measure {
        measure(&lines.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect())
    }

    #[test]
    fn a_declared_length_counts_unless_the_body_has_parts_or_chunks() {
        assert!(matches!(measured(&[("content-length", "7")]), Measure::Declared(7)));
        assert!(matches!(measured(&[]), Measure::Counted(CountedAs::Body)));
        let chunked = measured(&[("content-length", "7"), ("transfer-encoding", "chunked")]);
        assert!(matches!(chunked, Measure::Counted(CountedAs::Body)));
        let parts = measured(&[("content-length", "7"), ("content-type", "multipart/form-data; boundary=x")]);
        assert!(matches!(parts, Measure::Counted(CountedAs::Parts(_))));
        let unbounded = measured(&[("content-length", "7"), ("content-type", "multipart/form-data")]);
        assert!(matches!(unbounded, Measure::Declared(7)), "without a boundary there are no parts");
    }

    #[test]
    fn each_plugin_hears_once_strictly_above_its_limit() {
        let link = |position| Link { position, plugin: position };
        let own = |above_bytes| Watching { serving: Some(above_bytes), shadow: None };
        let watches = vec![(link(0), own(10)), (link(1), Watching { shadow: Some(10), ..own(5) })];
        let mut meter = Meter { counter: Counter::Body(0), watches };
        let (serving, shadow) = (Due { serving: true, shadow: false }, Due { serving: false, shadow: true });
        meter.feed(&[0; 5]);
        assert_eq!(meter.due(), None);
        meter.feed(&[0; 1]);
        assert_eq!((meter.due(), meter.due()), (Some((link(1), serving)), None));
        meter.feed(&[0; 5]);
        let all = std::array::from_fn(|_| meter.due());
        assert_eq!((meter.size_bytes(), all), (11, [Some((link(0), serving)), Some((link(1), shadow)), None]));
    }
}
