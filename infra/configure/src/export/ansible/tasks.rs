//! One resource of a manifest as tasks of Ansible.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::{Value, json};
use sluice_infra_host::converge::{REPOSITORY_SETTINGS, repository_hooks, ruleset};
use sluice_infra_host::{Content, Layout, Resource, ServiceUnit, systemd};
use sluice_infra_spec::Pool;

use super::super::blank::{self, fill};
use super::super::{Files, octal};
use super::Jinja;

/// Packages and services are left alone where there is no machine of its own.
const ON_A_MACHINE: &str = "sluice_system | bool";
/// The lists of packages are fetched again after this, seconds.
const LISTS_VALID_SECONDS: u32 = 3600;
/// Executable by everyone.
const EXECUTABLE: u32 = 0o755;
/// Readable by everyone.
const OPEN: u32 = 0o644;

/// The tasks of one pool.
pub(super) struct Tasks<'n> {
    pub(super) tasks: Vec<Value>,
    pub(super) handlers: Vec<Value>,
    pub(super) templates: Files,
    pool: &'n Pool,
    blobs: &'n BTreeMap<String, PathBuf>,
}

impl<'n> Tasks<'n> {
    pub(super) fn of(pool: &'n Pool, blobs: &'n BTreeMap<String, PathBuf>) -> Self {
        let (tasks, handlers, templates) = Default::default();
        Self { tasks, handlers, templates, pool, blobs }
    }

    /// The first task: secrets that are missing would make files that look whole.
    pub(super) fn asks(&mut self, variables: &BTreeSet<String>) {
        let that: Vec<String> = variables.iter().map(|name| format!("lookup('env', '{name}') != ''")).collect();
        if !that.is_empty() {
            let message = "a secret is missing in the environment: . ./secrets.sh";
            self.push("secrets", "assert", json!({ "that": that, "fail_msg": message, "quiet": true }));
        }
    }

    /// Adds what brings one resource about.
    pub(super) fn add(&mut self, resource: &Resource) {
        match resource {
            Resource::Package { name, .. } => {
                let wanted = json!({
                    "name": name, "state": "present", "install_recommends": false,
                    "update_cache": true, "cache_valid_time": LISTS_VALID_SECONDS,
                });
                self.push(&format!("package {name}"), "apt", wanted)["when"] = json!(ON_A_MACHINE);
            }
            Resource::Masked { service } => self.masked(service),
            Resource::User { name, home } => {
                let wanted = json!({
                    "name": name, "system": true, "home": home, "create_home": false, "shell": "/usr/sbin/nologin",
                });
                self.push(&format!("user {name}"), "user", wanted)["when"] = json!(ON_A_MACHINE);
            }
            Resource::Folder { path, owner, mode } => {
                let wanted = owned(json!({ "path": at(path), "state": "directory", "mode": octal(*mode) }), owner);
                self.push(&format!("folder {path}"), "file", wanted);
            }
            Resource::OnlyFiles { folder, names } => self.only(folder, names),
            Resource::File { path, content, owner, mode } => self.file(path, content, owner, *mode),
            Resource::Service(unit) => self.service(unit),
            Resource::Repository { app } => self.repository(app),
            Resource::Firewall { tcp } => self.firewall(&ruleset(tcp)),
        }
    }

    /// A task, to be added to.
    fn push(&mut self, name: &str, module: &str, arguments: Value) -> &mut Value {
        let mut task = json!({ "name": name });
        task[format!("ansible.builtin.{module}")] = arguments;
        self.tasks.push(task);
        let last = self.tasks.len() - 1;
        &mut self.tasks[last]
    }

    /// A unit that is not there yet can be masked, and not be stopped.
    fn masked(&mut self, service: &str) {
        let found = format!("sluice_masked_{}", self.tasks.len());
        let mask = json!({ "name": service, "masked": true });
        let task = self.push(&format!("masked service {service}"), "systemd", mask);
        (task["when"], task["register"]) = (json!(ON_A_MACHINE), json!(found));
        let stop = json!({ "name": service, "state": "stopped" });
        let runs = format!("{found}.status.ActiveState | default('') == 'active'");
        self.push(&format!("stopped service {service}"), "systemd", stop)["when"] = json!([ON_A_MACHINE, runs]);
    }

    fn only(&mut self, folder: &str, names: &BTreeSet<String>) {
        let found = format!("sluice_found_{}", self.tasks.len());
        let look = json!({ "paths": at(folder), "file_type": "any" });
        self.push(&format!("what is in {folder}"), "find", look)["register"] = json!(found);
        let task = self.push(&format!("files of {folder}"), "file", json!({ "path": "{{ item }}", "state": "absent" }));
        let strays = format!("{{{{ {found}.files | map(attribute='path') | list }}}}");
        task["loop"] = json!(strays);
        task["vars"] = json!({ "sluice_kept": names });
        task["when"] = json!("item | basename not in sluice_kept");
    }

