//! The cloud that infra.toml names, opened; and what its droplets begin with.

use std::sync::Arc;

use anyhow::Context as _;
use sluice_infra_cloud::{Cloud, DigitalOcean, DigitalOceanSettings, LocalCloud, LocalNetwork, LocalSettings};
use sluice_infra_plan::plan::UserData;
use sluice_infra_spec::{CloudSpec, Spec};

use crate::context::Context;

/// Folder of the local cloud, in the folder of state.
const LOCAL: &str = "local";
/// What a simulator is told: it takes any token that is not empty.
const SIMULATOR_TOKEN: &str = "simulator";

/// The cloud of this fleet.
///
/// # Errors
/// If there is no token, or this machine cannot.
pub(crate) async fn open(context: &Context, spec: &Spec) -> anyhow::Result<Arc<dyn Cloud>> {
    Ok(match &spec.cloud {
        CloudSpec::Local => {
            let program = std::env::current_exe().context("find this program's own file")?;
            let folder = std::path::absolute(context.state_folder().join(LOCAL)).context("find the current folder")?;
            let settings = LocalSettings { folder, program, network: LocalNetwork::Auto };
            Arc::new(LocalCloud::open(settings).await?)
        }
        CloudSpec::Simulator { .. } | CloudSpec::DigitalOcean { .. } => {
            Arc::new(digitalocean(context, spec)?.context("find the address of the cloud")?)
        }
    })
}

/// The client of DigitalOcean's API, where the cloud speaks it.
///
/// # Errors
/// If there is no token, or it cannot be one.
pub(crate) fn digitalocean(context: &Context, spec: &Spec) -> anyhow::Result<Option<DigitalOcean>> {
    Ok(match &spec.cloud {
        CloudSpec::Local => None,
        CloudSpec::Simulator { url } => Some(DigitalOcean::simulator(url.clone(), SIMULATOR_TOKEN.to_owned())?),
        CloudSpec::DigitalOcean { url, token } => {
            let token = context.secret(spec, token).context("read the token of DigitalOcean")?.expose().to_owned();
            Some(DigitalOcean::new(DigitalOceanSettings { url: url.clone(), token })?)
        }
    })
}

/// What the droplets of each pool begin with: who may log in. Everything else comes over ssh, where it can be changed.
pub(crate) fn user_data(spec: &Spec, public_key: &str) -> UserData {
    let users = serde_json::json!({ "users": [{ "name": "root", "ssh_authorized_keys": [public_key] }] });
    // JSON is YAML: cloud-init reads it as it is.
    let text = format!("#cloud-config\n{users}\n");
    spec.pools.iter().map(|pool| (pool.name.clone(), text.clone())).collect()
}
