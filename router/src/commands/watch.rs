//! `--watch`: the same question again and again; on a terminal the answer replaces the one before, elsewhere each new one is
//! printed below. Ends when nobody reads any more, or with ctrl-c.

use std::io::{self, IsTerminal, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use crate::admin::AdminClient;
use crate::terminal::{CLEAR, try_tell};

/// Between two questions.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Shows what `look` answers. Its first failure is one; later ones are shown, and it is asked again: routers restart.
pub(crate) fn watch(
    client: &AdminClient,
    mut look: impl FnMut() -> anyhow::Result<String>,
) -> anyhow::Result<ExitCode> {
    let mut shown = look()?;
    let is_terminal = io::stdout().is_terminal();
    loop {
        if is_terminal {
            let _closed = write!(io::stdout(), "{CLEAR}");
        }
        if try_tell(&mut io::stdout(), &shown).is_err() {
            return Ok(ExitCode::SUCCESS);
        }
        loop {
            client.wait(LOOK_EVERY);
            let next = look().unwrap_or_else(|error| format!("{shown}\n\n{error:#}"));
            if next != shown {
                shown = next;
                break;
            }
        }
    }
}
