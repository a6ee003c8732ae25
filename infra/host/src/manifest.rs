//! What is wanted of a machine: resources, in the order in which they are brought about.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

/// What is wanted of a machine. Sent to `sluice-infra agent converge` over ssh's standard input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// In this order.
    pub resources: Vec<Resource>,
}

/// One thing that should be so. Paths are those of the machine; the root of a local droplet comes before them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Resource {
    /// A package of the distribution is installed. On a machine without root, `program` on the PATH is enough.
    Package {
        /// Its name there.
        name: String,
        /// The program that it brings.
        program: String,
    },
    /// A service that a package brings does not run, and nothing starts it: masked in systemd. Nothing where there is none.
    Masked {
        /// Its name, without `.service`.
        service: String,
    },
    /// A system user exists.
    User {
        /// Its name.
        name: String,
        /// Its home.
        home: String,
    },
    /// A folder exists.
    Folder {
        /// Its path.
        path: String,
        /// Owner; ignored where there is only one user.
        owner: String,
        /// Permissions, e.g. 0o755.
        mode: u32,
    },
    /// A folder holds nothing but these: what was brought there before and is wanted no more goes. Names that begin with `.` stay.
    OnlyFiles {
        /// Its path.
        folder: String,
        /// Names of the files and folders that stay.
        names: BTreeSet<String>,
    },
    /// A file holds this.
    File {
        /// Its path.
        path: String,
        /// What it holds.
        content: Content,
        /// Owner.
        owner: String,
        /// Permissions.
        mode: u32,
    },
    /// A service runs, as this unit says. It is started anew when the unit or one of the files it watches changed.
    Service(ServiceUnit),
    /// A bare repository takes pushes for an app, with our hooks.
    Repository {
        /// The app.
        app: String,
    },
    /// The firewall of the machine lets in these TCP ports from these addresses, and nothing else (nftables).
    Firewall {
        /// Port -> addresses or ranges that may connect; an empty list = everyone.
        tcp: BTreeMap<u16, Vec<String>>,
    },
}

/// What a file holds.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// This text; shown in diffs.
    Text(String),
    /// This text; never shown.
    Secret(String),
    /// The blob of this SHA-256 (hex), which was uploaded before.
    Blob(String),
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Secret(_) => f.write_str("Secret(..)"),
            Self::Blob(digest) => write!(f, "Blob({digest})"),
        }
    }
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceUnit {
    /// Its name, without `.service`.
    pub name: String,
    /// One line for people.
    pub about: String,
    /// Program and arguments; no secret. Paths in them are absolute paths of the machine.
    pub exec: Vec<String>,
    /// Environment; no secret.
    pub env: BTreeMap<String, String>,
    /// File with `NAME=value` lines, for secrets; may be missing.
    pub env_file: Option<String>,
    /// Working folder.
    pub folder: Option<String>,
    /// User that it runs as; ignored where there is only one.
    pub user: String,
    /// Started again when it ends by itself.
    pub restart: bool,
    /// Longest wait for its end after SIGTERM, seconds.
    pub stop_seconds: u32,
    /// Files whose change starts it anew.
    pub restart_on: Vec<String>,
}
