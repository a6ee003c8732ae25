//! age: opens the encrypted secrets of a fleet.

use crate::program::Program;

/// Named, found, or installed on demand.
pub(crate) const AGE: Program = Program {
    name: "age",
    variable: "SLUICE_AGE",
    packages: &["age"],
    // Its file format is that of 1.0.
    major_min: 1,
    major,
};
/// Part of the names of the tests that need it.
pub(crate) const TESTS: &str = "age_file";

/// Reads `1.1.1`, or `v1.2.0` as newer ones print it.
fn major(line: &str) -> Option<u32> {
    line.strip_prefix('v').unwrap_or(line).split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_age_prints() {
        assert_eq!(major("1.1.1"), Some(1));
        assert_eq!(major("v1.2.0"), Some(1));
        assert_eq!(major("(devel)"), None);
    }
}
