//! What every machine has: our agent, what it is told, where Redis is; and what a machine with releases has beside that.

use std::collections::BTreeMap;

use sluice_infra_host::{AgentConfig, Content, Resource, ServiceUnit, TrafficSource};
use sluice_infra_spec::Pool;

use super::{CLOSED, EXECUTABLE, OPEN, ROOT, STOP_SECONDS, USER, file, folder};
use crate::machine::{FleetFiles, Machine, Needs, Peers};

/// Our program, on a machine.
const AGENT: &str = "/opt/sluice/bin/sluice-infra";

pub(crate) fn common(
    fleet: &FleetFiles,
    pool: &Pool,
    machine: &Machine,
    peers: Peers,
    traffic: Option<TrafficSource>,
    needs: &mut Needs,
) {
    needs.add(Resource::User { name: USER.to_owned(), home: "/srv/sluice".to_owned() });
    for path in ["/etc/sluice", "/opt/sluice/bin", "/var/lib/sluice", "/var/log/sluice", "/srv/sluice"] {
        needs.add(folder(path, ROOT, EXECUTABLE));
    }
    let (agent, digest) = &fleet.agent;
    needs.add_blob(AGENT, agent, digest, EXECUTABLE);
    let config = AgentConfig { traffic, ..fleet.agent_config(pool, machine, peers) };
    let config = serde_json::to_string_pretty(&config).unwrap_or_default();
    needs.add(file("/etc/sluice/agent.json", Content::Text(config + "\n"), ROOT, OPEN));
    let secrets = serde_json::to_string(&fleet.agent_secrets(pool)).unwrap_or_default();
    needs.add(file("/etc/sluice/secrets.json", Content::Secret(secrets + "\n"), ROOT, CLOSED));
    let redis = format!(
        "# Where the global store of the fleet is.\nSLUICE_REDIS_ADDRESS={}\nSLUICE_REDIS_PORT={}\n",
        peers.redis, fleet.spec.redis.port
    );
    needs.add(file("/etc/sluice/redis.env", Content::Text(redis), ROOT, OPEN));
}

pub(crate) fn agent_service(needs: &mut Needs) {
    let words = [AGENT, "agent", "run"];
    needs.add(Resource::Service(ServiceUnit {
        name: "sluice-agent".to_owned(),
        about: "Sluice: metrics of this machine, leases of its releases".to_owned(),
        exec: words.map(str::to_owned).to_vec(),
        env: BTreeMap::new(),
        env_file: None,
        folder: None,
        user: ROOT.to_owned(),
        restart: true,
        stop_seconds: STOP_SECONDS,
        restart_on: ["/etc/sluice/agent.json", "/etc/sluice/secrets.json", AGENT].map(str::to_owned).to_vec(),
    }));
}

pub(crate) fn app(pool: &Pool, needs: &mut Needs) {
    needs.add(Resource::Package { name: "git".to_owned(), program: "git".to_owned() });
    if let Some(app) = &pool.app {
        needs.add(folder(&format!("/srv/sluice/{app}"), ROOT, EXECUTABLE));
        needs.add(Resource::Repository { app: app.clone() });
    }
}
