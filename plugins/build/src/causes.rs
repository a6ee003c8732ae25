//! An error with its causes on one line, for a message that collects several.

use std::error::Error;
use std::fmt;

/// Prints the error, then each of its sources.
pub(crate) struct WithCauses<'a>(pub(crate) &'a dyn Error);

impl fmt::Display for WithCauses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
