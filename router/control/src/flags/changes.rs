//! Who changed what: the audit log of the store as it grows, and beside it what changed without an entry there, because
//! a client of the store wrote a key by itself.
//!
//! A value may move before or after its entry is seen. A move waits for its entry for a while; then it is told as
//! somebody else's. Nothing here is kept: the log itself is the store's.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sluice_model::audit::{AUDIT_VALUE_BYTES_MAX, AuditEntry};
use tokio::sync::{Notify, broadcast};
use tokio::time::sleep;

use super::{FLAG_PREFIX, FLAGS_PREFIX};
use crate::clock::now_ms;

/// Whom a change is told to be of that is not in the audit log.
pub const BY_CLIENT: &str = "a client of the store";
/// Changes that a slow listener may miss before it is told that it missed some.
const CHANGES_WAITING_MAX: usize = 256;
/// Moves and entries that wait for each other. More of them at a time are told without waiting.
const WAITING_MAX: usize = 256;
/// How long a move waits for its entry: the log is read by push, or once a second where that is lost.
const ENTRY_WAIT: Duration = Duration::from_secs(2);
/// Bytes by which two values are held to be the same: stores may cut a long one a little earlier.
const COMPARED_BYTES_MAX: usize = AUDIT_VALUE_BYTES_MAX - 4;

/// See the module.
#[derive(Debug)]
pub(crate) struct Changes {
    sender: broadcast::Sender<Arc<AuditEntry>>,
    inner: Mutex<Inner>,
    moved: Notify,
    by_routers: AtomicU64,
    by_clients: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    /// What each key held when it was last seen.
    values: BTreeMap<String, Option<String>>,
    /// The first content has been seen: from now on a difference is a change.
    is_filled: bool,
    /// Moves without an entry, oldest first.
    moves: VecDeque<AuditEntry>,
    /// Entries without a move, oldest first: key, new value, when.
    entries: VecDeque<(String, Option<String>, u64)>,
}

impl Changes {
    pub(crate) fn new() -> Self {
        let (sender, _) = broadcast::channel(CHANGES_WAITING_MAX);
        let (by_routers, by_clients) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { sender, inner: Mutex::default(), moved: Notify::new(), by_routers, by_clients }
    }

