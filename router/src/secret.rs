//! Secrets that settings point to: in the environment, or in a file. They are read once, at the start, and never shown.

use anyhow::{Context as _, bail};
use sluice_policy::Secret;

/// Largest file of a secret, in bytes: a key, not a mistaken path.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// What stands there, without white space at its end; `what` names it in errors.
pub(crate) fn read(what: &str, secret: &Secret) -> anyhow::Result<String> {
    let text = match secret {
        Secret::Env(name) => std::env::var(name).with_context(|| format!("read {what} from the variable {name}"))?,
        Secret::File(path) => {
            let size = std::fs::metadata(path).with_context(|| format!("read {what} from {}", path.display()))?.len();
            if size > FILE_BYTES_MAX {
                bail!("read {what} from {}: it is larger than {FILE_BYTES_MAX} bytes", path.display());
            }
            std::fs::read_to_string(path).with_context(|| format!("read {what} from {}", path.display()))?
        }
    };
    let text = text.trim_end();
    if text.is_empty() {
        bail!("read {what}: it is empty");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_ends_before_white_space_and_is_not_empty() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let of = |text: &str| {
            std::fs::write(&file, text).unwrap();
            read("the key", &Secret::File(file.clone()))
        };
        assert_eq!(of("hunter2 \n").unwrap(), "hunter2");
        assert!(of("\n").unwrap_err().to_string().contains("empty"));
        let largest = usize::try_from(FILE_BYTES_MAX).unwrap();
        assert!(of(&"x".repeat(largest)).is_ok());
        assert!(of(&"x".repeat(largest + 1)).unwrap_err().to_string().contains("larger"));
        let missing = read("the key", &Secret::Env("SLUICE_NO_SUCH_VARIABLE".to_owned())).unwrap_err();
        assert!(missing.to_string().contains("SLUICE_NO_SUCH_VARIABLE"));
    }
}
