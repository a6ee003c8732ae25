//! What the init of a droplet boots from: its folders, its sshd, its user-data.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::book::Record;
use super::folder::read;
use super::power;
use super::program::{file_fault, find};
use super::user_data::UserData;
use crate::error::CloudError;

/// There while the droplet is on and its sshd answers.
pub(super) const READY_FILE: &str = "ready";
/// Folders that a machine has from the beginning.
const FOLDERS: [&str; 11] = [
    "etc/ssh",
    "etc/sluice",
    "opt/sluice/bin",
    "root",
    "run/sluice",
    "srv/sluice",
    "tmp",
    "usr/local/bin",
    "var/lib/sluice",
    "var/lib/cloud/instance",
    "var/log/sluice",
];
/// Where sshd separates its rights; it will not start as root without (compiled in, Debian).
const PRIVILEGE_FOLDER: &str = "/run/sshd";

/// A droplet, as its init sees it.
#[derive(Debug)]
pub struct Machine {
    folder: PathBuf,
    record: Record,
}

impl Machine {
    /// Of the droplet in this folder.
    ///
    /// # Errors
    /// [`CloudError::Machine`] if there is none.
    pub fn open(folder: &Path) -> Result<Self, CloudError> {
        let record = read(&folder.join("droplet.json"))?;
        let record = record
            .ok_or_else(|| CloudError::Machine { message: format!("there is no droplet in {}", folder.display()) })?;
        Ok(Self { folder: folder.to_owned(), record })
    }

    /// What stands before every path of it.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// Where its sshd listens.
    #[must_use]
    pub fn ssh_address(&self) -> SocketAddr {
        (self.record.address, self.record.ssh_port).into()
    }

    /// What its services and whoever logs in find in their environment, beside `SLUICE_ROOT`.
    #[must_use]
    pub fn environment(&self) -> BTreeMap<String, String> {
        let root = self.root();
        let own = ["opt/sluice/bin", "usr/local/bin"].map(|folder| root.join(folder));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let joined = std::env::join_paths(own.into_iter().chain(std::env::split_paths(&path)));
        let text = |value: OsString| value.to_string_lossy().into_owned();
        let mut environment = BTreeMap::from([
            ("HOME".to_owned(), root.join("root").to_string_lossy().into_owned()),
            ("PATH".to_owned(), text(joined.unwrap_or(path))),
            ("USER".to_owned(), self.record.user.clone()),
        ]);
        environment.extend(std::env::var_os("LANG").map(|lang| ("LANG".to_owned(), text(lang))));
        environment
    }

