//! Server-sent events as the WHATWG's HTML standard, section 9.2.6, has them: fields in lines, an empty line ends an event.

/// Bytes of one event that are kept at the most; our own have less than a tenth of it.
const EVENT_BYTES_MAX: usize = 1 << 20;

/// One event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: String,
}

/// Puts events together from what comes in, in pieces of any size.
#[derive(Debug, Default)]
pub(crate) struct EventReader {
    line: Vec<u8>,
    name: String,
    data: String,
}

impl EventReader {
    /// The events that end in this piece.
    pub(crate) fn read(&mut self, piece: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for byte in piece {
            match byte {
                b'\n' => {
                    let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
                    events.extend(self.take(line.trim_end_matches('\r')));
                }
                byte if self.line.len() < EVENT_BYTES_MAX => self.line.push(*byte),
                _ => {}
            }
        }
        events
    }

    fn take(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = Event { name: std::mem::take(&mut self.name), data: std::mem::take(&mut self.data) };
            return Some(event).filter(|event| !event.data.is_empty());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" if self.data.len() + value.len() < EVENT_BYTES_MAX => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_pieces_of_any_size() {
        let stream = b": hello\nevent: open\ndata: {}\n\nid: 7\r\nevent: change\r\ndata: a\r\ndata:b\r\n\r\n:\n\n";
        let expected = [("open", "{}"), ("change", "a\nb")];
        for size in [1, 3, stream.len()] {
            let mut reader = EventReader::default();
            let events: Vec<Event> = stream.chunks(size).flat_map(|piece| reader.read(piece)).collect();
            let told: Vec<(&str, &str)> = events.iter().map(|event| (&*event.name, &*event.data)).collect();
            assert_eq!(told, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn an_endless_event_takes_no_more_than_its_bound() {
        let mut reader = EventReader::default();
        for _ in 0..3 {
            assert!(reader.read(&vec![b'x'; EVENT_BYTES_MAX]).is_empty());
        }
        assert_eq!(reader.line.len(), EVENT_BYTES_MAX);
    }
}
