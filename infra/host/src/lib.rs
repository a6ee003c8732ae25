//! One machine: how it is reached over ssh, what is wanted of it (a [`Manifest`]), and how it is brought there.
//!
//! Operator's side: [`remote`]. Droplet's side: `converge` (resources: check -> diff -> apply, so dry-run and drift come
//! free) over an [`init`] (systemd, or our own supervisor on the local cloud). [`layout`] says where things are.

pub mod agent;
pub mod attestation;
mod child;
pub mod converge;
pub mod init;
pub mod layout;
pub mod manifest;
pub mod remote;
pub mod running;
pub mod supervisor;
pub mod systemd;
mod unit;

pub use agent::{AgentConfig, AgentSecrets, AppSeries, TrafficSource};
pub use attestation::{DEPLOY_KEY_FILE, DeployKey, Sealed};
pub use init::{Init, InitError, ServiceStatus};
pub use layout::Layout;
pub use manifest::{Content, Manifest, Resource, ServiceUnit};
pub use remote::{Output, Remote, RemoteError, Ssh, SshSettings};
pub use running::{Locked, Outcome, Releases, Running, Standing};
pub use supervisor::Supervisor;
pub use systemd::Systemd;
