//! What Redis pushes: names of keys that changed. Coalesced, so that its bound is the number of keys, not of changes.

use std::collections::BTreeSet;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redis::{PushInfo, PushKind, Value};
use tokio::sync::Notify;

/// Keys that wait to be read; more than that, and everything is read anew.
const KEYS_MAX: usize = 4_096;

/// What was pushed since the last look.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pushed {
    /// Keys that changed, or are gone.
    pub(super) keys: BTreeSet<String>,
    /// Everything may have changed: a database was flushed, or too many keys changed at once.
    pub(super) everything: bool,
    /// The connection ended.
    pub(super) closed: bool,
}

/// Where the connection leaves pushes for the supervisor.
#[derive(Debug, Default)]
pub(super) struct Pushes {
    pushed: Mutex<Pushed>,
    moved: Notify,
}

impl Pushes {
    /// Takes one push in. Never blocks: it is called in the task that reads the socket.
    pub(super) fn accept(&self, push: PushInfo) {
        let mut pushed = self.lock();
        match push.kind {
            PushKind::Invalidate => pushed.invalidate(push.data),
            PushKind::Disconnection => pushed.closed = true,
            _subscriptions => return,
        }
        drop(pushed);
        self.moved.notify_one();
    }

    /// Waits until something was pushed, and takes it. Cancel safe.
    pub(super) async fn next(&self) -> Pushed {
        loop {
            let pushed = mem::take(&mut *self.lock());
            if pushed != Pushed::default() {
                return pushed;
            }
            self.moved.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pushed> {
        self.pushed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pushed {
    /// The data is one array of keys, or nil after a flush.
    fn invalidate(&mut self, data: Vec<Value>) {
        for value in data {
            let Value::Array(keys) = value else {
                self.everything = true;
                continue;
            };
            for key in keys {
                if let Value::BulkString(key) = key {
                    self.keys.insert(String::from_utf8_lossy(&key).into_owned());
                }
            }
        }
        if self.keys.len() > KEYS_MAX {
            self.keys.clear();
            self.everything = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invalidate(data: Value) -> PushInfo {
        PushInfo { kind: PushKind::Invalidate, data: vec![data] }
    }

    fn keys(range: std::ops::Range<usize>) -> Value {
        Value::Array(range.map(|n| Value::BulkString(n.to_string().into_bytes())).collect())
    }

    #[tokio::test]
    async fn the_same_key_waits_once_and_a_flush_is_everything() {
        let pushes = Pushes::default();
        pushes.accept(invalidate(keys(0..2)));
        pushes.accept(invalidate(keys(0..2)));
        assert_eq!(pushes.next().await, Pushed { keys: ["0".into(), "1".into()].into(), ..Pushed::default() });
        pushes.accept(invalidate(Value::Nil));
        assert!(pushes.next().await.everything);
    }

    #[tokio::test]
    async fn too_many_keys_are_everything() {
        let pushes = Pushes::default();
        pushes.accept(invalidate(keys(0..KEYS_MAX)));
        assert_eq!(pushes.next().await.keys.len(), KEYS_MAX);
        pushes.accept(invalidate(keys(0..KEYS_MAX + 1)));
        assert_eq!(pushes.next().await, Pushed { everything: true, ..Pushed::default() });
    }
}
