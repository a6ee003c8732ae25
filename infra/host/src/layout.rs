//! Where things are on a machine. Everything stands below a root: `/`, or the folder of a local droplet.

use std::path::{Path, PathBuf};

/// Environment variable with the root; unset = `/`.
pub const ROOT_VARIABLE: &str = "SLUICE_ROOT";

/// Where things are on a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Below this root.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Of the machine that this process runs on.
    #[must_use]
    pub fn of_this_machine() -> Self {
        Self::new(std::env::var_os(ROOT_VARIABLE).unwrap_or_else(|| "/".into()))
    }

    /// An absolute path of the machine, below the root.
    #[must_use]
    pub fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The agent's configuration: [`crate::AgentConfig`].
    #[must_use]
    pub fn agent_config(&self) -> PathBuf {
        self.at("/etc/sluice/agent.json")
    }

    /// Secrets, mode 0600: [`crate::AgentSecrets`].
    #[must_use]
    pub fn secrets(&self) -> PathBuf {
        self.at("/etc/sluice/secrets.json")
    }

    /// Address and port of Redis, as a text file that any program reads: `SLUICE_REDIS_ADDRESS=..`, `SLUICE_REDIS_PORT=..`.
    #[must_use]
    pub fn redis_text(&self) -> PathBuf {
        self.at("/etc/sluice/redis.env")
    }

    /// Programs that we bring: `sluice`, `sluice-infra`.
    #[must_use]
    pub fn programs(&self) -> PathBuf {
        self.at("/opt/sluice/bin")
    }

    /// Large files on their way to their place, named by their SHA-256.
    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        self.at("/var/lib/sluice/blobs")
    }

    /// What runs, per app: [`crate::Releases`].
    #[must_use]
    pub fn releases_state(&self, app: &str) -> PathBuf {
        self.at("/var/lib/sluice/releases").join(format!("{app}.json"))
    }

    /// The bare repository that a pipeline pushes to.
    #[must_use]
    pub fn repository(&self, app: &str) -> PathBuf {
        self.at("/srv/sluice").join(app).join("repository.git")
    }

    /// Unpacked releases, one folder each, named by the commit.
    #[must_use]
    pub fn releases(&self, app: &str) -> PathBuf {
        self.at("/srv/sluice").join(app).join("releases")
    }

    /// What outlives releases.
    #[must_use]
    pub fn shared(&self, app: &str) -> PathBuf {
        self.at("/srv/sluice").join(app).join("shared")
    }

    /// Logs of services, where no journal keeps them: `NAME.log`.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.at("/var/log/sluice")
    }
}
