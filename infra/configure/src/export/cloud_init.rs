//! cloud-init: a document for each pool, with which a machine configures itself at its first boot. It reads as JSON, which is
//! YAML. User-data can be read by every process of a droplet, so secrets are blanks in it, too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};
use sluice_infra_host::converge::{REPOSITORY_SETTINGS, repository_hooks, ruleset};
use sluice_infra_host::remote::quoted;
use sluice_infra_host::{Content, Layout, Resource, systemd};

use super::blank::{Blank, Words, fill};
use super::{ExportError, Files, in_order, needs, octal, pretty};
use crate::machine::FleetFiles;

/// Most of user-data that DigitalOcean takes.
pub const USER_DATA_BYTES_MAX: usize = 64 * 1024;
/// Says what to do with it; the first line is that of cloud-init.
const REMARKS: &str = "#cloud-config\n\
    # By `sluice-infra export cloud-init`. The rest is JSON, which is YAML. Nothing in here is secret, and nothing may be:\n\
    # every process of a droplet can read it.\n\
    #  @SLUICE_BLOBS_URL@       where the files of blobs.txt are, each named by its digest: fill it in here\n\
    #  @SLUICE_REDIS_ADDRESS@   address of the machine with Redis: fill it in here\n\
    #  @SLUICE_ADDRESS@, @SLUICE_DROPLET@   filled in by the machine itself\n\
    #  other @NAME@, @SHA256_OF_NAME@   secrets and their SHA-256 in hex (ansible's secrets.sh makes them): fill them in over\n\
    #                           ssh, in the files below /etc/sluice, and then `systemctl start` the services\n\
    # Services do not start by themselves while a blank is left.\n";
/// The address of the machine, from DigitalOcean's metadata.
const FILL: &str = "address=$(curl -fsS http://169.254.169.254/metadata/v1/interfaces/private/0/ipv4/address) && \
    find /etc/sluice /etc/systemd/system/sluice-*.service -type f -exec \
    sed -i -e \"s/@SLUICE_ADDRESS@/$address/g\" -e \"s/@SLUICE_DROPLET@/$(hostname)/g\" {} +";

struct Blanks;

impl Words for Blanks {
    fn blank(&self, blank: Blank<'_>) -> String {
        match blank {
            Blank::Address => "@SLUICE_ADDRESS@".to_owned(),
            Blank::Redis => "@SLUICE_REDIS_ADDRESS@".to_owned(),
            Blank::Droplet => "@SLUICE_DROPLET@".to_owned(),
            Blank::Root => String::new(),
            Blank::Secret(variable) => format!("@{variable}@"),
            Blank::Digest(variable) => format!("@SHA256_OF_{variable}@"),
        }
    }
}

/// `POOL.yml` for each pool, and `blobs.txt` with the large files that they fetch.
///
/// # Errors
/// [`ExportError`]
pub fn cloud_init(fleet: &FleetFiles) -> Result<Files, ExportError> {
    let (mut files, mut blobs) = (Files::new(), BTreeMap::new());
    for pool in in_order(&fleet.spec) {
        let needs = needs(fleet, pool)?;
        let mut made = Document::default();
        needs.manifest.resources.iter().for_each(|resource| made.add(resource));
        let text = format!("{REMARKS}{}\n", ascii(&pretty(&made.finish())));
        if text.len() > USER_DATA_BYTES_MAX {
            return Err(ExportError::UserData { pool: pool.name.clone(), bytes: text.len() });
        }
        files.insert(format!("{}.yml", pool.name), text);
        blobs.extend(needs.blobs);
    }
    let lines = blobs.iter().map(|(digest, file)| format!("{digest}  {}\n", file.display()));
    files.insert("blobs.txt".to_owned(), lines.collect());
    Ok(files)
}

#[derive(Default)]
struct Document {
    packages: BTreeSet<String>,
    users: Vec<Value>,
    files: Vec<Value>,
    /// In the order of the manifest, after packages and files.
    commands: Vec<String>,
    services: Vec<String>,
}

