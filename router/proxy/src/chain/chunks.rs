//! The bytes of a request body as plugins are shown them, while they stream by.
//!
//! Each byte is shown once, in order, up to what the plugin asked for and the policy allows. The last call of a plugin
//! says that it is the last one: with the bytes that end the body or reach that limit, else with none, where the end of
//! the body came alone. A body without a byte is not shown at all, and one that breaks off has no last call.

use std::rc::{Rc, Weak};

use sluice_snapshot::{Link, Route};

use super::call::{self, Event};
use crate::answer::Answer;
use crate::error::Error;
use crate::exchange::Exchange;
use crate::instance::InstanceCell;

/// The plugins that look at the bytes of one body.
pub(crate) struct Chunks {
    exchange: Weak<Exchange>,
    viewers: Vec<Viewer>,
    /// Where the next byte stands in the body.
    offset: u64,
}

/// Those of one link.
struct Viewer {
    link: Link,
    serving: View,
    shadow: View,
}

/// How far one of them sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct View {
    /// Where its sight ends in the body; 0 = it sees nothing.
    end: u64,
    is_over: bool,
}

impl View {
    fn of(instance: &InstanceCell) -> Self {
        let allowed = instance.plugin.limits.body_bytes_max;
        let wanted = instance.plugin.activation.body_chunk_bytes;
        let end = if wanted == 0 { allowed } else { wanted.min(allowed) };
        Self { end, is_over: end == 0 }
    }

    /// What of `chunk` is shown, and whether that is the last of it.
    fn show<'a>(&mut self, chunk: &'a [u8], offset: u64, is_end: bool) -> Option<Event<'a>> {
        // The end alone is told to those who have seen something.
        if self.is_over || (chunk.is_empty() && offset == 0) {
            return None;
        }
        let room = usize::try_from(self.end - offset).unwrap_or(usize::MAX);
        let shown = &chunk[..chunk.len().min(room)];
        let is_last = is_end || shown.len() == room;
        self.is_over = is_last;
        Some(Event::BodyChunk { chunk: shown, offset, is_last })
    }
}

impl Chunks {
    /// The plugins of the route that look at the body of this request; `None` = none of them.
    pub(super) fn of(exchange: &Rc<Exchange>, route: &Route) -> Option<Self> {
        let viewer = |link: &Link| {
            let [serving, shadow] = call::viewing(exchange, *link).map(|instance| instance.map(View::of));
            let blind = View { end: 0, is_over: true };
            let viewer = Viewer { link: *link, serving: serving.unwrap_or(blind), shadow: shadow.unwrap_or(blind) };
            (!viewer.is_over()).then_some(viewer)
        };
        let viewers: Vec<Viewer> = route.body_chunk_phase.iter().filter_map(viewer).collect();
        (!viewers.is_empty()).then(|| Self { exchange: Rc::downgrade(exchange), viewers, offset: 0 })
    }

    /// Shows the next bytes; `is_end`: the body ends with them. `Some`: a plugin ends the upload, unless the response has
    /// begun.
    pub(crate) fn show(&mut self, chunk: &[u8], is_end: bool) -> Option<Result<Answer, Error>> {
        let exchange = self.exchange.upgrade()?;
        let offset = self.offset;
        self.offset += chunk.len() as u64;
        for viewer in &mut self.viewers {
            let link = viewer.link;
            let event = viewer.serving.show(chunk, offset, is_end);
            let shadow_event = viewer.shadow.show(chunk, offset, is_end);
            let answered = call::ask_apart(&exchange, link, event, shadow_event).transpose();
            viewer.serving.is_over |= exchange.chain.is_sated(link);
            viewer.shadow.is_over |= exchange.chain.is_shadow_sated(link);
            if answered.is_some() && !exchange.is_answered() {
                return answered;
            }
        }
        self.viewers.retain(|viewer| !viewer.is_over());
        None
    }

    /// True when nobody looks any more.
    pub(crate) fn is_over(&self) -> bool {
        self.viewers.is_empty()
    }
}

impl Viewer {
    fn is_over(&self) -> bool {
        self.serving.is_over && self.shadow.is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What one that sees `end` bytes is shown of a body in these chunks, whose end comes with the last of them or alone.
    fn shown(end: u64, chunks: &[usize], is_end_alone: bool) -> Vec<(usize, u64, bool)> {
        let mut view = View { end, is_over: end == 0 };
        let (mut offset, mut all) = (0, Vec::new());
        let mut show = |chunk: &[u8], is_end| {
            if let Some(Event::BodyChunk { chunk, offset, is_last }) = view.show(chunk, offset, is_end) {
                all.push((chunk.len(), offset, is_last));
            }
            offset += chunk.len() as u64;
        };
        for (index, bytes) in chunks.iter().enumerate() {
            show(&vec![b'x'; *bytes], !is_end_alone && index + 1 == chunks.len());
        }
        if is_end_alone {
            show(&[], true);
        }
        all
    }

    #[test]
    fn the_last_call_is_told_once() {
        assert_eq!(shown(100, &[4, 3], false), [(4, 0, false), (3, 4, true)]);
        assert_eq!(shown(100, &[4, 3], true), [(4, 0, false), (3, 4, false), (0, 7, true)]);
        assert_eq!(shown(100, &[], true), []);
    }

    #[test]
    fn sight_ends_at_its_limit() {
        for is_end_alone in [false, true] {
            assert_eq!(shown(7, &[4, 3], is_end_alone), [(4, 0, false), (3, 4, true)]);
            assert_eq!(shown(6, &[4, 3], is_end_alone), [(4, 0, false), (2, 4, true)]);
            assert_eq!(shown(4, &[4, 3], is_end_alone), [(4, 0, true)]);
        }
        assert_eq!(shown(0, &[4], false), []);
        assert_eq!(shown(8, &[4, 3], true), [(4, 0, false), (3, 4, false), (0, 7, true)]);
    }
}
