//! Places in a definition: the path as a person writes it, and the line and column where its value starts.
//!
//! serde_json says a line only for what is not JSON. For all else the text, known to be JSON, is walked to the path.

use std::fmt;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Key(String),
    Index(usize),
}

/// Where in a document, e.g. `flags.new-ui.targeting.if[0]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path(Vec<Segment>);

impl Path {
    /// Line and column, from 1, of the value at this path, or of the nearest value around it, in `text`, which is JSON.
    pub(crate) fn locate(&self, text: &str) -> (usize, usize) {
        let mut walk = Walk { bytes: text.as_bytes(), at: 0 };
        walk.skip_blank();
        for segment in &self.0 {
            let around = walk.at;
            let found = match segment {
                Segment::Key(name) => walk.enter_object(name),
                Segment::Index(index) => walk.enter_array(*index),
            };
            if !found {
                walk.at = around;
                break;
            }
        }
        line_and_column(text, walk.at)
    }
}

/// A path while it is being walked: each level borrows the one above, so that only a fault costs an allocation.
#[derive(Clone, Copy)]
pub(crate) enum Trail<'t> {
    Document,
    Key(&'t Self, &'t str),
    Index(&'t Self, usize),
}

impl Trail<'_> {
    pub(crate) fn path(&self) -> Path {
        let mut segments = Vec::new();
        let mut trail = self;
        loop {
            trail = match trail {
                Self::Document => break,
                Trail::Key(above, name) => {
                    segments.push(Segment::Key((*name).to_owned()));
                    above
                }
                Trail::Index(above, index) => {
                    segments.push(Segment::Index(*index));
                    above
                }
            };
        }
        segments.reverse();
        Path(segments)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(name) if at == 0 => write!(f, "{name}")?,
                Segment::Key(name) => write!(f, ".{name}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(at)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// A position in JSON that was parsed before. It never panics on other text, but finds nothing in it.
struct Walk<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl Walk<'_> {
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn skip_blank(&mut self) {
        while self.peek().is_ascii_whitespace() {
            self.at += 1;
        }
    }

    /// Goes to the value of `name`; of two, the last, which is the one that counts.
    fn enter_object(&mut self, name: &str) -> bool {
        let mut found = None;
        if self.peek() != b'{' {
            return false;
        }
        self.at += 1;
        loop {
            self.skip_blank();
            let start = self.at;
            if self.peek() != b'"' {
                break;
            }
            self.skip_value();
            let key = serde_json::from_slice::<String>(&self.bytes[start..self.at]);
            self.skip_blank();
            self.at += 1;
            self.skip_blank();
            if key.is_ok_and(|key| key == name) {
                found = Some(self.at);
            }
            self.skip_value();
            self.skip_blank();
            if self.peek() != b',' {
                break;
            }
            self.at += 1;
        }
        self.at = found.unwrap_or(self.at);
        found.is_some()
    }

    fn enter_array(&mut self, index: usize) -> bool {
        if self.peek() != b'[' {
            return false;
        }
        self.at += 1;
        for _ in 0..index {
            self.skip_blank();
            self.skip_value();
            self.skip_blank();
            if self.peek() != b',' {
                return false;
            }
            self.at += 1;
        }
        self.skip_blank();
        self.peek() != b']' && self.at < self.bytes.len()
    }

    /// Past one value, by counting brackets; strings may hold any.
    fn skip_value(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.bytes.len() {
            match self.peek() {
                b'"' => self.skip_string(),
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 0 => return,
                b'}' | b']' => depth -= 1,
                b',' | b':' if depth == 0 => return,
                _ => {}
            }
            self.at += 1;
            if depth == 0 && matches!(self.bytes[self.at - 1], b'"' | b'}' | b']') {
                return;
            }
        }
    }

    /// From an opening quote to its closing one.
    fn skip_string(&mut self) {
        self.at += 1;
        while self.at < self.bytes.len() && self.peek() != b'"' {
            self.at += if self.peek() == b'\\' { 2 } else { 1 };
        }
        self.at = self.at.min(self.bytes.len().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_its_value() {
        let text = "{\n  \"a\": [1, {\"b,}\": \"x\\\"]\", \"ü\": {\"c\": []}}],\n  \"a2\": 5\n}";
        let root = Trail::Document;
        assert_eq!(root.path().locate(text), (1, 1));
        assert_eq!(Trail::Key(&root, "a2").path().locate(text), (3, 9));
        let list = Trail::Key(&root, "a");
        let second = Trail::Index(&list, 1);
        assert_eq!(second.path().locate(text), (2, 12));
        assert_eq!(Trail::Key(&second, "b,}").path().locate(text), (2, 20));
        let last = Trail::Key(&second, "ü");
        assert_eq!(Trail::Key(&last, "c").path().locate(text), (2, 39));
        assert_eq!(last.path().to_string(), "a[1].ü");
    }

    #[test]
    fn what_is_not_there_is_shown_by_what_is_around_it() {
        let text = "{\"a\": [1]}";
        let list = Trail::Key(&Trail::Document, "a");
        assert_eq!(Trail::Index(&list, 7).path().locate(text), (1, 7));
        assert_eq!(Trail::Key(&Trail::Document, "b").path().locate(text), (1, 1));
        assert_eq!(list.path().locate("\"unfinished"), (1, 1));
    }

    #[test]
    fn of_two_equal_keys_the_last_counts() {
        assert_eq!(Trail::Key(&Trail::Document, "a").path().locate("{\"a\": 1, \"a\": 2}"), (1, 15));
    }
}
