//! The driver of a real Chromium, for the tests of the dashboard. Debian's package of the driver brings the browser.

use crate::program::Program;

/// Found or installed on demand.
pub(crate) const CHROMEDRIVER: Program = Program {
    name: "chromedriver",
    variable: "SLUICE_CHROMEDRIVER",
    packages: &["chromium-driver"],
    // The page needs `light-dark()` of CSS, which Chromium has since version 123.
    major_min: 123,
    major,
};

/// Reads `ChromeDriver 150.0.7871.100 (a21ce95c...)`.
fn major(line: &str) -> Option<u32> {
    let version = line.strip_prefix("ChromeDriver ")?;
    version.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_the_driver_prints() {
        assert_eq!(major("ChromeDriver 150.0.7871.100 (a21ce95c24ce-refs/branch-heads/7871@{#1704})"), Some(150));
        assert_eq!(major("Chromium 150.0.7871.100"), None);
    }
}
