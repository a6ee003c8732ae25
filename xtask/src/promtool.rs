//! Prometheus' own check of metrics. Debian has it in the package of the server, which is not started.

use crate::program::Program;

/// Found or installed on demand.
pub(crate) const PROMTOOL: Program =
    Program { name: "promtool", variable: "SLUICE_PROMTOOL", packages: &["prometheus"], major_min: 2, major };

/// Reads `promtool, version 2.42.0+ds (branch: debian/sid, revision: 2.42.0+ds-5)`.
fn major(text: &str) -> Option<u32> {
    let (_, version) = text.split_once("promtool, version ")?;
    version.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_promtool_prints() {
        assert_eq!(major("promtool, version 2.42.0+ds (branch: debian/sid)\n  build user: x"), Some(2));
        assert_eq!(major("prometheus, version 3.0.0"), None);
    }
}
