//! SIGTERM and SIGINT: the first one drains, the second one exits.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Exit status of a process that a signal ended, by the convention of shells: 128 + its number; SIGINT is 2.
const INTERRUPTED: i32 = 130;

/// Both signals.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on neither ends the process by itself.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for one of them and returns its name. Cancel safe.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// Exits at the next one, whatever the drain is doing. The task goes with the runtime, so nobody waits for it.
    #[expect(clippy::disallowed_methods, reason = "a tracked task would hold the shutdown that it is to cut short")]
    pub(crate) fn exit_at_the_next(mut self) {
        tokio::spawn(async move {
            let signal = self.next().await;
            tracing::warn!(signal, "exiting at once");
            std::process::exit(INTERRUPTED);
        });
    }
}
