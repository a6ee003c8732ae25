//! Who is told how far a build is.

use std::fmt::Display;

/// Prints, or does not. A build goes on whatever becomes of what it tells.
pub trait Progress {
    /// What begins now.
    fn step(&self, text: &dyn Display);

    /// A line that belongs to the step before it.
    fn note(&self, text: &dyn Display);
}