    /// Is told of each change.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<AuditEntry>> {
        self.sender.subscribe()
    }

    /// How many changes of flags and sets were told that stand in the log, and that do not.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.by_routers.load(Ordering::Relaxed), self.by_clients.load(Ordering::Relaxed))
    }

    /// The first content has been seen.
    pub(crate) fn fill(&self) {
        self.lock().is_filled = true;
    }

    /// The store said what a key holds.
    pub(crate) fn saw(&self, key: &str, value: Option<&str>) {
        let value = value.map(cut);
        let mut inner = self.lock();
        let old = inner.values.insert(key.to_owned(), value.clone());
        if !inner.is_filled || old.as_ref() == Some(&value) || (old.is_none() && value.is_none()) {
            return;
        }
        let matching =
            |(of, new, _): &(String, Option<String>, u64)| of == key && is_same(new.as_deref(), value.as_deref());
        if let Some(index) = inner.entries.iter().position(matching) {
            inner.entries.remove(index);
            return;
        }
        let entry = AuditEntry {
            id: String::new(),
            at_ms: now_ms(),
            by: BY_CLIENT.to_owned(),
            key: key.to_owned(),
            old: old.flatten(),
            new: value,
            reason: String::new(),
        };
        let overdue = if inner.moves.len() == WAITING_MAX { inner.moves.pop_front() } else { None };
        inner.moves.push_back(entry);
        drop(inner);
        overdue.into_iter().for_each(|entry| self.tell(entry));
        self.moved.notify_one();
    }

    /// An entry of the audit log was seen.
    pub(crate) fn audited(&self, entry: AuditEntry) {
        let mut inner = self.lock();
        let matching =
            |waiting: &AuditEntry| waiting.key == entry.key && is_same(waiting.new.as_deref(), entry.new.as_deref());
        match inner.moves.iter().position(matching) {
            Some(index) => {
                inner.moves.remove(index);
            }
            None => {
                if inner.entries.len() == WAITING_MAX {
                    inner.entries.pop_front();
                }
                inner.entries.push_back((entry.key.clone(), entry.new.clone(), now_ms()));
            }
        }
        drop(inner);
        self.tell(entry);
    }

    /// Tells of moves whose entry does not come. Runs until control stops.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            self.moved.notified().await;
            while self.tell_overdue(now_ms()) {
                sleep(ENTRY_WAIT / 4).await;
            }
        }
    }

    /// Tells what has waited long enough; true while something waits.
    fn tell_overdue(&self, now_ms: u64) -> bool {
        let is_due = |at_ms: u64| u128::from(now_ms.saturating_sub(at_ms)) >= ENTRY_WAIT.as_millis();
        let mut inner = self.lock();
        while inner.entries.front().is_some_and(|(_, _, at_ms)| is_due(*at_ms)) {
            inner.entries.pop_front();
        }
        let mut due = Vec::new();
        while inner.moves.front().is_some_and(|entry| is_due(entry.at_ms)) {
            due.extend(inner.moves.pop_front());
        }
        let waits = !inner.moves.is_empty();
        drop(inner);
        due.into_iter().for_each(|entry| self.tell(entry));
        waits
    }

    fn tell(&self, entry: AuditEntry) {
        if entry.key.starts_with(FLAG_PREFIX) || entry.key.starts_with(FLAGS_PREFIX) {
            let count = if entry.by == BY_CLIENT { &self.by_clients } else { &self.by_routers };
            count.fetch_add(1, Ordering::Relaxed);
        }
        // An error means that nobody listens.
        let _listeners = self.sender.send(Arc::new(entry));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cut(value: &str) -> String {
    value[..value.floor_char_boundary(AUDIT_VALUE_BYTES_MAX)].to_owned()
}

fn is_same(left: Option<&str>, right: Option<&str>) -> bool {
    let begin = |text: &str| text[..text.floor_char_boundary(COMPARED_BYTES_MAX)].to_owned();
    left.map(begin) == right.map(begin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, new: &str) -> AuditEntry {
        AuditEntry {
            id: "1-0".to_owned(),
            at_ms: 0,
            by: "admin at ::1".to_owned(),
            key: key.to_owned(),
            old: None,
            new: Some(new.to_owned()),
            reason: "because".to_owned(),
        }
    }

    fn filled() -> (Changes, broadcast::Receiver<Arc<AuditEntry>>) {
        let changes = Changes::new();
        changes.saw("flag:a", Some("false"));
        changes.fill();
        let told = changes.subscribe();
        (changes, told)
    }

    fn later() -> u64 {
        now_ms() + 60_000
    }

    #[test]
    fn a_change_with_an_entry_is_told_once_whichever_comes_first() {
        let (changes, mut told) = filled();
        changes.saw("flag:a", Some("true"));
        changes.audited(entry("flag:a", "true"));
        changes.audited(entry("flag:a", "false"));
        changes.saw("flag:a", Some("false"));
        assert!(!changes.tell_overdue(later()));
        let by: Vec<String> = std::iter::from_fn(|| told.try_recv().ok()).map(|entry| entry.by.clone()).collect();
        assert_eq!(by, ["admin at ::1", "admin at ::1"]);
    }

    #[test]
    fn a_change_without_an_entry_is_a_clients_after_a_while() {
        let (changes, mut told) = filled();
        changes.saw("flag:a", Some("false"));
        changes.saw("flag:b", None);
        changes.saw("flag:a", Some("true"));
        assert!(changes.tell_overdue(now_ms()) && told.try_recv().is_err());
        assert!(!changes.tell_overdue(later()));
        let entry = told.try_recv().unwrap();
        assert_eq!((&*entry.key, &*entry.by), ("flag:a", BY_CLIENT));
        assert_eq!((entry.old.as_deref(), entry.new.as_deref()), (Some("false"), Some("true")));
        assert!(told.try_recv().is_err());
    }

    #[test]
    fn what_waits_is_bounded_and_nothing_is_lost() {
        let (changes, mut told) = filled();
        for index in 0..WAITING_MAX {
            changes.saw("flags:shop", Some(&index.to_string()));
            changes.audited(entry("flag:none", &index.to_string()));
        }
        assert_eq!(changes.lock().moves.len(), WAITING_MAX);
        let heard = std::iter::from_fn(|| told.try_recv().ok()).filter(|entry| entry.by == BY_CLIENT).count();
        assert_eq!(heard, 0);
        changes.saw("flags:shop", Some("one more"));
        changes.audited(entry("flag:none", "one more"));
        let heard = std::iter::from_fn(|| told.try_recv().ok()).filter(|entry| entry.by == BY_CLIENT).count();
        assert_eq!(heard, 1);
        let inner = changes.lock();
        assert_eq!((inner.moves.len(), inner.entries.len()), (WAITING_MAX, WAITING_MAX));
    }

    #[test]
    fn long_values_are_cut_and_still_compared() {
        let (changes, mut told) = filled();
        let long = "é".repeat(AUDIT_VALUE_BYTES_MAX);
        changes.saw("flags:shop", Some(&long));
        changes.audited(entry("flags:shop", &long[..AUDIT_VALUE_BYTES_MAX - 2]));
        assert!(!changes.tell_overdue(later()));
        assert_eq!(told.try_recv().unwrap().by, "admin at ::1");
        assert!(told.try_recv().is_err());
    }
}
