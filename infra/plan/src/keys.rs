//! The key pair of the fleet, which its droplets let in: made once by `ssh-keygen`, in the folder of state.

use std::path::{Path, PathBuf};

use tokio::process::Command;

/// Private key, in the folder of state.
const PRIVATE: &str = "ssh/id_ed25519";
/// Public key, beside it.
const PUBLIC: &str = "ssh/id_ed25519.pub";

/// Why there is no key pair.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file cannot be read or written.
    #[error("{path} cannot be used")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// `ssh-keygen` failed.
    #[error("ssh-keygen failed: {0}; install it (Debian: `apt-get install openssh-client`)")]
    Program(String),
}

/// The key pair of a fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// File with the private key.
    pub identity: PathBuf,
    /// The public key, one line of OpenSSH.
    pub public: String,
}

/// The key pair in this folder of state; made if there is none.
///
/// # Errors
/// [`KeyError`]
pub async fn ensure(state_folder: &Path, fleet: &str) -> Result<KeyPair, KeyError> {
    let identity = state_folder.join(PRIVATE);
    let failed = |path: &Path, source| KeyError::File { path: path.to_owned(), source };
    if !identity.is_file() {
        let folder = identity.parent().unwrap_or(state_folder);
        tokio::fs::create_dir_all(folder).await.map_err(|error| failed(folder, error))?;
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-N", "", "-C"]).arg(format!("sluice-{fleet}")).arg("-f").arg(&identity);
        let output = command.output().await.map_err(|error| KeyError::Program(error.to_string()))?;
        if !output.status.success() {
            return Err(KeyError::Program(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
    }
    let public = state_folder.join(PUBLIC);
    let text = tokio::fs::read_to_string(&public).await.map_err(|error| failed(&public, error))?;
    Ok(KeyPair { identity, public: text.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_pair_is_made_once_and_its_private_half_is_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let first = ensure(folder.path(), "cats").await.unwrap();
        assert!(first.public.starts_with("ssh-ed25519 "), "{}", first.public);
        assert_eq!(std::fs::metadata(&first.identity).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(ensure(folder.path(), "cats").await.unwrap(), first);
    }
}