    fn file(&mut self, path: &str, content: &Content, owner: &str, mode: u32) {
        let mut wanted = owned(json!({ "dest": at(path), "mode": octal(mode) }), owner);
        let (module, text) = match content {
            Content::Blob(digest) => {
                wanted["src"] = json!(self.blobs.get(digest).map(|file| file.display().to_string()));
                ("copy", None)
            }
            Content::Text(text) | Content::Secret(text) => ("template", Some(text)),
        };
        if let Some(text) = text {
            wanted["src"] = json!(self.template(path, text));
        }
        let secret =
            matches!(content, Content::Secret(_)) || text.is_some_and(|text| !blank::variables(text).is_empty());
        let task = self.push(&format!("file {path}"), module, wanted);
        if secret {
            (task["no_log"], task["diff"]) = (json!(true), json!(false));
        }
    }

    /// Keeps a text as a template; its name.
    fn template(&mut self, path: &str, text: &str) -> String {
        let name = format!("templates/{}{path}.j2", self.pool.name);
        self.templates.insert(name.clone(), fill(text, &Jinja));
        name
    }

    fn service(&mut self, unit: &ServiceUnit) {
        let name = &unit.name;
        let path = format!("/etc/systemd/system/{name}.service");
        let source = self.template(&path, &systemd::unit_file(unit));
        let anew = format!("start {name} anew");
        let wanted = json!({ "src": source, "dest": path, "mode": octal(OPEN) });
        let task = self.push(&format!("unit {name}"), "template", wanted);
        (task["when"], task["notify"]) = (json!(ON_A_MACHINE), json!([anew]));
        let wanted = json!({ "name": name, "state": "started", "enabled": true, "daemon_reload": true });
        self.push(&format!("service {name}"), "systemd", wanted)["when"] = json!(ON_A_MACHINE);
        let mut handler = json!({ "name": anew, "when": ON_A_MACHINE });
        handler["ansible.builtin.systemd"] = json!({ "name": name, "state": "restarted" });
        self.handlers.push(handler);
        // Files come before the services that they are of.
        for task in &mut self.tasks {
            let of_this = |path: &String| task["name"] == json!(format!("file {path}"));
            if unit.restart_on.iter().any(of_this) {
                let mut notify = task["notify"].as_array().cloned().unwrap_or_default();
                notify.push(json!(anew));
                task["notify"] = json!(notify);
            }
        }
    }

    fn repository(&mut self, app: &str) {
        let layout = Layout::new("/");
        let folder = layout.repository(app).display().to_string();
        for inside in [layout.releases(app), layout.shared(app)] {
            let wanted = json!({ "path": at(&inside.display().to_string()), "state": "directory" });
            self.push(&format!("folder {}", inside.display()), "file", wanted);
        }
        let init = ["git", "init", "--quiet", "--bare", "--template=", "--initial-branch=main"];
        let mut words: Vec<String> = init.map(str::to_owned).to_vec();
        words.push(at(&folder));
        let wanted = json!({ "argv": words, "creates": at(&format!("{folder}/HEAD")) });
        self.push(&format!("repository {app}"), "command", wanted);
        for (name, value) in REPOSITORY_SETTINGS {
            let script = format!(
                "cd \"$SLUICE_REPOSITORY\" && test \"$(git config --get {name})\" = {value} || {{ git config {name} {value} && echo changed; }}"
            );
            let task = self.push(&format!("setting {name} of {app}"), "shell", json!({ "cmd": script }));
            task["environment"] = json!({ "SLUICE_REPOSITORY": at(&folder) });
            task["changed_when"] = json!(format!("sluice_set_{}.stdout == 'changed'", name.replace('.', "_")));
            task["register"] = json!(format!("sluice_set_{}", name.replace('.', "_")));
        }
        let wanted = json!({ "path": at(&format!("{folder}/hooks")), "state": "directory" });
        self.push(&format!("hooks of {app}"), "file", wanted);
        // Below the root of the machine, which is a blank.
        let (machine, _) = blank::machine();
        for (name, _, text) in repository_hooks(&Layout::new(machine.root), app) {
            let path = format!("{folder}/hooks/{name}");
            let source = self.template(&path, &text);
            let wanted = json!({ "src": source, "dest": at(&path), "mode": octal(EXECUTABLE) });
            self.push(&format!("hook {name} of {app}"), "template", wanted);
        }
    }

    fn firewall(&mut self, rules: &str) {
        let source = self.template("/etc/nftables.conf", rules);
        let wanted = json!({ "src": source, "dest": "/etc/nftables.conf", "mode": octal(EXECUTABLE) });
        let task = self.push("firewall", "template", wanted);
        (task["when"], task["notify"]) = (json!(ON_A_MACHINE), json!(["load the firewall"]));
        let wanted = json!({ "name": "nftables", "state": "started", "enabled": true });
        self.push("firewall at boot", "systemd", wanted)["when"] = json!(ON_A_MACHINE);
        let mut handler = json!({ "name": "load the firewall", "when": ON_A_MACHINE });
        handler["ansible.builtin.systemd"] = json!({ "name": "nftables", "state": "reloaded" });
        self.handlers.push(handler);
    }
}

/// A path of the machine.
fn at(path: &str) -> String {
    format!("{{{{ sluice_root }}}}{}", fill(path, &Jinja))
}

/// With its owner, who is there only on a machine of its own.
fn owned(mut arguments: Value, owner: &str) -> Value {
    let owner = format!("{{{{ omit if sluice_root else '{owner}' }}}}");
    (arguments["owner"], arguments["group"]) = (json!(owner), json!(owner));
    arguments
}
