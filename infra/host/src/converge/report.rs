//! What a run found, changed, and why it stopped. Travels as JSON to whoever started it.

use serde::{Deserialize, Serialize};

use super::Mode;
use crate::init::InitError;

/// Most bytes of all differences in one report: it is read over ssh, within 1 MiB.
const DIFFERENCES_BYTES_MAX: usize = 512 * 1024;

/// What a run found and did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Nothing was applied.
    pub dry_run: bool,
    /// What differed, in the order of the manifest; unless it was a dry run, it is as wanted now.
    pub changes: Vec<Change>,
    /// How many resources were as wanted.
    pub unchanged: usize,
    /// Why the run ended before its end.
    pub stopped: Option<Stopped>,
}

/// One resource that differed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What it is, for people: `file /etc/hosts`.
    pub resource: String,
    /// In which way.
    #[serde(flatten)]
    pub difference: Difference,
}

/// In which way a resource differs from what is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What is to be done.
    pub action: Action,
    /// One line: what differs.
    pub summary: String,
    /// A unified diff, where there is something to compare and no secret in it; else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub diff: String,
}

/// What is to be done with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is not there.
    Create,
    /// It is there, and different.
    Change,
    /// A service is as wanted, but does not run, or runs on what was there before.
    Restart,
}

/// Why a run ended before its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// At which resource.
    pub resource: String,
    /// Why.
    pub reason: String,
}

/// Why nothing was checked.
#[derive(Debug, thiserror::Error)]
pub enum ConvergeError {
    /// The manifest is not sound.
    #[error("the manifest is not sound: {}", .0.join("; "))]
    Manifest(Vec<String>),
    /// Another run is at work.
    #[error("another run is at work on this machine")]
    Busy,
    /// The lock of runs.
    #[error("{path} cannot be locked")]
    Lock {
        /// Its file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Why a resource cannot be checked or brought about.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A file or folder.
    #[error("{doing}")]
    File {
        /// Verb and path.
        doing: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A program of the machine did not do it.
    #[error("`{program}` ended with {status}: {reason}")]
    Program {
        /// Program and first argument.
        program: String,
        /// Its status.
        status: i32,
        /// The last line of what it complained of.
        reason: String,
    },
    /// A program of the machine does not run.
    #[error("`{program}` does not run: {reason}")]
    NoProgram {
        /// Which.
        program: String,
        /// Why.
        reason: String,
    },
    /// A program is missing that we may not install.
    #[error("`{program}` is not on the PATH: `apt install {package}`")]
    Missing {
        /// Which.
        program: String,
        /// The package that brings it.
        package: String,
    },
    /// Something of another kind stands there.
    #[error("{path} is {found}, not {wanted}: move it away")]
    InTheWay {
        /// Where.
        path: String,
        /// What stands there.
        found: &'static str,
        /// What is wanted there.
        wanted: &'static str,
    },
    /// There is no such user.
    #[error("there is no user `{user}` on this machine")]
    NoUser {
        /// Which.
        user: String,
    },
    /// A blob is missing or damaged.
    #[error("the blob {digest} is {state}: configure again")]
    Blob {
        /// Its digest.
        digest: String,
        /// What is the matter.
        state: &'static str,
    },
    /// The init.
    #[error("the init did not do it")]
    Init(#[from] InitError),
    /// A service did not stay up.
    #[error("{service} was started and does not run: {state}{log}")]
    Down {
        /// Which.
        service: String,
        /// How it fares.
        state: String,
        /// Its last lines, each on a line of its own.
        log: String,
    },
    /// The firewall would be that of another machine.
    #[error("this droplet shares the network of its host: its firewall would close the host")]
    SharedNetwork,
    /// Applying it did not help.
    #[error("it still differs after it was applied: {difference}")]
    Stays {
        /// In which way.
        difference: String,
    },
}

impl Report {
    pub(super) fn new(mode: Mode) -> Self {
        Self { dry_run: mode == Mode::DryRun, changes: Vec::new(), unchanged: 0, stopped: None }
    }

    pub(super) fn add(&mut self, resource: String, mut difference: Difference) {
        let so_far: usize = self.changes.iter().map(|change| change.difference.diff.len()).sum();
        if so_far + difference.diff.len() > DIFFERENCES_BYTES_MAX {
            difference.diff.clear();
        }
        self.changes.push(Change { resource, difference });
    }

    pub(super) fn stop(&mut self, resource: String, fault: &Fault) {
        let mut reason = fault.to_string();
        let mut cause = std::error::Error::source(fault);
        while let Some(error) = cause {
            reason = format!("{reason}: {error}");
            cause = error.source();
        }
        self.stopped = Some(Stopped { resource, reason });
    }
}

impl Difference {
    /// It is not there.
    pub(super) fn create(summary: impl Into<String>) -> Self {
        Self { action: Action::Create, summary: summary.into(), diff: String::new() }
    }

    /// It is there, and different.
    pub(super) fn change(summary: impl Into<String>) -> Self {
        Self { action: Action::Change, summary: summary.into(), diff: String::new() }
    }

    /// With lines to compare.
    pub(super) fn with(self, diff: String) -> Self {
        Self { diff, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_left_out_beyond_what_a_report_holds() {
        let mut report = Report::new(Mode::DryRun);
        report.add("file /a".into(), Difference::change("content").with("x".repeat(DIFFERENCES_BYTES_MAX)));
        report.add("file /b".into(), Difference::change("content").with("x".into()));
        let bytes: Vec<usize> = report.changes.iter().map(|change| change.difference.diff.len()).collect();
        assert_eq!(bytes, [DIFFERENCES_BYTES_MAX, 0]);
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let mut report = Report::new(Mode::Apply);
        report.add("file /a".into(), Difference::create("new").with("+a\n".into()));
        report.stop("user x".into(), &Fault::NoUser { user: "x".into() });
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }
}
