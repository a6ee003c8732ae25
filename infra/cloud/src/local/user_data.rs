//! The part of cloud-init that droplets of this machine understand: users' keys and files. Everything else is passed over,
//! as cloud-init passes over modules that it has not.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

/// What cloud-init's documents begin with (cloud-init, "User data formats").
const MARK: &str = "#cloud-config";
/// Permissions of files that say none: cloud-init's default.
const FILE_MODE: u32 = 0o644;

/// What we take from it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct UserData {
    users: Vec<User>,
    ssh_authorized_keys: Vec<String>,
    write_files: Vec<WriteFile>,
}

/// `default`, or a user; only its keys matter here, where there is one user.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum User {
    Named(#[expect(dead_code, reason = "`default` is read and means nothing here")] String),
    Full {
        #[serde(default)]
        ssh_authorized_keys: Vec<String>,
    },
}

#[derive(Debug, Deserialize)]
struct WriteFile {
    path: PathBuf,
    #[serde(default)]
    content: String,
    permissions: Option<String>,
}

/// A file to be written below the root.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NewFile<'u> {
    pub(super) path: PathBuf,
    pub(super) content: &'u str,
    pub(super) mode: u32,
}

impl UserData {
    /// Reads it; JSON only (which is YAML, too). Nothing at all is fine.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let json = text.trim_start().strip_prefix(MARK).ok_or_else(|| format!("it does not begin with {MARK}"))?;
        serde_json::from_str(json).map_err(|error| format!("it is no JSON of cloud-init: {error}"))
    }

    /// Keys that may log in.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let of_users = self.users.iter().flat_map(|user| match user {
            User::Named(_) => &[][..],
            User::Full { ssh_authorized_keys } => ssh_authorized_keys,
        });
        self.ssh_authorized_keys.iter().chain(of_users).map(String::as_str)
    }

    /// Files, with paths below a root; one that leads out of it is a fault.
    pub(super) fn files(&self) -> impl Iterator<Item = Result<NewFile<'_>, String>> {
        self.write_files.iter().map(|file| {
            let path = below(&file.path).ok_or_else(|| format!("{} is no path of a machine", file.path.display()))?;
            let mode = file.permissions.as_deref().map_or(Ok(FILE_MODE), |text| u32::from_str_radix(text, 8));
            let mode = mode.map_err(|_| format!("{} has permissions that are no octal number", file.path.display()))?;
            Ok(NewFile { path, content: &file.content, mode: mode & 0o777 })
        })
    }
}

/// An absolute path, without its first `/`.
fn below(path: &Path) -> Option<PathBuf> {
    let inside = path.strip_prefix("/").ok()?;
    let plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
    (plain && inside.file_name().is_some()).then(|| inside.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_files_are_read() {
        let text = r##"#cloud-config
            {"users": ["default", {"name": "root", "ssh_authorized_keys": ["ssh-ed25519 A"]}],
             "ssh_authorized_keys": ["ssh-ed25519 B"], "package_update": false, "runcmd": [["true"]],
             "write_files": [{"path": "/etc/sluice/agent.json", "content": "{}", "permissions": "0600"}]}"##;
        let data = UserData::parse(text).unwrap();
        assert_eq!(data.keys().collect::<Vec<_>>(), ["ssh-ed25519 B", "ssh-ed25519 A"]);
        let files: Vec<NewFile<'_>> = data.files().map(Result::unwrap).collect();
        assert_eq!(files, [NewFile { path: "etc/sluice/agent.json".into(), content: "{}", mode: 0o600 }]);
        assert!(UserData::parse("").unwrap().keys().next().is_none());
        assert!(UserData::parse("#cloud-config\n{}\n\n").unwrap().files().next().is_none());
    }

    #[test]
    fn no_file_leads_out_of_the_root() {
        for path in ["/etc/../../etc/passwd", "etc/passwd", "/", "", "/../x"] {
            assert_eq!(below(Path::new(path)), None, "{path}");
        }
    }

    #[test]
    fn what_is_no_document_is_said() {
        assert!(UserData::parse("#!/bin/sh\ntrue").is_err());
        assert!(UserData::parse("#cloud-config\nusers: []").is_err());
    }
}
