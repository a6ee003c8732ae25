//! What fleets of several tests have in common: the routers' folder, one route to an app, where Redis has its password from.

use anyhow::{Context, Result};
use sluice_tests::fleet::{Fleet, FleetDroplet};

/// As `sluice-infra init` writes it.
const PROCESS: &str = include_str!("../../infra/src/commands/init/sluice.toml");
/// The end of each infra.toml.
const REST: &str = r#"
[router]
folder = "router"

[redis]
password = { env = "SLUICE_REDIS_PASSWORD" }
"#;
pub(crate) const ROUTES: &str = r#"
[upstreams.stable]
discover = { app = "APP", variant = "stable" }

[[routes]]
name = "servers"
match = { path = { exact = "/listservers" } }
to = { builtin = "servers" }

[[routes]]
name = "app"
match = { path = { prefix = "/" } }
to = "stable"
"#;

/// A fleet whose routers send everything to the stable servers of this app.
pub(crate) fn fleet(infra: &str, app: &str, password: &str) -> Result<Fleet> {
    let fleet = Fleet::new(&format!("{infra}{REST}"))?.env("SLUICE_REDIS_PASSWORD", password);
    fleet.write("router/sluice.toml", PROCESS)?;
    fleet.write("router/routes.d/app.toml", &ROUTES.replace("APP", app))?;
    Ok(fleet)
}

/// The only droplet of a pool.
pub(crate) fn only(fleet: &Fleet, pool: &str) -> Result<FleetDroplet> {
    fleet.pool(pool)?.pop().with_context(|| format!("no droplet of {pool}"))
}
