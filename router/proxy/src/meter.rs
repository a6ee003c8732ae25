//! Counts a request body as it streams by, and says which plugins have to hear of its size.

use http::{HeaderMap, header};
use sluice_snapshot::Link;
use sluice_wasm::SizeUnit;

use crate::exchange::Exchange;
use crate::multipart::{self, Scanner};

/// One plugin that waits for a size.
#[derive(Clone, Copy, Debug)]
struct Watch {
    link: Link,
    /// It hears of the first size strictly greater.
    above_bytes: u64,
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
    watches: Vec<Watch>,
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
        let watch = |link: &Link| {
            let instance = exchange.applicable(*link)?;
            Some(Watch { link: *link, above_bytes: instance.plugin.activation.body_size_above })
        };
        let watches: Vec<Watch> = links.iter().filter_map(watch).collect();
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

    /// The next plugin that has to hear of the size so far; each hears once.
    pub(crate) fn due(&mut self) -> Option<Link> {
        let size_bytes = self.size_bytes();
        let at = self.watches.iter().position(|watch| size_bytes > watch.above_bytes)?;
        Some(self.watches.remove(at).link)
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
        let watches = vec![Watch { link: link(0), above_bytes: 10 }, Watch { link: link(1), above_bytes: 5 }];
        let mut meter = Meter { counter: Counter::Body(0), watches };
        meter.feed(&[0; 5]);
        assert_eq!(meter.due(), None);
        meter.feed(&[0; 1]);
        assert_eq!((meter.due(), meter.due()), (Some(link(1)), None));
        meter.feed(&[0; 5]);
        assert_eq!((meter.size_bytes(), meter.due(), meter.due()), (11, Some(link(0)), None));
    }
}
