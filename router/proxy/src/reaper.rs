//! Where snapshots and plugin instances end: a thread of its own, so that no request pays for unmapping their memory.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use sluice_snapshot::Snapshot;
use sluice_wasm::Instance;

/// Things that may wait to be dropped; beyond that they are dropped where they are, which is slow but bounded.
const WAITING_MAX: usize = 1_024;

/// What a worker lets go of.
pub(crate) enum Remains {
    /// A snapshot, perhaps its last reference.
    Snapshot(#[expect(dead_code, reason = "held only to be dropped")] Arc<Snapshot>),
    /// A plugin instance.
    Instance(#[expect(dead_code, reason = "held only to be dropped")] Box<Instance>),
}

/// The workers' end. The thread ends when the last one is gone.
#[derive(Clone)]
pub(crate) struct Reaper(SyncSender<Remains>);

impl Reaper {
    /// Starts the thread.
    pub(crate) fn start() -> std::io::Result<(Self, JoinHandle<()>)> {
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let thread = std::thread::Builder::new().name("reaper".to_owned()).spawn(move || reap(&receiver))?;
        Ok((Self(sender), thread))
    }

    /// Drops `remains` on the reaper's thread, or here if too much waits there. Never waits.
    pub(crate) fn bury(&self, remains: Remains) {
        // A refused message comes back in the error and is dropped with it.
        drop(self.0.try_send(remains));
    }
}

fn reap(receiver: &Receiver<Remains>) {
    while let Ok(remains) = receiver.recv() {
        drop(remains);
    }
}
