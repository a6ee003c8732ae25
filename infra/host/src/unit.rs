//! Whether a unit can be a service at all: both inits ask before they touch anything.

use crate::manifest::ServiceUnit;

/// Longest name: room for `app-NAME-65535`, and far below what a file name may have.
const NAME_BYTES_MAX: usize = 64;
/// Longest wait for an end; systemd's own default is 90 seconds.
const STOP_SECONDS_MAX: u32 = 3600;

/// Says what is wrong with a unit.
pub(crate) fn check(unit: &ServiceUnit) -> Result<(), String> {
    check_name(&unit.name)?;
    if unit.exec.first().is_none_or(String::is_empty) {
        return Err("there is nothing to run".into());
    }
    let texts = unit.exec.iter().chain(unit.env.values()).chain([&unit.about, &unit.user]);
    let paths = unit.env_file.iter().chain(&unit.folder);
    if texts.chain(paths).any(|text| text.contains('\0')) {
        return Err("a text has a zero byte".into());
    }
    if let Some(name) = unit.env.keys().find(|name| !is_variable(name)) {
        return Err(format!("`{}` cannot be the name of a variable", name.escape_debug()));
    }
    if unit.stop_seconds > STOP_SECONDS_MAX {
        return Err(format!("an end may take {STOP_SECONDS_MAX} seconds at most"));
    }
    Ok(())
}

/// Names become names of files: nothing in them leads anywhere.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let fits = !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.starts_with(['.', '-']);
    if fits && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.@-".contains(&byte)) {
        return Ok(());
    }
    Err(format!("`{}` cannot be the name of a service", name.escape_debug()))
}

/// True for what POSIX allows as the name of a variable.
pub(crate) fn is_variable(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A unit that runs a shell with this script.
    pub(crate) fn shell(name: &str, script: &str) -> ServiceUnit {
        ServiceUnit {
            name: name.into(),
            about: "a test".into(),
            exec: vec!["/bin/sh".into(), "-c".into(), script.into()],
            env: std::collections::BTreeMap::new(),
            env_file: None,
            folder: None,
            user: "root".into(),
            restart: false,
            stop_seconds: 5,
            restart_on: Vec::new(),
        }
    }

    #[test]
    fn names_lead_nowhere() {
        for good in ["app-meow-3000", "sluice_agent", "a@1", &"x".repeat(NAME_BYTES_MAX)] {
            assert_eq!(check_name(good), Ok(()));
        }
        for bad in ["", "..", ".hidden", "-flag", "a/b", "a b", "a\n", "\u{e4}", &"x".repeat(NAME_BYTES_MAX + 1)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn units_that_cannot_run_are_refused() {
        let good = shell("app", "true");
        assert_eq!(check(&good), Ok(()));
        let nothing = ServiceUnit { exec: Vec::new(), ..good.clone() };
        let zero = ServiceUnit { exec: vec!["a".into(), "b\0".into()], ..good.clone() };
        let variable = ServiceUnit { env: [("A B".to_owned(), String::new())].into(), ..good.clone() };
        let late = ServiceUnit { stop_seconds: STOP_SECONDS_MAX + 1, ..good.clone() };
        for bad in [nothing, zero, variable, late] {
            assert!(check(&bad).is_err(), "{bad:?}");
        }
        assert_eq!(check(&ServiceUnit { stop_seconds: STOP_SECONDS_MAX, ..good }), Ok(()));
    }
}
