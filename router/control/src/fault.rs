//! Faults as people see them: what is wrong now, with which input, since when.

use std::error::Error;
use std::fmt;

use serde::Serialize;

/// Faults that are kept at the most; more say nothing that the first ones did not.
pub const FAULTS_MAX: usize = 256;

/// Which input is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FaultSource {
    /// A policy file, or what it asks for.
    Policy,
    /// A plugin file.
    Plugin,
    /// The store cannot be reached, or the data folder not be written.
    Store,
    /// A value in the store that nobody can use; the last good one counts.
    State,
    /// Flag definitions in the store, or one flag of them, that cannot be used as they are.
    Flag,
    /// A rollout whose state the store does not know yet.
    Rollout,
    /// An upstream whose name does not resolve.
    Upstream,
    /// A plugin that is not called for now, because it failed too often in a row.
    Quarantine,
    /// A rule whose alerts do not reach everyone it names.
    Alert,
}

impl FaultSource {
    /// The word in logs and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Plugin => "plugin",
            Self::Store => "store",
            Self::State => "state",
            Self::Flag => "flag",
            Self::Rollout => "rollout",
            Self::Upstream => "upstream",
            Self::Quarantine => "quarantine",
            Self::Alert => "alert",
        }
    }
}

/// One thing that is wrong now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Which input.
    pub source: FaultSource,
    /// What of it: a file, a state key, a rollout.
    pub subject: String,
    /// What is wrong, one line.
    pub message: String,
    /// Since when, ms since the Unix epoch.
    pub since_ms: u64,
    /// The file it stands in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line in that file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Column in that line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// The place within a document, e.g. `flags.new-ui.targeting.if[0]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What would put it right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The line with a caret under the place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
}

impl Fault {
    /// A fault without a place in a file. It begins when it is first shown.
    pub(crate) fn new(source: FaultSource, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            source,
            subject: subject.into(),
            message: message.into(),
            since_ms: 0,
            file: None,
            line: None,
            column: None,
            path: None,
            hint: None,
            excerpt: None,
        }
    }

    /// Says in which file it stands.
    pub(crate) fn in_file(self, file: impl Into<String>) -> Self {
        Self { file: Some(file.into()), ..self }
    }

    /// True if both concern the same thing, whatever they say of it.
    pub(crate) fn is_about(&self, other: &Self) -> bool {
        (self.source, &self.subject) == (other.source, &other.subject)
    }

    /// True if both say the same, whenever they began.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (self.source, &self.subject, &self.message, self.line, self.column)
            == (other.source, &other.subject, &other.message, other.line, other.column)
    }
}

impl From<sluice_policy::Fault> for Fault {
    fn from(fault: sluice_policy::Fault) -> Self {
        Self {
            line: Some(fault.line),
            column: Some(fault.column),
            hint: fault.hint,
            excerpt: Some(fault.excerpt),
            ..Self::new(FaultSource::Policy, fault.file.clone(), fault.message).in_file(fault.file)
        }
    }
}

/// As a compiler shows it: place, message, excerpt, hint.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line, self.column) {
            (Some(file), Some(line), Some(column)) => write!(f, "{file}:{line}:{column}: ")?,
            (Some(file), ..) if *file == self.subject => write!(f, "{file}: ")?,
            (Some(file), ..) => write!(f, "{file}: {} {}: ", self.source.as_str(), self.subject)?,
            (None, ..) => write!(f, "{} {}: ", self.source.as_str(), self.subject)?,
        }
        f.write_str(&self.message)?;
        if let Some(excerpt) = &self.excerpt {
            write!(f, "\n{excerpt}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n      = hint: {hint}")?;
        }
        Ok(())
    }
}

/// An error with all its causes, in one line.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_shown_with_its_place() {
        let fault = Fault::new(FaultSource::Plugin, "canary", "no such file").in_file("plugins.d/canary.wasm");
        assert_eq!(fault.to_string(), "plugins.d/canary.wasm: plugin canary: no such file");
        let placed = Fault { line: Some(3), column: Some(9), hint: Some("say x".to_owned()), ..fault };
        assert_eq!(placed.to_string(), "plugins.d/canary.wasm:3:9: no such file\n      = hint: say x");
    }

    #[test]
    fn what_has_no_place_is_not_on_the_wire() {
        let json = serde_json::to_string(&Fault::new(FaultSource::State, "flag:a", "no boolean")).unwrap();
        assert_eq!(json, r#"{"source":"state","subject":"flag:a","message":"no boolean","since_ms":0}"#);
    }
}
