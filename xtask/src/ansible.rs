//! Ansible: runs the playbooks that `sluice-infra export ansible` writes.

use crate::program::Program;

/// Named, found, or installed on demand.
pub(crate) const ANSIBLE: Program = Program {
    name: "ansible-playbook",
    variable: "SLUICE_ANSIBLE_PLAYBOOK",
    packages: &["ansible-core"],
    // Debian 12 has 2.14; the modules that are used are older.
    major_min: 2,
    major,
};
/// Part of the names of the tests that need it.
pub(crate) const TESTS: &str = "ansible_playbook";

/// Reads `ansible-playbook [core 2.14.18]`.
fn major(line: &str) -> Option<u32> {
    line.strip_prefix("ansible-playbook [core ")?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_ansible_prints() {
        assert_eq!(major("ansible-playbook [core 2.14.18]"), Some(2));
        assert_eq!(major("ansible-playbook 2.9.6"), None);
    }
}
