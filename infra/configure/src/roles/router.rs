//! A router: `sluice` on the operator's folder, filled in for this machine.

use std::collections::{BTreeMap, BTreeSet};

use sluice_infra_host::{Content, Resource, ServiceUnit};

use super::redis::ROUTER_USER;
use super::{CLOSED, EXECUTABLE, OPEN, ROOT, STOP_SECONDS, USER, file, folder};
use crate::machine::{FleetFiles, Machine, Needs, Peers};
use crate::router_folder::{FolderFault, Rendered};

const PROGRAM: &str = "/opt/sluice/bin/sluice";
const FOLDER: &str = "/etc/sluice/router";
const ENVIRONMENT: &str = "/etc/sluice/router.env";
const DATA: &str = "/var/lib/sluice/router";

/// The operator's folder, filled in for this machine.
pub(crate) fn rendered(fleet: &FleetFiles, machine: &Machine, peers: Peers) -> Result<Rendered, FolderFault> {
    fleet.folder.render(&values(fleet, machine, peers))
}

pub(crate) fn router(fleet: &FleetFiles, machine: &Machine, rendered: &Rendered, needs: &mut Needs) {
    let (program, digest) = &fleet.router;
    needs.add_blob(PROGRAM, program, digest, EXECUTABLE);
    needs.add(folder(DATA, USER, 0o750));
    let files = &rendered.files;
    let names: Vec<&str> =
        files.keys().map(String::as_str).chain(fleet.folder.blobs().map(|(inside, ..)| inside)).collect();
    let folders = folders(&names);
    for name in &folders {
        needs.add(folder(name, ROOT, EXECUTABLE));
        needs.add(Resource::OnlyFiles { folder: name.clone(), names: kept(name, &folders, &names) });
    }
    for (inside, path, digest) in fleet.folder.blobs() {
        needs.add_blob(&format!("{FOLDER}/{inside}"), path, digest, OPEN);
    }
    for (inside, text) in files {
        needs.add(file(&format!("{FOLDER}/{inside}"), Content::Text(text.clone()), ROOT, OPEN));
    }
    let password = format!("SLUICE_REDIS_PASSWORD={}\n", fleet.passwords.of(ROUTER_USER));
    needs.add(file(ENVIRONMENT, Content::Secret(password), ROOT, CLOSED));
    let config = below(machine, &format!("{FOLDER}/sluice.toml"));
    needs.add(Resource::Service(ServiceUnit {
        name: "sluice-router".to_owned(),
        about: "Sluice: the router".to_owned(),
        exec: vec![PROGRAM.to_owned(), "run".to_owned(), "--config".to_owned(), config],
        env: BTreeMap::new(),
        env_file: Some(ENVIRONMENT.to_owned()),
        folder: Some(DATA.to_owned()),
        user: USER.to_owned(),
        restart: true,
        stop_seconds: STOP_SECONDS,
        // Files of the folder are taken in by the running router; it is started anew only for what it cannot take in.
        restart_on: [PROGRAM, ENVIRONMENT, "/etc/sluice/redis.env"].map(str::to_owned).to_vec(),
    }));
}

/// What the templates may name.
fn values(fleet: &FleetFiles, machine: &Machine, peers: Peers) -> BTreeMap<&'static str, String> {
    let admin = crate::admin_address(&fleet.spec, machine.address);
    BTreeMap::from([
        ("address", machine.address.to_string()),
        ("admin_address", admin.ip().to_string()),
        ("admin_port", admin.port().to_string()),
        ("droplet", machine.name.clone()),
        ("edge_port", fleet.spec.router.edge_port.to_string()),
        ("fleet", fleet.spec.fleet.clone()),
        ("redis_address", peers.redis.to_string()),
        ("redis_port", fleet.spec.redis.port.to_string()),
        ("root", below(machine, "")),
    ])
}

/// A path of the machine as its programs see it: on the local cloud the root comes before it.
pub(super) fn below(machine: &Machine, path: &str) -> String {
    let root = machine.root.display().to_string();
    format!("{}{path}", root.trim_end_matches('/'))
}

/// The folders that these files are in, as paths of the machine, parents first.
fn folders(names: &[&str]) -> Vec<String> {
    let mut found: Vec<String> = vec![FOLDER.to_owned()];
    // A router looks into these whether or not there is something.
    found.extend(["routes.d", "plugins.d"].map(|name| format!("{FOLDER}/{name}")));
    for name in names {
        let mut path = String::new();
        for part in name.split('/').rev().skip(1).collect::<Vec<_>>().into_iter().rev() {
            path = format!("{path}/{part}");
            found.push(format!("{FOLDER}{path}"));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// What stays in a folder: files of the operator, and the folders that a router has in any case.
fn kept(folder: &str, folders: &[String], names: &[&str]) -> BTreeSet<String> {
    let made = folders.iter().filter_map(|path| path.strip_prefix(folder)?.strip_prefix('/')?.split('/').next());
    made.map(str::to_owned).chain(names.iter().filter_map(|inside| in_folder(folder, inside))).collect()
}

/// The name in `folder` of a file or folder that `inside` begins with.
fn in_folder(folder: &str, inside: &str) -> Option<String> {
    let whole = format!("{FOLDER}/{inside}");
    let rest = whole.strip_prefix(folder)?.strip_prefix('/')?;
    rest.split('/').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_with_their_parents_and_what_they_keep() {
        let names = ["sluice.toml", "routes.d/app.toml", "a/b/c.pem"];
        let found = folders(&names);
        assert_eq!(found, ["", "/a", "/a/b", "/plugins.d", "/routes.d"].map(|path| format!("{FOLDER}{path}")));
        let stay = |folder: &str| Vec::from_iter(kept(folder, &found, &names));
        assert_eq!(stay(FOLDER), ["a", "plugins.d", "routes.d", "sluice.toml"], "one without files stays, too");
        assert_eq!(
            (stay(&format!("{FOLDER}/a")), stay(&format!("{FOLDER}/plugins.d"))),
            (vec!["b".to_owned()], vec![])
        );
        assert_eq!(in_folder(FOLDER, "a/b/c.pem"), Some("a".to_owned()));
        assert_eq!(in_folder(&format!("{FOLDER}/a/b"), "a/b/c.pem"), Some("c.pem".to_owned()));
        assert_eq!(in_folder(&format!("{FOLDER}/a"), "routes.d/app.toml"), None);
    }
}