    /// Makes its folders, carries out its user-data at its first boot, and writes what sshd needs: returns its command.
    ///
    /// # Errors
    /// [`CloudError::Machine`] if a file cannot be written, a program is missing, or the user-data makes no sense.
    pub fn prepare(&self) -> Result<Vec<String>, CloudError> {
        let root = self.root();
        let fault = |error: io::Error| file_fault("prepare", &root, &error);
        // As on any machine, nothing in /run outlives a boot.
        match std::fs::remove_dir_all(root.join("run")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fault(error)),
            _ => {}
        }
        for folder in FOLDERS {
            std::fs::create_dir_all(root.join(folder)).map_err(fault)?;
        }
        std::fs::write(root.join("etc/hostname"), format!("{}\n", self.record.wanted.name)).map_err(fault)?;
        let nonsense = |message: String| CloudError::Machine { message: format!("user-data: {message}") };
        let user_data = UserData::parse(&self.record.wanted.user_data).map_err(nonsense)?;
        let finished = root.join("var/lib/cloud/instance/boot-finished");
        if !finished.exists() {
            for file in user_data.files() {
                let file = file.map_err(nonsense)?;
                write_private(&root.join(&file.path), file.content, file.mode).map_err(fault)?;
            }
            std::fs::write(&finished, "").map_err(fault)?;
        }
        self.prepare_sshd(&user_data)
    }

    fn prepare_sshd(&self, user_data: &UserData) -> Result<Vec<String>, CloudError> {
        let folder = self.root().join("etc/ssh");
        let fault = |error: io::Error| file_fault("prepare", &folder, &error);
        let keys = self.record.authorized_keys.iter().map(String::as_str).chain(user_data.keys());
        // A line each: a key with a line end in it would be two.
        let lines: String = keys.map(|key| format!("{}\n", key.replace(['\n', '\r'], " "))).collect();
        write_private(&folder.join("authorized_keys"), &lines, 0o600).map_err(fault)?;
        let host_key = folder.join("ssh_host_ed25519_key");
        if !host_key.exists() {
            let mut keygen = Command::new(program("ssh-keygen", "SLUICE_SSH_KEYGEN", "openssh-client")?);
            let status = keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", &self.record.wanted.name, "-f"]);
            let status = status.arg(&host_key).status().map_err(fault)?;
            if !status.success() {
                return Err(CloudError::Machine { message: format!("ssh-keygen ended with {status}") });
            }
        }
        let sshd = program("sshd", "SLUICE_SSHD", "openssh-server")?;
        let config = folder.join("sshd_config");
        write_private(&config, &self.sshd_config(&folder), 0o600).map_err(fault)?;
        if rustix::process::geteuid().is_root() {
            std::fs::create_dir_all(PRIVILEGE_FOLDER).map_err(fault)?;
        }
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut command = vec![text(&sshd), "-D".into(), "-e".into(), "-f".into(), text(&config)];
        // OpenSSH 9.8 makes an address wait that connects without logging in, and everybody here has the same one; older
        // ones do not know the word.
        const NO_PENALTIES: &str = "-oPerSourcePenalties=no";
        let known = Command::new(&sshd).args(["-t", NO_PENALTIES, "-f"]).arg(&config).output().map_err(fault)?;
        if known.status.success() {
            command.push(NO_PENALTIES.into());
        }
        Ok(command)
    }

    fn sshd_config(&self, folder: &Path) -> String {
        let address = self.ssh_address();
        let path = |name: &str| quoted(&folder.join(name).to_string_lossy().replace('%', "%%"));
        let mut environment = self.environment();
        environment.insert("SLUICE_ROOT".into(), self.root().to_string_lossy().into_owned());
        let pairs: Vec<String> = environment.iter().map(|(name, value)| quoted(&format!("{name}={value}"))).collect();
        // An account without a password is locked to all who do not ask PAM.
        let pam = if is_locked(&self.record.user) { "yes" } else { "no" };
        format!(
            "ListenAddress {address}\n\
             HostKey {host_key}\n\
             AuthorizedKeysFile {authorized_keys}\n\
             AllowUsers {user}\n\
             PermitRootLogin prohibit-password\n\
             PasswordAuthentication no\n\
             KbdInteractiveAuthentication no\n\
             UsePAM {pam}\n\
             StrictModes no\n\
             PermitUserRC no\n\
             PidFile none\n\
             PrintMotd no\n\
             UseDNS no\n\
             MaxStartups 100\n\
             MaxSessions 100\n\
             SetEnv {pairs}\n",
            host_key = path("ssh_host_ed25519_key"),
            authorized_keys = path("authorized_keys"),
            user = self.record.user,
            pairs = pairs.join(" "),
        )
    }

    /// Ends everything that runs in it but this process, at once.
    pub fn cut_power(&self) {
        power::cut(&self.root());
    }

    /// Says that its sshd answers: the droplet is active from now on.
    ///
    /// # Errors
    /// [`CloudError::Machine`] if that cannot be written.
    pub fn is_ready(&self) -> Result<(), CloudError> {
        let path = self.folder.join(READY_FILE);
        std::fs::write(&path, "").map_err(|error| file_fault("write", &path, &error))
    }
}

fn program(name: &str, variable: &str, package: &str) -> Result<PathBuf, CloudError> {
    let message = format!("the program `{name}` is missing (Debian: package {package})");
    find(name, variable).ok_or(CloudError::Machine { message })
}

/// Between double quotes, as sshd_config(5) wants arguments that contain spaces.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// True if the account of a user is locked; only root can tell.
fn is_locked(user: &str) -> bool {
    let Ok(shadow) = std::fs::read_to_string("/etc/shadow") else { return false };
    shadow.lines().filter_map(|line| line.split_once(':')).any(|(name, rest)| name == user && rest.starts_with('!'))
}

fn write_private(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = std::fs::File::options().create(true).truncate(true).write(true).mode(mode).open(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())
}
