//! A machine over the system's `ssh`: one connection that commands share, bounded in time and in what it takes in.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use tempfile::TempDir;
use tokio::io::AsyncRead;
use tokio::process::Command;

use super::quote::{command_line, quoted};
use super::{Output, Remote, RemoteError, upload};
use crate::child::{converse, last_line};
use crate::layout::Layout;

/// Longest wait for a connection.
const CONNECT_SECONDS: u32 = 10;
/// A connection that is silent is asked for a sign of life so often ...
const ALIVE_SECONDS: u32 = 5;
/// ... and given up after so many that stay without an answer.
const ALIVE_COUNT: u32 = 3;
/// The shared connection stays open so long after the last command.
const SHARED_SECONDS: u32 = 10;
/// Longest that one command may take: packages of a slow mirror are installed by one.
const COMMAND_TIME_MAX: Duration = Duration::from_secs(15 * 60);
/// What ssh itself ends with when it did not get through (ssh(1), EXIT STATUS).
const SSH_FAILED: i32 = 255;

/// How a machine is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshSettings {
    /// Name of the droplet: what its host key is remembered by. Addresses are given to other machines later, names are not.
    pub name: String,
    /// Address.
    pub host: String,
    /// Port of its sshd.
    pub port: u16,
    /// User.
    pub user: String,
    /// What stands before every path there; empty = `/`.
    pub root: PathBuf,
    /// Private key.
    pub identity: PathBuf,
    /// Host keys that were seen before: a new one is added, a different one is refused.
    pub known_hosts: PathBuf,
}

/// A machine over the system's `ssh`. Commands may run at the same time; dropping a call ends its ssh.
#[derive(Debug)]
pub struct Ssh {
    settings: SshSettings,
    layout: Layout,
    /// Holds the socket of the shared connection; only we can enter it.
    sockets: TempDir,
}

impl Ssh {
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// If the name or the address are none, or no folder for the shared connection can be made.
    pub fn new(settings: SshSettings) -> Result<Self, RemoteError> {
        let away = |message: &str| RemoteError::Away { host: settings.name.clone(), message: message.to_owned() };
        let is_word = |text: &str| {
            let fits = |letter: char| letter.is_ascii_alphanumeric() || "._:-".contains(letter);
            !text.is_empty() && !text.starts_with('-') && text.chars().all(fits)
        };
        if !is_word(&settings.name) || !is_word(&settings.host) || !is_word(&settings.user) {
            return Err(away("its name, address or user is not one that ssh can be given"));
        }
        let sockets = tempfile::Builder::new().prefix("sluice-ssh-").tempdir();
        let sockets = sockets.map_err(|error| away(&format!("no folder for its connection: {error}")))?;
        let root = if settings.root.as_os_str().is_empty() { Path::new("/") } else { settings.root.as_path() };
        Ok(Self { layout: Layout::new(root), sockets, settings })
    }

    /// How it is reached.
    #[must_use]
    pub const fn settings(&self) -> &SshSettings {
        &self.settings
    }

    /// Options of ssh for this machine, without the destination; also good for `git push`, see [`Self::git_command`].
    #[must_use]
    pub fn options(&self) -> Vec<String> {
        let settings = &self.settings;
        let option = |name: &str, value: &str| ["-o".to_owned(), format!("{name}={value}")];
        // Quoted, because ssh takes the value apart at spaces.
        let path = |path: &Path| format!("\"{}\"", path.display());
        let mut options = vec!["-F".to_owned(), "none".to_owned(), "-T".to_owned()];
        for (name, value) in [
            ("BatchMode", "yes".to_owned()),
            ("IdentitiesOnly", "yes".to_owned()),
            ("IdentityFile", path(&settings.identity)),
            ("StrictHostKeyChecking", "accept-new".to_owned()),
            ("UserKnownHostsFile", path(&settings.known_hosts)),
            ("GlobalKnownHostsFile", "/dev/null".to_owned()),
            ("HostKeyAlias", settings.name.clone()),
            ("CheckHostIP", "no".to_owned()),
            ("ConnectTimeout", CONNECT_SECONDS.to_string()),
            ("ServerAliveInterval", ALIVE_SECONDS.to_string()),
            ("ServerAliveCountMax", ALIVE_COUNT.to_string()),
            ("ControlMaster", "auto".to_owned()),
            ("ControlPath", path(&self.sockets.path().join("socket"))),
            ("ControlPersist", SHARED_SECONDS.to_string()),
            ("LogLevel", "ERROR".to_owned()),
            ("Port", settings.port.to_string()),
            ("User", settings.user.clone()),
        ] {
            options.extend(option(name, &value));
        }
        options
    }

