//! The runtime of a command: started for it, gone with it.

use anyhow::Context as _;

/// Threads beside the one that waits: what a command does is mostly waiting for others.
const WORKERS: usize = 2;

/// Runs a command's future to its end.
///
/// # Errors
/// Its own, or if no runtime can be started.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(WORKERS).enable_all().build().context("start the runtime")?.block_on(work)
}
