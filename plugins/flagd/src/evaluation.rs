//! The answer to "what is this flag, for this caller?", in OpenFeature's words.

use std::fmt;

use serde_json::{Map, Value};

/// What a flag is for one caller.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation<'s> {
    /// The value; absent if the flag is disabled, has no default variant, or could not be evaluated: the caller's own
    /// default counts then.
    pub value: Option<&'s Value>,
    /// The name of the variant whose value it is.
    pub variant: Option<&'s str>,
    /// Why it is this one.
    pub reason: Reason,
    /// What went wrong, if the reason is [`Reason::Error`].
    pub error: Option<EvaluationError>,
    /// Of the flag set, overridden by that of the flag.
    pub metadata: &'s Map<String, Value>,
}

/// Why an evaluation came out as it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The flag has no rule: the answer is the same for everyone.
    Static,
    /// The rule said nothing, or there is no default variant.
    Default,
    /// The rule chose the variant.
    TargetingMatch,
    /// The flag is switched off.
    Disabled,
    /// It could not be evaluated.
    Error,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{details}")]
pub struct EvaluationError {
    /// For programs.
    pub code: ErrorCode,
    /// For people, one line.
    pub details: String,
}

/// The kinds of error that a flag definition can lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// There is no such flag.
    FlagNotFound,
    /// The flag's rule is none.
    ParseError,
    /// The rule failed, or chose a variant that does not exist.
    General,
}

impl Reason {
    /// OpenFeature's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Static => "STATIC",
            Self::Default => "DEFAULT",
            Self::TargetingMatch => "TARGETING_MATCH",
            Self::Disabled => "DISABLED",
            Self::Error => "ERROR",
        }
    }
}

impl ErrorCode {
    /// OpenFeature's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FlagNotFound => "FLAG_NOT_FOUND",
            Self::ParseError => "PARSE_ERROR",
            Self::General => "GENERAL",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
