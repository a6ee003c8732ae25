//! What a store URL only points to: passwords in the environment or in files, and the files of TLS.
//!
//! Read anew for each connect, so that a password or a certificate may be replaced while the router runs. Blocks.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use redis::{ClientTlsConfig, TlsCertificates};

use super::url::{Login, Password, TlsFiles, Url};

/// Longest file that is read: a bundle of all roots of a system has 250 KB.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The first line of a certificate in PEM (RFC 7468 section 5.1).
const CERTIFICATE_BEGINS: &str = "-----BEGIN CERTIFICATE-----";

/// Why a password or a certificate cannot be had. Never shows what was read.
#[derive(Debug, thiserror::Error)]
pub enum SecretFault {
    /// The variable is not set, or is not text.
    #[error("the environment variable {0} that the store URL names is not set")]
    Environment(String),
    /// The file cannot be read.
    #[error("cannot read {}, which the store URL names", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file holds no certificate.
    #[error("{} holds no certificate in PEM", .0.display())]
    NotACertificate(PathBuf),
    /// The file is no password.
    #[error("{} is not the file of a password: one line of text", .0.display())]
    NotAPassword(PathBuf),
}

/// User and password as Redis is told.
#[derive(Clone, Default)]
pub(super) struct Account {
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
}

/// Everything that a connect needs beside the address.
#[derive(Clone)]
pub(super) struct Secrets {
    pub(super) redis: Account,
    pub(super) sentinel: Account,
    /// `None` = in the clear.
    pub(super) tls: Option<TlsCertificates>,
}

impl Secrets {
    /// Reads what the URL points to.
    pub(super) fn read(url: &Url) -> Result<Self, SecretFault> {
        Ok(Self {
            redis: account(&url.login)?,
            sentinel: account(&url.sentinel_login)?,
            tls: url.tls.as_ref().map(certificates).transpose()?,
        })
    }
}

fn account(login: &Login) -> Result<Account, SecretFault> {
    let password = match &login.password {
        Password::None => None,
        Password::Text(text) => Some(text.clone()),
        Password::Environment(name) => {
            Some(std::env::var(name).map_err(|_unset| SecretFault::Environment(name.clone()))?)
        }
        Password::File(path) => Some(password(path)?),
    };
    Ok(Account { user: login.user.clone(), password })
}

/// One line; the line end that editors add is none of it.
fn password(path: &Path) -> Result<String, SecretFault> {
    let text = String::from_utf8(bytes(path)?).map_err(|_binary| SecretFault::NotAPassword(path.to_owned()))?;
    let line = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
    if line.is_empty() || line.contains(['\n', '\r']) {
        return Err(SecretFault::NotAPassword(path.to_owned()));
    }
    Ok(line.to_owned())
}

fn certificates(files: &TlsFiles) -> Result<TlsCertificates, SecretFault> {
    let pair = files.pair.as_ref();
    let pair = pair.map(|(cert, key)| Ok(ClientTlsConfig { client_cert: pem(cert)?, client_key: bytes(key)? }));
    let root_cert = files.ca.as_deref().map(pem).transpose()?;
    Ok(TlsCertificates { client_tls: pair.transpose()?, root_cert })
}

/// Certificates. A file of something else would be taken as none of them, and found out at each connect.
fn pem(path: &Path) -> Result<Vec<u8>, SecretFault> {
    let bytes = bytes(path)?;
    let has_one = String::from_utf8_lossy(&bytes).contains(CERTIFICATE_BEGINS);
    if has_one { Ok(bytes) } else { Err(SecretFault::NotACertificate(path.to_owned())) }
}

fn bytes(path: &Path) -> Result<Vec<u8>, SecretFault> {
    let fault = |source| SecretFault::File { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(fault)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(fault(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "longer than 1 MiB")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_one_line_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        for (content, expected) in [("geheim\n", Some("geheim")), ("geheim", Some("geheim")), ("a\r\n", Some("a"))] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(password(&path).ok().as_deref(), expected, "{content:?}");
        }
        for content in [&b""[..], b"\n", b"a\nb\n", b"\xff\n"] {
            std::fs::write(&path, content).unwrap();
            let fault = password(&path).unwrap_err();
            assert!(matches!(fault, SecretFault::NotAPassword(_)), "{content:?}: {fault}");
        }
    }

    #[test]
    fn files_are_bounded_and_missing_ones_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        assert!(bytes(&path).unwrap_err().to_string().contains("ca.pem"));
        let most = usize::try_from(FILE_BYTES_MAX).unwrap();
        std::fs::write(&path, vec![b'x'; most]).unwrap();
        assert_eq!(bytes(&path).unwrap().len(), most);
        std::fs::write(&path, vec![b'x'; most + 1]).unwrap();
        assert!(matches!(bytes(&path), Err(SecretFault::File { .. })));
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        let login = Login { user: None, password: Password::Environment("SLUICE_NO_SUCH_VARIABLE".into()) };
        let fault = account(&login).err().unwrap();
        assert!(fault.to_string().contains("SLUICE_NO_SUCH_VARIABLE"));
    }
}
