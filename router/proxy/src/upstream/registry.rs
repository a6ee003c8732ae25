//! Every upstream that a worker has met.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use sluice_policy::{Protocol, Upstream};
use sluice_snapshot::upstream::UpstreamCell;
use tokio::time::Instant;

use super::course::Course;

/// By protocol too: connections of one cannot serve the other.
type Key = (String, Protocol);

/// See the module.
#[derive(Default)]
pub(crate) struct Registry {
    worker: usize,
    courses: RefCell<HashMap<Key, Rc<Course>>>,
}

impl Registry {
    /// The registry of this worker.
    pub(crate) fn new(worker: usize) -> Self {
        Self { worker, courses: RefCell::default() }
    }

    /// What was learnt of an upstream so far.
    pub(super) fn course(&self, upstream: &Upstream, cell: &UpstreamCell) -> Rc<Course> {
        let key = (upstream.name.clone(), upstream.protocol);
        let new = || Rc::new(Course::new(cell.stats(self.worker)));
        Rc::clone(self.courses.borrow_mut().entry(key).or_insert_with(new))
    }

    /// Closes connections that were idle for too long, and forgets what no snapshot names any more.
    pub(crate) fn sweep(&self, now: Instant) {
        let mut courses = self.courses.borrow_mut();
        courses.values().for_each(|course| course.sweep(now));
        courses.retain(|_, course| !course.is_over());
    }
}
