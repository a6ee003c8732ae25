//! The mailbox of the story: a real mail server on this machine (aiosmtpd with STARTTLS), which keeps what it takes in a
//! Maildir.

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sluice_plugin_build::{apt, process};

use crate::demo::child::Child;
use crate::demo::interrupts::Interrupts;
use crate::say::Say;
use crate::smtp;
use crate::workspace::Workspace;

/// For the server to come up.
const START_MAX: Duration = Duration::from_secs(60);
/// Days that its certificate is good for.
const DAYS: &str = "2";

/// A mail server and its mailbox.
pub(super) struct Mailbox {
    address: SocketAddr,
    folder: PathBuf,
}

impl Mailbox {
    /// File of the certificate, to be trusted by who sends mail.
    pub(super) const CERTIFICATE: &str = "mail-ca.pem";

    /// Starts one that machines reach at `host`.
    pub(super) fn start(
        workspace: &Workspace,
        folder: &Path,
        host: IpAddr,
        interrupts: &Interrupts,
    ) -> Result<(Self, Child)> {
        let python = smtp::python(workspace)?;
        if process::find_on_path("openssl").is_none() {
            apt::install(&["openssl"], &Say)
                .context("install openssl, which makes the certificate of the mail server")?;
        }
        let (certificate, key) = (folder.join(Self::CERTIFICATE), folder.join("mail.key"));
        let mut openssl = Command::new("openssl");
        openssl.args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            DAYS,
        ]);
        openssl.args(["-subj", "/CN=mailbox", "-addext", &format!("subjectAltName=IP:{host}")]);
        // The certificate of a server, not of an authority: a client refuses one that is both.
        openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate);
        process::run(&mut openssl).context("make a certificate for the mail server")?;
        // The server cannot say which port it took, so a free one is looked for and left again.
        let address = TcpListener::bind((host, 0)).and_then(|listener| listener.local_addr());
        let address = address.with_context(|| format!("find a free port of {host}"))?;
        let mail = folder.join("mail");
        let mut command = Command::new(python);
        command.args(["-m", "aiosmtpd", "--nosetuid", "--listen", &address.to_string()]);
        command.arg("--tlscert").arg(&certificate).arg("--tlskey").arg(&key);
        command.args(["--class", "aiosmtpd.handlers.Mailbox"]).arg(&mail);
        let mut process = Child::start("mailbox", command, "", folder)?;
        interrupts.wait("the mail server", START_MAX, || {
            if let Some(status) = process.ended()? {
                bail!("{}", process.obituary(status));
            }
            Ok(TcpStream::connect(address).is_ok().then_some(()))
        })?;
        Ok((Self { address, folder: mail }, process))
    }

    /// The lines of `sluice.toml` that have alerts told here.
    pub(super) fn sink(&self) -> String {
        let Self { address, .. } = self;
        format!(
            "\n[alerts.sinks.mail]\nsmtp = {{ host = \"{}\", port = {}, encryption = \"starttls\", ca_file = \"{}\", \
             from = \"Sluice <sluice@example.org>\", to = [\"ops@example.org\"] }}\n",
            address.ip(),
            address.port(),
            Self::CERTIFICATE
        )
    }

    /// The subject of a mail that has this text in its subject, once one came.
    pub(super) fn subject(&self, text: &str) -> Result<Option<String>> {
        for mail in self.mails()? {
            let subject =
                mail.lines().find_map(|line| line.strip_prefix("Subject: ").or_else(|| line.strip_prefix("subject: ")));
            if let Some(subject) = subject.filter(|subject| subject.contains(text)) {
                return Ok(Some(subject.trim().to_owned()));
            }
        }
        Ok(None)
    }

    fn mails(&self) -> Result<Vec<String>> {
        let folder = self.folder.join("new");
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let entries = fs::read_dir(&folder).context("look into the mailbox")?;
        let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        files.sort();
        files.iter().map(|file| fs::read_to_string(file).with_context(|| format!("read {}", file.display()))).collect()
    }
}
