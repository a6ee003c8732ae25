//! The whole fleet.

use serde::Serialize;

use crate::app::App;
use crate::pool::{Pool, Role};
use crate::secret::Secret;
use crate::watch::MetricRule;

/// What one `infra.toml` says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spec {
    /// Prefix of all names and tags; also the `edge` of the store's keys. Lower-case letters, digits and `-`: it becomes part of host names (RFC 1123
    /// section 2.1).
    pub fleet: String,
    /// Where droplets come from.
    pub cloud: CloudSpec,
    /// Slug of the region, e.g. `fra1`.
    pub region: String,
    /// Slug of the image, e.g. `debian-13-x64`.
    pub image: String,
    /// Most that the fleet may cost in a month, in US cents; `None` = no cap.
    pub monthly_cents_max: Option<u64>,
    /// Pools, by name.
    pub pools: Vec<Pool>,
    /// Apps, by name.
    pub apps: Vec<App>,
    /// The routers.
    pub router: RouterSpec,
    /// The Redis that they share.
    pub redis: RedisSpec,
    /// What is worth an alert, by name.
    pub rules: Vec<MetricRule>,
    /// Port of the metrics of each machine, on its private address: 9100, that of node_exporter.
    pub metrics_port: u16,
    /// Where secrets of `{ age = "NAME" }` stand; `None` = no secret is of that kind.
    pub age: Option<AgeFile>,
}

impl Spec {
    /// The pool of this name.
    #[must_use]
    pub fn pool(&self, name: &str) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.name == name)
    }

    /// The app of this name.
    #[must_use]
    pub fn app(&self, name: &str) -> Option<&App> {
        self.apps.iter().find(|app| app.name == name)
    }

    /// Pools with this role.
    pub fn pools_of(&self, role: Role) -> impl Iterator<Item = &Pool> {
        self.pools.iter().filter(move |pool| pool.roles.contains(&role))
    }
}

/// Where droplets come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum CloudSpec {
    /// Processes of this machine.
    Local,
    /// `sluice-infra sim serve`, at this address.
    Simulator {
        /// `http://HOST:PORT` of its API.
        url: String,
    },
    /// DigitalOcean.
    DigitalOcean {
        /// The API; another one only for tests.
        url: String,
        /// The token.
        token: Secret,
    },
}

/// Routers: what runs on the machines with the role [`Role::Router`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouterSpec {
    /// Folder beside `infra.toml` with `sluice.toml`, `routes.d` and `plugins.d`; brought to every router as it is.
    pub folder: String,
    /// Port of the edge: open to the world.
    pub edge_port: u16,
    /// Port of the admin API, on loopback of the router.
    pub admin_port: u16,
}

/// Redis: what runs on the machine with the role [`Role::Redis`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RedisSpec {
    /// Port, on the private address.
    pub port: u16,
    /// Password of all users of it.
    pub password: Secret,
}

/// A file encrypted with age: JSON, names to texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgeFile {
    /// The encrypted file, beside `infra.toml`.
    pub file: String,
    /// File with the identity that opens it.
    pub identity: String,
}
