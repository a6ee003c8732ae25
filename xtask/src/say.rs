//! Everything xtask prints. Progress goes to stderr; stdout carries only what a script may read.
//!
//! A terminal that went away must not end a task: failing writes are ignored.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::LazyLock;
use std::time::Instant;

use sluice_plugin_build::Progress;

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Elapsed times count from here.
pub(crate) fn start_clock() {
    LazyLock::force(&STARTED);
}

/// What begins now, with the seconds since the start: `[ 12.3s] building the plugins`.
pub(crate) fn step(text: impl Display) {
    let seconds = STARTED.elapsed().as_secs_f64();
    to_stderr(format_args!("[{seconds:>6.1}s] {text}"));
}

/// A line that belongs to the step above it.
pub(crate) fn note(text: impl Display) {
    to_stderr(format_args!("          {text}"));
}

/// What the library that builds plugins tells, in the same form.
pub(crate) struct Say;

impl Progress for Say {
    fn step(&self, text: &dyn Display) {
        step(text);
    }

    fn note(&self, text: &dyn Display) {
        note(text);
    }
}

/// Text as it stands, for example hints of several lines.
pub(crate) fn text(text: impl Display) {
    to_stderr(text);
}

/// Why the task failed, with its causes.
pub(crate) fn failure(error: &anyhow::Error) {
    to_stderr(format_args!("error: {error:#}"));
}

/// One line for scripts, alone on stdout and flushed at once.
pub(crate) fn result(line: impl Display) {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).ok();
}

fn to_stderr(text: impl Display) {
    writeln!(io::stderr().lock(), "{text}").ok();
}