    /// The value of `GIT_SSH_COMMAND` that makes git reach this machine. Remotes are `HOST:PATH` (port and user are in it).
    #[must_use]
    pub fn git_command(&self) -> String {
        format!("ssh {}", command_line(&self.options()))
    }

    /// An ssh that runs this there, its streams not set yet: for what follows output for long, e.g. a log.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("ssh");
        command.args(self.options()).arg("--").arg(&self.settings.host).arg(self.line(arguments)).kill_on_drop(true);
        command
    }

    /// What the shell there reads. The root goes along, so that programs of ours find it whatever sshd sets.
    #[must_use]
    pub fn line(&self, arguments: &[&str]) -> OsString {
        let words = command_line(arguments);
        if self.layout.root() == Path::new("/") {
            return words.into();
        }
        let root = quoted(&self.layout.root().display().to_string());
        format!("{}={root} {words}", crate::layout::ROOT_VARIABLE).into()
    }

    fn away(&self, message: impl Into<String>) -> RemoteError {
        RemoteError::Away { host: self.settings.name.clone(), message: message.into() }
    }

    /// Runs this with what is read from `input` on its standard input.
    pub(super) async fn run_fed(
        &self,
        arguments: &[&str],
        input: &mut (dyn AsyncRead + Send + Unpin),
    ) -> Result<Output, RemoteError> {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|error| self.away(format!("ssh does not start: {error}")))?;
        let outcome = tokio::time::timeout(COMMAND_TIME_MAX, converse(child, input)).await;
        let output = match outcome {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => return Err(self.away(format!("ssh broke off: {error}"))),
            Err(_elapsed) => {
                let command = shown(arguments);
                return Err(self.away(format!("`{command}` takes longer than {} s", COMMAND_TIME_MAX.as_secs())));
            }
        };
        if output.status == SSH_FAILED {
            return Err(self.away(last_line(&output.stderr)));
        }
        Ok(output)
    }

    /// What a command that must go well left.
    pub(super) fn succeeded(&self, arguments: &[&str], output: Output) -> Result<Output, RemoteError> {
        if output.status == 0 {
            return Ok(output);
        }
        Err(RemoteError::Failed {
            host: self.settings.name.clone(),
            command: shown(arguments),
            status: output.status,
            stderr: last_line(&output.stderr),
        })
    }
}

/// Program and first argument: enough to know it again.
fn shown(arguments: &[&str]) -> String {
    arguments.iter().take(2).copied().collect::<Vec<_>>().join(" ")
}

#[async_trait]
impl Remote for Ssh {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn layout(&self) -> &Layout {
        &self.layout
    }

    async fn run(&self, arguments: &[&str], mut stdin: &[u8]) -> Result<Output, RemoteError> {
        self.run_fed(arguments, &mut stdin).await
    }

    async fn upload(&self, file: &Path, sha256: &str) -> Result<bool, RemoteError> {
        upload::upload(self, file, sha256).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> SshSettings {
        SshSettings {
            name: "fleet-app-abcdef".into(),
            host: "127.0.0.1".into(),
            port: 1,
            user: "root".into(),
            root: PathBuf::new(),
            identity: "/no such/key".into(),
            known_hosts: "/no such/hosts".into(),
        }
    }

    #[tokio::test]
    async fn a_machine_that_does_not_answer_is_away() {
        let ssh = Ssh::new(settings()).unwrap();
        assert_eq!(ssh.layout().root(), Path::new("/"));
        let error = ssh.run(&["true"], b"").await.unwrap_err();
        assert!(
            matches!(&error, RemoteError::Away { host, message } if host == "fleet-app-abcdef" && message.contains("refused")),
            "{error}"
        );
    }

    #[test]
    fn an_address_is_never_an_option_of_ssh() {
        for host in ["-oProxyCommand=reboot", "", "a b", "a;b"] {
            let hostile = SshSettings { host: host.into(), ..settings() };
            assert!(matches!(Ssh::new(hostile), Err(RemoteError::Away { .. })), "{host}");
        }
    }
}
