//! From a raw `SET featureFlags` to the first answer of each router that shows it.
//!
//! After each SET one connection per router asks `/set` again and again, each request after the answer before, until the gate
//! of `feature-flags` has turned from 404 to 200 or back; in between nothing is asked. A sample is the time from just before
//! the SET is sent to the end of the first answer with the new status: the way to Redis, its push, control, the plugin's
//! `on-state` and one to two requests are in it.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Figure;
use super::http::Connection;
use super::site::{ROUTERS, Site};
use crate::demo::interrupts::Interrupts;

/// Changes that are measured; each router gives a sample of each.
const CHANGES: u32 = 300;
/// After that a change is lost.
const SEEN_MAX: Duration = Duration::from_secs(10);
/// Between two changes, some of them, so that they fall into every phase of whatever repeats.
const PAUSES_MS: [u64; 5] = [3, 7, 11, 13, 17];
/// Changes between two looks for a ctrl-c.
const CHANGES_PER_LOOK: u32 = 50;

/// A router whose answers are followed.
struct Follower {
    /// The status that is waited for.
    await_status: SyncSender<u16>,
    /// When it was answered.
    answered: Receiver<Instant>,
    thread: thread::JoinHandle<Result<()>>,
}

impl Follower {
    fn start(edge: &str) -> Result<Self> {
        let mut connection = Connection::open(edge)?;
        let (await_status, awaited) = mpsc::sync_channel(1);
        let (answer, answered) = mpsc::sync_channel(1);
        let thread = thread::spawn(move || {
            for status in awaited {
                while connection.ask("/set", "follower", b"")?.status != status {}
                if answer.send(Instant::now()).is_err() {
                    break;
                }
            }
            Ok(())
        });
        Ok(Self { await_status, answered, thread })
    }
}

/// Measures.
pub(super) fn measure(site: &mut Site, interrupts: &Interrupts) -> Result<Vec<Figure>> {
    let followers: Vec<Follower> =
        site.routers.iter().map(|router| Follower::start(&router.edge)).collect::<Result<_>>()?;
    // Nothing is sent here: it is what to wait by.
    let (_open, never) = mpsc::sync_channel::<()>(1);
    let (mut each, mut slowest) = (Vec::new(), Vec::new());
    for change in 0..=CHANGES {
        let (value, status) = if change % 2 == 0 { ("true", 200) } else { ("false", 404) };
        let began = Instant::now();
        site.redis.set("featureFlags", value)?;
        for follower in &followers {
            follower.await_status.send(status).context("a connection broke off")?;
        }
        let mut seen = Vec::new();
        for (index, follower) in followers.iter().enumerate() {
            match follower.answered.recv_timeout(SEEN_MAX.saturating_sub(began.elapsed())) {
                Ok(at) => seen.push(at - began),
                Err(RecvTimeoutError::Timeout) => bail!("router {} did not see change {change}", index + 1),
                Err(RecvTimeoutError::Disconnected) => bail!("the connection to router {} broke off", index + 1),
            }
        }
        // The first change warms up: connections, instances, caches.
        if change > 0 {
            slowest.extend(seen.iter().max());
            each.extend(seen);
        }
        let pause = Duration::from_millis(PAUSES_MS[change as usize % PAUSES_MS.len()]);
        if never.recv_timeout(pause).is_ok() || change % CHANGES_PER_LOOK == 0 {
            interrupts.pause()?;
        }
    }
    for Follower { await_status, answered, thread } in followers {
        drop((await_status, answered));
        thread.join().ok().context("a connection broke off")??;
    }
    let changes = format!("{CHANGES} changes, {ROUTERS} routers");
    Ok(vec![
        Figure::new(format!("raw SET to each router's answer, {changes}"), percentiles(each)),
        Figure::new(format!("raw SET to the slowest router's answer, {changes}"), percentiles(slowest)),
    ])
}

/// `p50 0.61 ms, p99 1.20 ms, max 2.31 ms`.
pub(super) fn percentiles(mut samples: Vec<Duration>) -> String {
    samples.sort_unstable();
    let at = |percent: usize| {
        let sample = samples.get((samples.len() * percent).div_ceil(100).saturating_sub(1));
        sample.copied().unwrap_or_default().as_secs_f64() * 1_000.0
    };
    format!("p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms", at(50), at(99), at(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let samples = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(percentiles(samples), "p50 100.00 ms, p99 198.00 ms, max 200.00 ms");
        assert_eq!(percentiles(Vec::new()), "p50 0.00 ms, p99 0.00 ms, max 0.00 ms");
    }
}
