//! `agent release`: the post-receive hook of a droplet, and what an operator asks it over ssh.

use std::process::ExitCode;
use std::time::Duration;

use sluice_infra_deploy::droplet::Droplet;
use tokio::time::sleep;

use super::receive::{droplet, say, updates};
use crate::print;
use crate::runtime::block_on;

/// Between two looks at a log that is followed.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);
/// Lines that are looked at each time: of what is printed faster than this, the last ones are shown.
const FOLLOW_LINES: usize = 2_000;

/// As typed. Without an option, what was pushed is told on standard input, by git.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The app, as the hook names it; a droplet runs one
    app: Option<String>,

    #[command(flatten)]
    other: Other,

    /// Go on with what it prints from now on
    #[arg(long, requires = "log")]
    follow: bool,
}

/// What else may be asked.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Other {
    /// Release this commit, which is in the repository
    #[arg(long)]
    commit: Option<String>,

    /// Back to the release before, or to that of this source commit
    #[arg(long, value_name = "COMMIT", num_args = 0..=1, default_missing_value = "")]
    rollback: Option<String>,

    /// Print what runs, as JSON
    #[arg(long)]
    status: bool,

    /// Print the last lines of the newest release's log
    #[arg(long, value_name = "LINES")]
    log: Option<usize>,
}

/// Does it; who pushes reads stderr.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Args { app, other, follow } = args;
    let droplet = droplet(app.as_deref())?;
    block_on(async {
        if let Some(commit) = &other.commit {
            droplet.release(commit, &say).await?;
        } else if let Some(wanted) = &other.rollback {
            droplet.roll_back(Some(wanted.as_str()).filter(|wanted| !wanted.is_empty()), &say).await?;
        } else if let Some(lines) = other.log {
            show_log(&droplet, lines, *follow).await?;
        } else if other.status {
            print::document(&droplet.releases()?)?;
        } else {
            droplet.take_push(&updates()?, &say).await?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn show_log(droplet: &Droplet, lines: usize, follow: bool) -> anyhow::Result<()> {
    let mut shown = droplet.log(lines).await?;
    shown.iter().try_for_each(|line| print::text(line))?;
    if !follow {
        return Ok(());
    }
    loop {
        sleep(FOLLOW_EVERY).await;
        let now = droplet.log(FOLLOW_LINES).await?;
        for line in now.iter().skip(known(&shown, &now)) {
            print::text(line)?;
        }
        shown = now;
    }
}

/// How many of the lines that are there now were there before: the longest end of `before` that `now` has, last seen.
fn known(before: &[String], now: &[String]) -> usize {
    let ends = |at: usize| {
        let length = at.min(before.len());
        length > 0 && now.get(at - length..at) == before.get(before.len() - length..)
    };
    (1..=now.len()).rev().find(|at| ends(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_followed_log_goes_on_where_it_was() {
        let lines = |text: &str| text.chars().map(|letter| letter.to_string()).collect::<Vec<_>>();
        for (before, now, new) in [
            ("abc", "abcd", 1),
            ("abc", "abc", 0),
            ("bc", "abcd", 1),
            ("abc", "cde", 2),
            ("", "ab", 2),
            ("abc", "xyz", 3),
        ] {
            let (before, now) = (lines(before), lines(now));
            assert_eq!(now.len() - known(&before, &now), new, "{before:?} {now:?}");
        }
    }
}
