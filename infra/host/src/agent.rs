//! What the programs of ours on a machine are told of it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use sluice_infra_spec::App;
use sluice_infra_spec::Role;

/// `agent.json`. Holds no secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentConfig {
    /// The fleet: `edge` of the store's keys.
    pub fleet: String,
    /// Name of this droplet.
    pub droplet: String,
    /// Its pool.
    pub pool: String,
    /// Roles of this machine.
    pub roles: Vec<Role>,
    /// Slug of its size, e.g. `s-1vcpu-1gb`.
    #[serde(default)]
    pub size: String,
    /// Its private address: what it listens on and advertises.
    pub address: IpAddr,
    /// Port of its metrics, on that address.
    pub metrics_port: u16,
    /// Where Redis is.
    pub redis_address: IpAddr,
    /// Its port.
    pub redis_port: u16,
    /// The app whose releases run here, if any.
    pub app: Option<App>,
    /// Its variant.
    pub variant: Option<String>,
    /// What the router of this machine counts, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<TrafficSource>,
}

/// Where a router tells what it counted, and whose requests these are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficSource {
    /// Its admin port, on the loopback of its machine.
    pub admin: SocketAddr,
    /// Those that it sends requests to.
    pub apps: Vec<AppSeries>,
}

/// What a router's metrics call the servers of one variant of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppSeries {
    /// The app.
    pub app: String,
    /// The variant.
    pub variant: String,
    /// Upstreams that discover them.
    pub upstreams: Vec<String>,
    /// Routes, and variants as the router's metrics name them, whose requests go there.
    pub routes: Vec<(String, String)>,
}

/// `secrets.json`. Brought over ssh's standard input, never in user-data or argv.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSecrets {
    /// Password of the user of Redis that this machine is.
    pub redis_password: String,
    /// That user.
    pub redis_user: String,
    /// Password of the user of Redis that the app's own data belongs to: `data-APP`.
    #[serde(default)]
    pub app_password: Option<String>,
    /// Deploy key of the fleet (`DeployKey::reveal`): what releases are sealed with. Without it none is taken here.
    #[serde(default)]
    pub deploy_key: Option<String>,
}

impl fmt::Debug for AgentSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AgentSecrets(..)")
    }
}

impl AgentConfig {
    /// URL of the store, with the password: never log it, never put it into argv.
    #[must_use]
    pub fn redis_url(&self, secrets: &AgentSecrets) -> String {
        self.url_of(&secrets.redis_user, &secrets.redis_password)
    }

    /// URL of the app's own data, with the password; that of the store where the app has no user of its own.
    #[must_use]
    pub fn app_redis_url(&self, secrets: &AgentSecrets) -> String {
        match (&self.app, &secrets.app_password) {
            (Some(app), Some(password)) => self.url_of(&format!("data-{}", app.name), password),
            _ => self.redis_url(secrets),
        }
    }

    fn url_of(&self, user: &str, password: &str) -> String {
        let host = match self.redis_address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        // Letters and digits only (checked where secrets are read), so nothing needs to be escaped.
        format!("redis://{user}:{password}@{host}:{}", self.redis_port)
    }
}
