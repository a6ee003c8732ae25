//! Files by themselves, as the commands read them that ask neither a router nor a whole folder.

use std::path::Path;

use sluice_policy::Policy;

use crate::fault::Fault;
use crate::folder::{self, PLUGIN_FILE_BYTES_MAX, ReadError};
use crate::input::Input;

/// Reads a plugin file as a reload would: regular, within its bound. Blocking.
///
/// # Errors
/// [`ReadError`]: a router would not even look at it.
pub fn read_plugin_file(path: &Path) -> Result<Vec<u8>, ReadError> {
    folder::read(path, PLUGIN_FILE_BYTES_MAX)
}

/// Reads the policy files of a folder, without the plugins that they name. Blocking.
///
/// # Errors
/// Everything that is wrong with them.
pub fn read_policy(routes: &Path) -> Result<Policy, Vec<Fault>> {
    let mut input = Input::default();
    input.read_policy(routes);
    let parsed = sluice_policy::parse(&input.sources).map_err(|faults| faults.0.into_iter().map(Fault::from));
    match parsed {
        Ok(policy) if input.faults.is_empty() => Ok(policy),
        Ok(_) => Err(input.faults),
        Err(more) => Err(input.faults.into_iter().chain(more).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_without_their_plugins() {
        let folder = tempfile::tempdir().unwrap();
        let write = |text: &str| std::fs::write(folder.path().join("a.toml"), text).unwrap();
        assert!(read_policy(folder.path()).is_err(), "no policy at all");
        write("[plugins.p]\nfile = \"not-there.wasm\"");
        assert_eq!(read_policy(folder.path()).unwrap().plugins[0].file, "not-there.wasm");
        write("[plugins.p]\nfiel = \"p.wasm\"");
        let faults = read_policy(folder.path()).unwrap_err();
        assert!(faults[0].to_string().contains("did you mean `file`"), "{faults:?}");
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read_plugin_file(folder.path()), Err(ReadError::NotAFile(_))));
        assert!(matches!(read_plugin_file(&folder.path().join("none")), Err(ReadError::Io(_))));
    }
}
