//! What becomes of a panic: it ends one request, or one connection if it comes from outside of a request, and no other.
//!
//! Nothing that a worker shares between requests is left half written: whatever is borrowed or counted is given back on
//! unwinding.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use sluice_snapshot::traffic::WorkerTraffic;

/// Runs `future` to its end; `None` if it panicked, which is counted and logged. The hook of the process has printed
/// what the panic said.
pub(crate) async fn caught<T>(
    counters: &WorkerTraffic,
    what: &'static str,
    future: impl Future<Output = T>,
) -> Option<T> {
    let ended = AssertUnwindSafe(future).catch_unwind().await;
    if ended.is_err() {
        counters.panics.fetch_add(1, Ordering::Relaxed);
        tracing::error!(what, "panicked");
    }
    ended.ok()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn b29_a_panic_is_caught_counted_and_gives_back_what_was_taken() {
        struct Taken<'a>(&'a Cell<u32>);
        impl Drop for Taken<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() - 1);
            }
        }
        let (counters, taken) = (WorkerTraffic::default(), Cell::new(1));
        let broken = caught(&counters, "test", async {
            let _taken = Taken(&taken);
            tokio::task::yield_now().await;
            if taken.get() > 0 {
                std::panic::resume_unwind(Box::new("a bug"));
            }
        });
        assert_eq!(broken.await, None::<()>);
        assert_eq!((taken.get(), counters.panics.load(Ordering::Relaxed)), (0, 1));
        assert_eq!(caught(&counters, "test", async { 7 }).await, Some(7));
        assert_eq!(counters.panics.load(Ordering::Relaxed), 1);
    }
}