impl Document {
    fn add(&mut self, resource: &Resource) {
        match resource {
            Resource::Package { name, .. } => {
                self.packages.insert(name.clone());
            }
            Resource::Masked { service } => self.commands.push(format!("systemctl mask --now {service}.service")),
            Resource::User { name, home } => self.users.push(json!({
                "name": name, "system": true, "homedir": home, "no_create_home": true, "shell": "/usr/sbin/nologin",
            })),
            Resource::Folder { path, owner, mode } => {
                let (path, mode) = (quoted(path), octal(*mode));
                self.commands.push(format!("install -d -o {owner} -g {owner} -m {mode} {path}"));
            }
            // A machine at its first boot has nothing that is wanted no more.
            Resource::OnlyFiles { .. } => {}
            Resource::File { path, content, owner, mode } => match content {
                Content::Text(text) | Content::Secret(text) => self.file(path, text, owner, *mode),
                Content::Blob(digest) => self.commands.push(fetch(path, digest, owner, *mode)),
            },
            Resource::Service(unit) => {
                self.file(
                    &format!("/etc/systemd/system/{}.service", unit.name),
                    &systemd::unit_file(unit),
                    "root",
                    0o644,
                );
                self.services.push(unit.name.clone());
            }
            Resource::Repository { app } => self.repository(app),
            Resource::Firewall { tcp } => {
                self.packages.insert("nftables".to_owned());
                self.file("/etc/nftables.conf", &ruleset(tcp), "root", 0o755);
                self.commands.push("systemctl enable --now nftables && systemctl reload nftables".to_owned());
            }
        }
    }

    /// Deferred: its owner may come with a package.
    fn file(&mut self, path: &str, text: &str, owner: &str, mode: u32) {
        self.files.push(json!({
            "path": path,
            "content": fill(text, &Blanks),
            "owner": format!("{owner}:{owner}"),
            "permissions": octal(mode),
            "defer": true,
        }));
    }

    fn repository(&mut self, app: &str) {
        let layout = Layout::new("/");
        let folder = quoted(&layout.repository(app).display().to_string());
        for inside in [layout.releases(app), layout.shared(app)] {
            self.commands.push(format!("mkdir -p {}", quoted(&inside.display().to_string())));
        }
        self.commands.push(format!("git init --quiet --bare --template= --initial-branch=main {folder}"));
        for (name, value) in REPOSITORY_SETTINGS {
            self.commands.push(format!("git -C {folder} config {name} {value}"));
        }
        for (_, path, text) in repository_hooks(&layout, app) {
            self.file(&path.display().to_string(), &text, "root", 0o755);
        }
    }

    fn finish(mut self) -> Value {
        self.commands.push(FILL.to_owned());
        self.commands.push("systemctl daemon-reload".to_owned());
        let services = self.services.join(" ");
        self.commands.push(format!("systemctl enable {services}"));
        let blanks = "grep -rlE '@(SLUICE|SHA256_OF)_[A-Z0-9_]+@' /etc/sluice";
        self.commands.push(format!("{blanks} || systemctl start {services}"));
        let users = [json!("default")].into_iter().chain(self.users).collect::<Vec<_>>();
        json!({
            "packages": self.packages.into_iter().chain(["curl".to_owned()]).collect::<Vec<_>>(),
            "package_update": true,
            "users": users,
            "write_files": self.files,
            "runcmd": self.commands,
        })
    }
}

/// Fetches a large file, and takes it only if it is what its name says.
fn fetch(path: &str, digest: &str, owner: &str, mode: u32) -> String {
    let (place, fresh, mode) = (quoted(path), quoted(&format!("{path}.fresh")), octal(mode));
    format!(
        "mkdir -p \"$(dirname {place})\" && curl -fsSL -o {fresh} @SLUICE_BLOBS_URL@/{digest} && echo '{digest}  '{fresh} | \
         sha256sum -c --quiet && chown {owner}:{owner} {fresh} && chmod {mode} {fresh} && mv {fresh} {place}"
    )
}

/// User-data is ASCII. YAML reads what JSON would write as a pair of surrogates by its own escape alone.
fn ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        let _infallible = match u32::from(letter) {
            0..=0x7f => write!(plain, "{letter}"),
            code @ 0x80..=0xffff => write!(plain, "\\u{code:04x}"),
            code => write!(plain, "\\U{code:08x}"),
        };
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_letters_are_escaped() {
        assert_eq!(ascii("a\u{e4}\u{1f408}"), "a\\u00e4\\U0001f408");
    }
}
