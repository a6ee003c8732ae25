//! Is a manifest sound? It came over a connection that we trust, but what it says is done as root: nothing in it may lead
//! out of its place, into a shell, or into a second line of a unit.

use std::collections::BTreeSet;

use super::firewall::address_of;
use super::folder::MODE_BITS;
use crate::manifest::{Content, Manifest, Resource, ServiceUnit};
use crate::remote::is_digest;

/// Most of a manifest that is read: a fleet's is about 50 KiB.
pub const MANIFEST_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most resources; routes and plugins are one file each.
const RESOURCES_MAX: usize = 4096;
/// Where files may be removed.
const OURS: &str = "/etc/sluice/";
/// Longest text of one file. Larger ones go as blobs.
const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Longest path (PATH_MAX of Linux, with room for the root of a local droplet).
const PATH_BYTES_MAX: usize = 3072;
/// Longest name of a user, package, program, service or app (useradd(8): 32; systemd: 255).
const NAME_BYTES_MAX: usize = 64;

/// Everything that is wrong with a manifest.
///
/// # Errors
/// One line each.
pub fn validate(manifest: &Manifest) -> Result<(), Vec<String>> {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    if manifest.resources.len() > RESOURCES_MAX {
        faults.push(format!("more than {RESOURCES_MAX} resources"));
    }
    for resource in manifest.resources.iter().take(RESOURCES_MAX) {
        let key = check(resource, &mut faults);
        if !seen.insert(key.clone()) {
            faults.push(format!("{key} stands in it twice"));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Notes what is wrong with it; returns what it is known by.
fn check(resource: &Resource, faults: &mut Vec<String>) -> String {
    match resource {
        Resource::Package { name, program } => {
            check_name("package", name, faults);
            check_name("program", program, faults);
            format!("package {name}")
        }
        Resource::Masked { service } => {
            check_name("service", service, faults);
            format!("masked service {service}")
        }
        Resource::User { name, home } => {
            check_name("user", name, faults);
            check_path(home, faults);
            format!("user {name}")
        }
        Resource::Folder { path, owner, mode } => {
            check_place(path, owner, *mode, faults);
            format!("folder {path}")
        }
        Resource::OnlyFiles { folder, names } => {
            check_path(folder, faults);
            // Emptying a folder of the system by a slip is not to be had.
            if !folder.starts_with(OURS) {
                faults.push(format!("{folder}: files are removed below {OURS} only"));
            }
            for name in names.iter().filter(|name| name.contains('/')) {
                faults.push(format!("{name:?} is no name of a file"));
            }
            format!("files of {folder}")
        }
        Resource::File { path, content, owner, mode } => {
            check_place(path, owner, *mode, faults);
            check_content(path, content, faults);
            format!("file {path}")
        }
        Resource::Service(unit) => {
            check_unit(unit, faults);
            format!("service {}", unit.name)
        }
        Resource::Repository { app } => {
            check_name("app", app, faults);
            format!("repository {app}")
        }
        Resource::Firewall { tcp } => {
            if tcp.is_empty() {
                faults.push("a firewall that lets nothing in locks out its operator".to_owned());
            }
            for source in tcp.values().flatten().filter(|source| address_of(source).is_none()) {
                faults.push(format!("{source:?} is no address and no range"));
            }
            "firewall".to_owned()
        }
    }
}

fn check_name(what: &str, name: &str, faults: &mut Vec<String>) {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_.+".contains(letter);
    let begins = name.starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '_');
    if !begins || !name.chars().all(fits) || name.len() > NAME_BYTES_MAX || name.contains("..") {
        faults.push(format!("{name:?} is no name of a {what}"));
    }
}

/// Absolute, and nothing in it that leads elsewhere.
fn check_path(path: &str, faults: &mut Vec<String>) {
    let parts = || path.split('/').skip(1);
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    let sound = path.starts_with('/') && parts().all(plain) && !path.chars().any(char::is_control);
    if !sound || path.len() > PATH_BYTES_MAX {
        faults.push(format!("{path:?} is no absolute path without `.`, `..` and control characters"));
    }
}

fn check_place(path: &str, owner: &str, mode: u32, faults: &mut Vec<String>) {
    check_path(path, faults);
    check_name("user", owner, faults);
    if mode & !MODE_BITS != 0 {
        faults.push(format!("{path}: {mode:o} is no mode"));
    }
}

fn check_content(path: &str, content: &Content, faults: &mut Vec<String>) {
    match content {
        Content::Text(text) | Content::Secret(text) if text.len() > TEXT_BYTES_MAX => {
            faults.push(format!("{path}: longer than {TEXT_BYTES_MAX} bytes; send it as a blob"));
        }
        Content::Blob(digest) if !is_digest(digest) => faults.push(format!("{path}: {digest:?} is no SHA-256")),
        Content::Text(_) | Content::Secret(_) | Content::Blob(_) => {}
    }
}

fn check_unit(unit: &ServiceUnit, faults: &mut Vec<String>) {
    check_name("service", &unit.name, faults);
    check_name("user", &unit.user, faults);
    for path in unit.env_file.iter().chain(&unit.folder).chain(&unit.restart_on) {
        check_path(path, faults);
    }
    match unit.exec.first() {
        Some(program) => check_path(program, faults),
        None => faults.push(format!("service {}: nothing to start", unit.name)),
    }
    let texts = unit.exec.iter().chain(unit.env.values()).chain([&unit.about]);
    if texts.into_iter().any(|text| text.chars().any(char::is_control)) {
        faults.push(format!("service {}: a control character in its unit", unit.name));
    }
    let variable =
        |name: &String| !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    for name in unit.env.keys().filter(|name| !variable(name)) {
        faults.push(format!("service {}: {name:?} is no environment variable", unit.name));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn file(path: &str) -> Resource {
        Resource::File { path: path.into(), content: Content::Text(String::new()), owner: "root".into(), mode: 0o644 }
    }

    fn faults(resources: Vec<Resource>) -> usize {
        validate(&Manifest { resources }).map_or_else(|faults| faults.len(), |()| 0)
    }

    #[test]
    fn paths_lead_nowhere_else() {
        for good in ["/etc/sluice/agent.json", "/srv/a b/ä", "/..a/b.."] {
            assert_eq!(faults(vec![file(good)]), 0, "{good}");
        }
        for bad in ["", "etc", "/", "/etc/../root", "/etc/./a", "/etc//a", "/etc/", "/a\0b", "/a\nb", "../a"] {
            assert_eq!(faults(vec![file(bad)]), 1, "{bad}");
        }
        let at = format!("/{}", "a".repeat(PATH_BYTES_MAX - 1));
        assert_eq!((faults(vec![file(&at)]), faults(vec![file(&format!("{at}a"))])), (0, 1));
    }

    #[test]
    fn the_bounds_hold_at_their_edge_and_one_past_it() {
        let text = |bytes: usize| Resource::File {
            path: "/a".into(),
            content: Content::Secret("x".repeat(bytes)),
            owner: "root".into(),
            mode: 0o7777,
        };
        assert_eq!((faults(vec![text(TEXT_BYTES_MAX)]), faults(vec![text(TEXT_BYTES_MAX + 1)])), (0, 1));
        let many = |count: usize| (0..count).map(|number| file(&format!("/{number}"))).collect();
        assert_eq!((faults(many(RESOURCES_MAX)), faults(many(RESOURCES_MAX + 1))), (0, 1));
        let name = |bytes: usize| Resource::Repository { app: "a".repeat(bytes) };
        assert_eq!((faults(vec![name(NAME_BYTES_MAX)]), faults(vec![name(NAME_BYTES_MAX + 1)])), (0, 1));
        let mode = Resource::Folder { path: "/a".into(), owner: "root".into(), mode: 0o10000 };
        assert_eq!(faults(vec![mode]), 1);
    }

    #[test]
    fn a_unit_has_no_second_line_and_all_faults_are_told() {
        let unit = ServiceUnit {
            name: "a".into(),
            about: "about\nExecStartPre=/bin/reboot".into(),
            exec: vec!["relative".into()],
            env: BTreeMap::from([("A B".to_owned(), String::new())]),
            env_file: Some("/etc/../shadow".into()),
            folder: None,
            user: "-rf".into(),
            restart: true,
            stop_seconds: 1,
            restart_on: vec![],
        };
        assert_eq!(faults(vec![Resource::Service(unit)]), 5);
        let firewall = |source: &str| Resource::Firewall { tcp: BTreeMap::from([(22, vec![source.to_owned()])]) };
        assert_eq!(faults(vec![firewall("10.0.0.0/8; accept")]), 1);
        assert_eq!(faults(vec![Resource::Firewall { tcp: BTreeMap::new() }, file("/a"), file("/a")]), 2);
    }

    proptest! {
        #[test]
        fn no_text_of_a_manifest_panics(text in "\\PC{0,200}") {
            let read: Result<Manifest, _> = serde_json::from_str(&text);
            prop_assert!(read.is_err() || validate(&read.unwrap()).is_ok());
        }
    }
}
