//! Ctrl-c and SIGTERM, and every wait of the demo: a wait ends early when the user wants to leave.

use std::fmt;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Between two looks at something that is awaited: short for a person, long for a processor.
const PAUSE: Duration = Duration::from_millis(50);
/// Signals that wait to be seen; more of them say nothing new.
const SIGNALS_MAX: usize = 4;

/// The user wants to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// The signals that arrived and were not seen yet.
pub(crate) struct Interrupts(Receiver<()>);

impl Interrupts {
    /// From here on these signals no longer end this process by themselves.
    pub(crate) fn listen() -> Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("listen for signals")?;
        let (sender, receiver) = mpsc::sync_channel(SIGNALS_MAX);
        let forward = move || {
            for _ in signals.forever() {
                sender.try_send(()).ok();
            }
        };
        thread::Builder::new().name("signals".to_owned()).spawn(forward).context("start the signal thread")?;
        Ok(Self(receiver))
    }

    /// A short sleep.
    ///
    /// # Errors
    /// [`Interrupted`] as soon as a signal arrives.
    pub(crate) fn pause(&self) -> Result<(), Interrupted> {
        match self.0.recv_timeout(PAUSE) {
            Ok(()) => Err(Interrupted),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(()),
        }
    }

    /// Asks `probe` until it answers, at most for `limit`. `what` completes the sentence "waited 10 s for ...".
    pub(crate) fn wait<T>(
        &self,
        what: &str,
        limit: Duration,
        mut probe: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let started = Instant::now();
        loop {
            if let Some(answer) = probe()? {
                return Ok(answer);
            }
            if started.elapsed() >= limit {
                bail!("waited {} s for {what}, in vain", limit.as_secs());
            }
            self.pause()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interrupts() -> (mpsc::SyncSender<()>, Interrupts) {
        let (sender, receiver) = mpsc::sync_channel(SIGNALS_MAX);
        (sender, Interrupts(receiver))
    }

    #[test]
    fn a_wait_ends_with_its_answer_its_limit_or_a_signal() {
        let (sender, interrupts) = interrupts();
        let mut asked = 0;
        let answer = interrupts.wait("it", Duration::from_secs(60), || {
            asked += 1;
            Ok((asked == 3).then_some(asked))
        });
        assert_eq!(answer.unwrap(), 3);

        let late = interrupts.wait("a miracle", Duration::ZERO, || Ok(None::<()>)).unwrap_err();
        assert_eq!(late.to_string(), "waited 0 s for a miracle, in vain");

        sender.send(()).unwrap();
        let left = interrupts.wait("it", Duration::from_secs(60), || Ok(None::<()>)).unwrap_err();
        assert!(left.is::<Interrupted>());
    }
}
