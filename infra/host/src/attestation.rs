//! The seal of a release: that its gates went well, said by who holds the deploy key of the fleet.
//!
//! The key is 32 random bytes, `deploy.key` in the operator's folder of state; `configure` brings it to the droplets, in
//! `secrets.json`. A pipeline whose gates have all gone well seals the release commit, and a droplet takes no commit
//! without its seal. So what is pushed by hand, by another tool or with an ssh key alone goes nowhere; neither does a
//! release whose files were changed after its gates, nor one of another fleet or app, nor an old one on top of a newer.
//! It does not protect from who can read the folder of state or is root on a droplet: these are the fleet.

use std::fmt::{self, Write as _};
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// Its name in the operator's folder of state.
pub const DEPLOY_KEY_FILE: &str = "deploy.key";
/// As long as the digest (RFC 2104 section 3).
const KEY_BYTES: usize = 32;
/// First of what is sealed, so that no other use of the key seals the same.
const PURPOSE: &str = "sluice release 1";

/// What a seal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed<'a> {
    /// The fleet.
    pub fleet: &'a str,
    /// The app.
    pub app: &'a str,
    /// Source commit, whose gates went well.
    pub source: &'a str,
    /// The files that are released, as git names their tree.
    pub tree: &'a str,
    /// The release commit before, or nothing.
    pub parent: Option<&'a str>,
}

/// The key.
#[derive(Clone, PartialEq, Eq)]
pub struct DeployKey(String);

impl fmt::Debug for DeployKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeployKey(..)")
    }
}

impl DeployKey {
    /// The key in this file; makes one, readable by nobody else, if there is none.
    ///
    /// # Errors
    /// If it cannot be read or made, or the file holds something else.
    pub fn ensure(file: &Path) -> io::Result<Self> {
        match fs::read_to_string(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(file),
            read => {
                let text = read?;
                Self::parse(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is no deploy key"))
            }
        }
    }

    /// From its 64 hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = text.len() == 2 * KEY_BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        fits.then(|| Self(text.to_ascii_lowercase()))
    }

    /// Its 64 hex digits: for `secrets.json` and nothing else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The seal, 64 hex digits. The same for the same release.
    #[must_use]
    pub fn seal(&self, sealed: &Sealed<'_>) -> String {
        hex(&self.mac(sealed).finalize().into_bytes())
    }

    /// True if this is the seal; takes as long for a wrong one.
    #[must_use]
    pub fn is_seal(&self, sealed: &Sealed<'_>, seal: &str) -> bool {
        unhex(seal).is_some_and(|seal| self.mac(sealed).verify_slice(&seal).is_ok())
    }

    fn mac(&self, sealed: &Sealed<'_>) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).expect("invariant: HMAC takes any length");
        let Sealed { fleet, app, source, tree, parent } = sealed;
        for part in [PURPOSE, fleet, app, source, tree, parent.unwrap_or_default()] {
            mac.update(part.as_bytes());
            // None of the parts holds one.
            mac.update(b"\0");
        }
        mac
    }

    fn make(file: &Path) -> io::Result<Self> {
        let mut bytes = [0; KEY_BYTES];
        fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        let key = Self(hex(&bytes));
        let beside = file.with_extension(format!("{}.tmp", std::process::id()));
        let mut written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        written.write_all(format!("{}\n", key.0).as_bytes())?;
        written.sync_data()?;
        // Whoever is first: a link is not made over a file that is there.
        let linked = fs::hard_link(&beside, file);
        fs::remove_file(&beside)?;
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::ensure(file),
            linked => linked.map(|()| key),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?);
    digits.chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const SEALED: Sealed<'static> = Sealed { fleet: "f", app: "a", source: "5", tree: "7", parent: None };

    #[test]
    fn a_key_is_made_once_and_for_us_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(DEPLOY_KEY_FILE);
        let key = DeployKey::ensure(&file).unwrap();
        assert_eq!(DeployKey::ensure(&file).unwrap(), key);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(!format!("{key:?}").contains(key.reveal()));
        fs::write(&file, "short").unwrap();
        assert!(DeployKey::ensure(&file).is_err());
    }

    #[test]
    fn a_seal_holds_for_exactly_what_was_sealed() {
        let key = DeployKey::parse(&"0a".repeat(KEY_BYTES)).unwrap();
        let seal = key.seal(&SEALED);
        assert_eq!(seal, key.seal(&SEALED));
        assert!(key.is_seal(&SEALED, &seal));
        let others = [
            Sealed { fleet: "g", ..SEALED },
            Sealed { app: "b", ..SEALED },
            Sealed { source: "6", ..SEALED },
            Sealed { tree: "8", ..SEALED },
            Sealed { parent: Some("1"), ..SEALED },
        ];
        assert!(others.iter().all(|other| !key.is_seal(other, &seal)));
        let other = DeployKey::parse(&"0b".repeat(KEY_BYTES)).unwrap();
        assert!(!other.is_seal(&SEALED, &seal));
        for wrong in ["", "zz", "0", &seal[1..], &seal.replace(&seal[..2], "é")] {
            assert!(!key.is_seal(&SEALED, wrong), "{wrong}");
        }
    }
}
