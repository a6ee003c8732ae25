//! Ansible: an inventory with the machines, a playbook with a play per pool, templates with the texts of files. Modules of
//! `ansible.builtin` alone.

mod tasks;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use sluice_infra_host::{Content, Resource};
use sluice_infra_spec::{Pool, Role};

use super::blank::{self, Blank, Words};
use super::{Files, Known, commented, count, in_order, needs};
use crate::machine::FleetFiles;
use crate::passwords::{PURPOSE, SECRET_VARIABLE};
use crate::router_folder::FolderFault;

/// Remarks of the inventory: JSON has none, YAML has.
const OF_INVENTORY: [&str; 4] = [
    "By `sluice-infra export ansible`. The rest of this file is JSON, which is YAML.",
    "Machines that there are stand here as they are. Those that are only planned have addresses of 192.0.2.0/24, which nobody",
    "has (RFC 5737): put theirs into ansible_host and sluice_address, and that of the machine with Redis into",
    "sluice_redis_address. sluice_root stands before every path; where it is set, packages, users and services are left alone.",
];
const OF_PLAYBOOK: [&str; 4] = [
    "By `sluice-infra export ansible`. The rest of this file is JSON, which is YAML.",
    "    export SLUICE_REDIS_PASSWORD=...   # letters and digits, 16 at least",
    "    . ./secrets.sh                     # the passwords that are made from it",
    "    ansible-playbook -i inventory.yml playbook.yml",
];

/// Jinja, as Ansible fills it in.
pub(super) struct Jinja;

impl Words for Jinja {
    /// A brace that would begin something is written as an expression.
    fn literal(&self, text: &str) -> String {
        let mut escaped = String::with_capacity(text.len());
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            match (letter, letters.peek()) {
                ('{', None | Some('{' | '%' | '#')) => escaped.push_str("{{ '{' }}"),
                _ => escaped.push(letter),
            }
        }
        escaped
    }

    fn blank(&self, blank: Blank<'_>) -> String {
        match blank {
            Blank::Address => "{{ sluice_address }}".to_owned(),
            Blank::Redis => "{{ sluice_redis_address }}".to_owned(),
            Blank::Droplet => "{{ inventory_hostname }}".to_owned(),
            Blank::Root => "{{ sluice_root }}".to_owned(),
            Blank::Secret(variable) => format!("{{{{ lookup('env', '{variable}') }}}}"),
            Blank::Digest(variable) => format!("{{{{ lookup('env', '{variable}') | hash('sha256') }}}}"),
        }
    }
}

/// Inventory, playbook, templates, and the script that makes passwords from the one secret.
///
/// # Errors
/// If a router would refuse its configuration.
pub fn ansible(fleet: &FleetFiles, known: &[Known], identity: &str) -> Result<Files, FolderFault> {
    let mut files = Files::new();
    let (mut plays, mut variables) = (Vec::new(), BTreeSet::new());
    for pool in in_order(&fleet.spec) {
        let resources = needs(fleet, pool)?;
        let needed = secrets_of(&resources.manifest.resources);
        let mut written = tasks::Tasks::of(pool, &resources.blobs);
        written.asks(&needed);
        resources.manifest.resources.iter().for_each(|resource| written.add(resource));
        variables.extend(needed);
        files.append(&mut written.templates);
        plays.push(json!({
            "name": format!("pool {}", pool.name),
            "hosts": group(pool),
            "gather_facts": true,
            "gather_subset": ["min"],
            "vars": { "sluice_system": "{{ sluice_root == '' and ansible_service_mgr == 'systemd' }}" },
            "tasks": written.tasks,
            "handlers": written.handlers,
        }));
    }
    files.insert("inventory.yml".to_owned(), commented(&OF_INVENTORY, &inventory(fleet, known, identity)));
    files.insert("playbook.yml".to_owned(), commented(&OF_PLAYBOOK, &Value::Array(plays)));
    files.insert("secrets.sh".to_owned(), script(&variables));
    Ok(files)
}

/// The variables that some file of them needs.
fn secrets_of(resources: &[Resource]) -> BTreeSet<String> {
    let texts = resources.iter().filter_map(|resource| match resource {
        Resource::File { content: Content::Text(text) | Content::Secret(text), .. } => Some(text),
        _ => None,
    });
    texts.flat_map(|text| blank::variables(text)).map(str::to_owned).collect()
}

/// Names of groups may have no `-`.
fn group(pool: &Pool) -> String {
    format!("pool_{}", pool.name.replace('-', "_"))
}

fn inventory(fleet: &FleetFiles, known: &[Known], identity: &str) -> Value {
    let mut planned = 0;
    let mut redis = None;
    let mut groups = Map::new();
    for pool in &fleet.spec.pools {
        let mut hosts = BTreeMap::new();
        for machine in known.iter().filter(|machine| machine.pool == pool.name) {
            let root = machine.root.display().to_string();
            hosts.insert(machine.name.clone(), host(machine, root.trim_end_matches('/')));
        }
        let missing = usize::try_from(count(pool)).unwrap_or(usize::MAX).saturating_sub(hosts.len());
        for number in 1..=missing {
            planned += 1;
            let address = format!("192.0.2.{planned}");
            let name = format!("{}-{}-{number}", fleet.spec.fleet, pool.name);
            hosts.insert(name, json!({ "ansible_host": address, "sluice_address": address }));
        }
        if pool.roles.contains(&Role::Redis) {
            redis = hosts.values().next().map(|host| host["sluice_address"].clone());
        }
        groups.insert(group(pool), json!({ "hosts": hosts }));
    }
    json!({ "all": {
        "vars": {
            "ansible_user": "root",
            "ansible_ssh_private_key_file": identity,
            "sluice_root": "",
            "sluice_redis_address": redis,
        },
        "children": groups,
    } })
}

fn host(machine: &Known, root: &str) -> Value {
    let mut host = json!({
        "ansible_host": machine.host,
        "ansible_port": machine.port,
        "ansible_user": machine.user,
        "sluice_address": machine.address,
    });
    if !root.is_empty() {
        host["sluice_root"] = json!(root);
    }
    host
}

/// Makes the passwords that `configure` makes; the secret itself comes from who runs it, and stands in no argument.
fn script(variables: &BTreeSet<String>) -> String {
    let mut text = format!(
        "# By `sluice-infra export ansible`; to be sourced: `. ./secrets.sh`. Holds no secret.\n\
         : \"${{{SECRET_VARIABLE}:?letters and digits, 16 at least}}\"\n\
         export {SECRET_VARIABLE}\n\
         sluice_password_of() {{\n  python3 -c 'import hashlib, hmac, os, sys\n\
         secret = os.environ[\"{SECRET_VARIABLE}\"].encode()\n\
         print(hmac.new(secret, b\"{PURPOSE}\" + sys.argv[1].encode(), hashlib.sha256).hexdigest())' \"$1\"\n}}\n"
    );
    let prefix = format!("{SECRET_VARIABLE}_");
    for variable in variables {
        if let Some(user) = variable.strip_prefix(&prefix) {
            let user = user.to_ascii_lowercase().replace('_', "-");
            text.push_str(&format!("export {variable}=\"$(sluice_password_of {user})\"\n"));
        }
    }
    if variables.contains(blank::DEPLOY_KEY) {
        let variable = blank::DEPLOY_KEY;
        text.push_str(&format!(
            "# What releases are sealed with: deploy.key in the folder .sluice-infra.\n\
             : \"${{{variable}:?64 hex digits}}\"\nexport {variable}\n"
        ));
    }
    text
}
