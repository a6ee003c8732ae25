//! Secrets: from the environment, or from a file that age encrypted. They live in memory only: never in state, argv, plan or
//! log.
//!
//! The system's `age` opens the file, as the system's `ssh` reaches machines: the identity never comes into this process.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use sluice_alert::Secret as Hidden;
use sluice_infra_spec::spec::AgeFile;
use sluice_infra_spec::{Secret, Spec};

/// Largest secret, in bytes.
const SECRET_BYTES_MAX: usize = 4 * 1_024;
/// Largest decrypted file, in bytes.
const FILE_BYTES_MAX: usize = 1 << 20;

/// The secret that is found there; relative files are beside `infra.toml`, in `folder`.
///
/// # Errors
/// If there is none, or it is empty, too long or more than one line.
pub(crate) fn find(spec: &Spec, folder: &Path, secret: &Secret) -> anyhow::Result<Hidden> {
    let (text, place) = match secret {
        Secret::Env(name) => {
            let text = std::env::var(name)
                .with_context(|| format!("read the secret in the environment variable {name}: `export {name}=..`"))?;
            (text, format!("the environment variable {name}"))
        }
        Secret::Age(name) => {
            let file = spec.age.as_ref().context("infra.toml has no [secrets]")?;
            let mut all = decrypt(file, folder)?;
            let text = all.remove(name).with_context(|| format!("{} holds no secret named `{name}`", file.file))?;
            (text, format!("`{name}` of {}", file.file))
        }
    };
    let text = text.trim_end_matches(['\n', '\r']);
    ensure!(!text.is_empty(), "{place} is empty");
    ensure!(text.len() <= SECRET_BYTES_MAX, "{place} is longer than {SECRET_BYTES_MAX} bytes");
    ensure!(!text.chars().any(char::is_control), "{place} is more than one line of text");
    Ok(Hidden::new(text))
}

/// All secrets of the encrypted file, by name.
fn decrypt(file: &AgeFile, folder: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut command = Command::new("age");
    command.arg("--decrypt").arg("--identity").arg(folder.join(&file.identity)).arg(folder.join(&file.file));
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!("`age` is not installed, and {} is encrypted with it: `apt install age`", file.file)
        }
        Err(error) => return Err(error).context("run age"),
    };
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "age cannot open {}: {}",
        file.file,
        complaint.lines().next().unwrap_or("no reason said")
    );
    ensure!(output.stdout.len() <= FILE_BYTES_MAX, "{} holds more than {FILE_BYTES_MAX} bytes", file.file);
    // The error of serde_json may quote the text: only its place is said.
    serde_json::from_slice(&output.stdout).map_err(|error| {
        anyhow::anyhow!("{} is not JSON of names to texts, line {} column {}", file.file, error.line(), error.column())
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use sluice_document::Source;

    use super::*;

    const SPEC: &str = "[fleet]\nname = \"a\"\n[secrets]\nfile = \"s.age\"\nidentity = \"key.txt\"\n\
                        [pools.edge]\nroles = [\"router\", \"redis\"]\n";

    fn spec() -> Spec {
        sluice_infra_spec::parse(&Source { file: "infra.toml".into(), text: SPEC.into() }).unwrap()
    }

    /// An encrypted file with this text in it, and its identity.
    fn encrypted(text: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key.txt");
        assert!(Command::new("age-keygen").arg("-o").arg(&key).output().unwrap().status.success());
        let recipient = Command::new("age-keygen").arg("-y").arg(&key).output().unwrap().stdout;
        let recipient = String::from_utf8(recipient).unwrap();
        let mut age = Command::new("age")
            .args(["--recipient", recipient.trim(), "--output"])
            .arg(folder.path().join("s.age"))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        age.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(age.wait().unwrap().success());
        folder
    }

    #[test]
    fn a_secret_of_an_age_file_is_found_by_its_name() {
        let folder = encrypted(r#"{"redis": "geheim0123456789\n", "empty": "", "lines": "a\nb"}"#);
        let find = |name: &str| find(&spec(), folder.path(), &Secret::Age(name.into()));
        assert_eq!(find("redis").unwrap().expose(), "geheim0123456789");
        assert!(find("other").unwrap_err().to_string().contains("holds no secret named `other`"));
        assert!(find("empty").unwrap_err().to_string().contains("is empty"));
        assert!(find("lines").unwrap_err().to_string().contains("more than one line"));
    }

    #[test]
    fn an_age_file_that_is_no_table_of_texts_is_refused_without_showing_it() {
        let folder = encrypted(r#"{"redis": geheim}"#);
        let error = format!("{:#}", find(&spec(), folder.path(), &Secret::Age("redis".into())).unwrap_err());
        assert!(error.contains("line 1 column 11") && !error.contains("geheim"), "{error}");
    }

    #[test]
    fn a_wrong_identity_of_an_age_file_is_said() {
        let folder = encrypted("{}");
        std::fs::write(folder.path().join("key.txt"), "AGE-SECRET-KEY-1").unwrap();
        let error = find(&spec(), folder.path(), &Secret::Age("redis".into())).unwrap_err().to_string();
        assert!(error.starts_with("age cannot open s.age: age: error:"), "{error}");
    }

    #[test]
    fn a_missing_variable_is_named() {
        let missing = Secret::Env("SLUICE_TEST_NO_SUCH_VARIABLE".into());
        let error = format!("{:#}", find(&spec(), Path::new("."), &missing).unwrap_err());
        assert!(error.contains("`export SLUICE_TEST_NO_SUCH_VARIABLE=..`"), "{error}");
    }
}
