//! Faults of a definition: of the whole, which is then refused, and of single flags, which then answer PARSE_ERROR.

use crate::place::{Path, Trail};

/// Why a document is no flag definition.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct DocumentFault {
    /// What is wrong, one line.
    pub message: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Where in the document, e.g. `flags.new-ui.targeting.if[0]`; empty for the document itself.
    pub path: String,
    /// What would put it right, one line.
    pub hint: Option<String>,
}

/// Why one flag cannot be evaluated while the others can.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[error("{flag}: {message} at {path}")]
pub struct FlagFault {
    /// The key of the flag.
    pub flag: String,
    /// What is wrong, one line.
    pub message: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Where in the document.
    pub path: String,
}

impl DocumentFault {
    pub(crate) fn at(text: &str, trail: &Trail<'_>, message: impl Into<String>, hint: Option<&str>) -> Self {
        let path = trail.path();
        let (line, column) = path.locate(text);
        Self { message: message.into(), line, column, path: path.to_string(), hint: hint.map(str::to_owned) }
    }

    /// The text is not JSON.
    pub(crate) fn syntax(error: &serde_json::Error) -> Self {
        let shown = error.to_string();
        let message = shown.split(" at line ").next().unwrap_or(&shown).to_owned();
        Self { message, line: error.line(), column: error.column().max(1), path: String::new(), hint: None }
    }
}

/// What is wrong with a rule, and where; it becomes a [`FlagFault`].
#[derive(Clone, Debug)]
pub(crate) struct RuleFault {
    pub(crate) path: Path,
    pub(crate) message: String,
}

impl RuleFault {
    pub(crate) fn new(trail: &Trail<'_>, message: impl Into<String>) -> Self {
        Self { path: trail.path(), message: message.into() }
    }

    pub(crate) fn of(&self, flag: &str, text: &str) -> FlagFault {
        let (line, column) = self.path.locate(text);
        let Self { path, message } = self;
        FlagFault { flag: flag.to_owned(), message: message.clone(), line, column, path: path.to_string() }
    }
}
