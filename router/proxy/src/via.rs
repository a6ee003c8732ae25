//! `Via`: how this router names itself on the way of a message, and how it notices that a request came by before (RFC 9110
//! section 7.6.3).

use http::{HeaderMap, HeaderValue, Version, header};

use crate::head::tokens;

/// The name of this process among all routers on a way. It is drawn at the start, so that two routers of a fleet differ.
#[derive(Clone, Debug)]
pub(crate) struct Pseudonym {
    name: String,
    http_1_0: HeaderValue,
    http_1_1: HeaderValue,
    http_2: HeaderValue,
}

impl Pseudonym {
    /// Eight hexadecimal digits tell routers apart.
    pub(crate) fn new(number: u32) -> Self {
        let name = format!("sluice-{number:08x}");
        let entry = |version| {
            HeaderValue::try_from(format!("{version} {name}")).expect("invariant: a pseudonym is visible ASCII")
        };
        Self { http_1_0: entry("1.0"), http_1_1: entry("1.1"), http_2: entry("2"), name }
    }

    /// What is appended to a message that came in this version.
    pub(crate) fn entry(&self, received: Version) -> HeaderValue {
        match received {
            Version::HTTP_2 => self.http_2.clone(),
            Version::HTTP_11 => self.http_1_1.clone(),
            _ => self.http_1_0.clone(),
        }
    }

    /// True if a message with these fields came by here before.
    pub(crate) fn is_in(&self, headers: &HeaderMap) -> bool {
        let mut hops = headers.get_all(header::VIA).iter().flat_map(|line| tokens(line.as_bytes()));
        hops.any(|hop| {
            // Protocol, then name; a comment may follow.
            let mut words = hop.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            words.nth(1).is_some_and(|name| name.eq_ignore_ascii_case(self.name.as_bytes()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hop_is_known_by_its_whole_name() {
        let pseudonym = Pseudonym::new(0x1a2b);
        assert_eq!(pseudonym.entry(Version::HTTP_11), "1.1 sluice-00001a2b");
        assert_eq!(pseudonym.entry(Version::HTTP_2), "2 sluice-00001a2b");
        assert_eq!(pseudonym.entry(Version::HTTP_10), "1.0 sluice-00001a2b");
        let is_in =
            |via: &'static str| pseudonym.is_in(&HeaderMap::from_iter([(header::VIA, HeaderValue::from_static(via))]));
        assert!(is_in("1.1 sluice-00001a2b") && is_in("1.0 a,HTTP/1.1\t SLUICE-00001A2B (c)"));
        assert!(!is_in("1.1 sluice-00001a2bc") && !is_in("sluice-00001a2b") && !is_in("1.1 a (1.1 sluice-00001a2b)"));
    }
}
