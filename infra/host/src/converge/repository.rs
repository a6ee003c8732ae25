//! A bare repository that a pipeline pushes to, with our hooks, and the folders of its releases.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use async_trait::async_trait;

use super::machine::Machine;
use super::report::{Difference, Fault};
use super::{Converge, program};
use crate::layout::Layout;
use crate::remote::quoted;

/// Hooks of git, and the commands of the agent that they call.
const HOOKS: [(&str, &str); 2] = [("pre-receive", "receive"), ("post-receive", "release")];
/// What our hooks rely on: history is never rewritten, not even by who may skip hooks; options of a push arrive.
pub const SETTINGS: [(&str, &str); 3] = [
    ("receive.denyNonFastForwards", "true"),
    ("receive.denyDeletes", "true"),
    ("receive.advertisePushOptions", "true"),
];
/// Permissions of hooks and folders: everyone may look.
const OPEN: u32 = 0o755;

pub(super) struct Repository<'r> {
    pub(super) app: &'r str,
}

#[async_trait]
impl Converge for Repository<'_> {
    fn shown(&self) -> String {
        format!("repository {}", self.app)
    }

    async fn check(&self, machine: &Machine<'_>) -> Result<Option<Difference>, Fault> {
        let place = machine.layout.repository(self.app);
        if !place.join("HEAD").is_file() || !place.join("objects").is_dir() {
            return Ok(Some(Difference::create("a bare repository with hooks")));
        }
        if let Some((hook, ..)) = self.hooks(machine.layout).iter().find(|(.., file, text)| !is_hook(file, text)) {
            return Ok(Some(Difference::change(format!("the hook {hook}"))));
        }
        for (name, wanted) in SETTINGS {
            let found =
                program::run(&["git", "-C", &place.display().to_string(), "config", "--get", name], &[]).await?;
            if String::from_utf8_lossy(&found.stdout).trim_end() != wanted {
                return Ok(Some(Difference::change(format!("the setting {name}"))));
            }
        }
        let folders = self.folders(machine.layout);
        let missing = folders.iter().find(|folder| !folder.is_dir());
        Ok(missing.map(|folder| Difference::change(format!("the folder {} is missing", folder.display()))))
    }

    async fn apply(&self, machine: &Machine<'_>) -> Result<(), Fault> {
        let place = machine.layout.repository(self.app);
        let failed = |source| Fault::File { doing: format!("make the repository {}", place.display()), source };
        for folder in self.folders(machine.layout).iter().chain([&place]) {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let folder = place.display().to_string();
        // Does no harm to one that is there (git-init(1)). Without a template there are no example hooks.
        program::succeed(&["git", "init", "--quiet", "--bare", "--template=", "--initial-branch=main", &folder], &[])
            .await?;
        for (name, value) in SETTINGS {
            program::succeed(&["git", "-C", &folder, "config", name, value], &[]).await?;
        }
        for (_, file, text) in self.hooks(machine.layout) {
            fs::create_dir_all(file.parent().unwrap_or(&place)).map_err(failed)?;
            let fresh = file.with_extension("fresh");
            fs::write(&fresh, text).map_err(failed)?;
            fs::set_permissions(&fresh, fs::Permissions::from_mode(OPEN)).map_err(failed)?;
            fs::rename(&fresh, &file).map_err(failed)?;
        }
        Ok(())
    }
}

impl Repository<'_> {
    fn folders(&self, layout: &Layout) -> [PathBuf; 2] {
        [layout.releases(self.app), layout.shared(self.app)]
    }

    fn hooks(&self, layout: &Layout) -> Vec<(&'static str, PathBuf, String)> {
        hooks(layout, self.app)
    }
}

/// Our hooks of an app's repository: name, file and text of each.
#[must_use]
pub fn hooks(layout: &Layout, app: &str) -> Vec<(&'static str, PathBuf, String)> {
    let folder = layout.repository(app).join("hooks");
    let program = quoted(&layout.programs().join("sluice-infra").display().to_string());
    let hook = |(hook, command): (&'static str, &str)| {
        let text = format!("#!/bin/sh\nexec {program} agent {command} {}\n", quoted(app));
        (hook, folder.join(hook), text)
    };
    HOOKS.into_iter().map(hook).collect()
}

fn is_hook(file: &std::path::Path, text: &str) -> bool {
    let executable = fs::metadata(file).is_ok_and(|found| found.permissions().mode() & OPEN == OPEN);
    executable && fs::read_to_string(file).is_ok_and(|found| found == text)
}
