//! Large files on their way to a machine: named by their digest, sent once, in place only when they are whole.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::ssh::Ssh;
use super::{Remote as _, RemoteError};

/// SHA-256 in hex.
pub type Digest = String;

/// Bytes hashed at a time.
const CHUNK_BYTES: usize = 128 * 1024;
/// Hex digits of a SHA-256.
const DIGEST_DIGITS: usize = 64;
/// What the script below ends with when the blob is not there yet.
const MISSING: i32 = 3;

/// Looks whether the blob is there: `sh -c LOOK sh FOLDER DIGEST`.
const LOOK: &str = r#"test -f "$1/$2" || exit 3"#;
/// Takes it in from standard input. The name appears only when the bytes are what the digest says, and on the disk.
const TAKE: &str = r#"set -eu
mkdir -p -- "$1"
part=$(mktemp "$1/.part-XXXXXXXX")
trap 'rm -f -- "$part"' EXIT
cat > "$part"
found=$(sha256sum < "$part")
test "${found%% *}" = "$2" || { echo "what arrived has another digest: ${found%% *}" >&2; exit 1; }
sync -- "$part"
mv -f -- "$part" "$1/$2"
trap - EXIT"#;

/// SHA-256 of a file, in hex. Blocks.
///
/// # Errors
/// If it cannot be read.
pub fn sha256_of(file: &Path) -> std::io::Result<Digest> {
    let mut source = std::fs::File::open(file)?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = source.read(&mut chunk)?;
        if count == 0 {
            break;
        }
        hash.update(&chunk[..count]);
    }
    Ok(hash.finalize().iter().fold(String::with_capacity(DIGEST_DIGITS), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    }))
}

/// True if this is a SHA-256 as we write it.
pub(crate) fn is_digest(text: &str) -> bool {
    text.len() == DIGEST_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// See [`super::Remote::upload`].
pub(super) async fn upload(ssh: &Ssh, file: &Path, sha256: &str) -> Result<bool, RemoteError> {
    let unreadable = |source| RemoteError::File { path: file.display().to_string(), source };
    if !is_digest(sha256) {
        return Err(unreadable(std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a SHA-256")));
    }
    let blobs = ssh.layout().blobs();
    // The root of a local droplet is a folder of this machine: no need to send anything through a connection.
    if ssh.layout().root() != Path::new("/") && ssh.layout().root().is_dir() {
        return link(file, &blobs, sha256).map_err(unreadable);
    }
    let folder = blobs.display().to_string();
    let look = ["sh", "-c", LOOK, "sh", &folder, sha256];
    let output = ssh.run(&look, b"").await?;
    if output.status != MISSING {
        return ssh.succeeded(&look, output).map(|_there| false);
    }
    let mut source = tokio::fs::File::open(file).await.map_err(unreadable)?;
    let take = ["sh", "-c", TAKE, "sh", &folder, sha256];
    let output = ssh.run_fed(&take, &mut source).await?;
    ssh.succeeded(&take, output)?;
    Ok(true)
}

/// Puts a file of this machine among the blobs: the same file where the disk is the same, else a copy.
fn link(file: &Path, blobs: &Path, sha256: &str) -> std::io::Result<bool> {
    let place = blobs.join(sha256);
    if place.is_file() {
        return Ok(false);
    }
    std::fs::create_dir_all(blobs)?;
    let part = tempfile::Builder::new().prefix(".part-").tempdir_in(blobs)?;
    let fresh = part.path().join(sha256);
    if std::fs::hard_link(file, &fresh).is_err() {
        std::fs::copy(file, &fresh)?;
    }
    std::fs::rename(&fresh, &place)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn digests_are_those_of_sha256sum() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "sluice").unwrap();
        let output = Command::new("sha256sum").arg(&file).output().unwrap();
        let digest = sha256_of(&file).unwrap();
        assert!(String::from_utf8(output.stdout).unwrap().starts_with(&digest));
        assert!(is_digest(&digest) && !is_digest(&digest[1..]) && !is_digest(&digest.to_uppercase()));
    }

    #[test]
    fn the_script_takes_what_is_whole_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (file, blobs) = (folder.path().join("file"), folder.path().join("a folder/blobs"));
        std::fs::write(&file, "sluice").unwrap();
        let digest = sha256_of(&file).unwrap();
        let run = |script: &str, digest: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script, "sh"]).arg(&blobs).arg(digest).stdin(std::fs::File::open(&file).unwrap());
            command.output().unwrap().status.code()
        };
        assert_eq!(run(LOOK, &digest), Some(MISSING));
        let wrong = digest.replace(|letter: char| letter.is_ascii_digit(), "0");
        assert_eq!(run(TAKE, &wrong), Some(1));
        assert_eq!(std::fs::read_dir(&blobs).unwrap().count(), 0);
        assert_eq!((run(TAKE, &digest), run(LOOK, &digest)), (Some(0), Some(0)));
        assert_eq!(std::fs::read(blobs.join(&digest)).unwrap(), b"sluice");
    }

    #[test]
    fn a_file_of_this_machine_is_linked_once() {
        let folder = tempfile::tempdir().unwrap();
        let (file, blobs) = (folder.path().join("file"), folder.path().join("blobs"));
        std::fs::write(&file, "sluice").unwrap();
        let digest = sha256_of(&file).unwrap();
        assert!(link(&file, &blobs, &digest).unwrap());
        assert!(!link(&file, &blobs, &digest).unwrap());
        assert_eq!(std::fs::read_dir(&blobs).unwrap().count(), 1);
    }
}
