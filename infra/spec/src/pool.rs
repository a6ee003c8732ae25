//! Pools: droplets of one kind.

use serde::Serialize;

use crate::scale::ScaleSpec;

/// Droplets of one kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pool {
    /// Its name, unique; part of host names.
    pub name: String,
    /// What runs on each droplet; one droplet may be router and Redis.
    pub roles: Vec<Role>,
    /// Slug of the size, e.g. `s-1vcpu-1gb`.
    pub size: String,
    /// How many droplets, as long as `scale` says nothing.
    pub count: u32,
    /// The app, if [`Role::App`] is among the roles.
    pub app: Option<String>,
    /// Its variant: `stable`, `canary`.
    pub variant: Option<String>,
    /// How the number of droplets follows load; `None` = it is `count`.
    pub scale: Option<ScaleSpec>,
}

/// What runs on a droplet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// `sluice`.
    Router,
    /// The Redis of the fleet; exactly one pool with one droplet has it.
    Redis,
    /// Releases of an app.
    App,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Router, Self::Redis, Self::App];

    /// As it is written in the file and in tags.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Router => "router",
            Self::Redis => "redis",
            Self::App => "app",
        }
    }
}
