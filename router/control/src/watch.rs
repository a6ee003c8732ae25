//! Watching both folders: the kernel's notices where there are any, and a look around every few seconds in any case.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use sluice_policy::Folders;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::builder::Change;
use crate::folder::{self, Listing, PLUGIN_EXTENSION, POLICY_EXTENSION, Stamp};
use crate::tasks::Tasks;

/// How often folders are compared while the kernel's notices come: for what those miss, such as the target of a link.
const LOOK_AROUND: Duration = Duration::from_secs(3);
/// How often while they do not, for the kernel's limits or a file system without them.
const POLL: Duration = Duration::from_secs(1);

/// Watches until control stops.
pub(crate) async fn run(folders: Folders, tasks: Tasks, changes: mpsc::Sender<Change>) {
    let mut watched = [
        Watched::new(folders.routes.clone(), POLICY_EXTENSION, Change::Policy, changes.clone()),
        Watched::new(folders.plugins.clone(), PLUGIN_EXTENSION, Change::Plugins, changes),
    ];
    loop {
        let look = move || {
            watched.iter_mut().for_each(Watched::look);
            watched
        };
        let Some(back) = tasks.blocking(look).await else { return };
        watched = back;
        let notified = watched.iter().all(|watched| watched.watcher.is_some());
        sleep(if notified { LOOK_AROUND } else { POLL }).await;
    }
}

/// One folder.
struct Watched {
    folder: PathBuf,
    extension: &'static str,
    change: Change,
    changes: mpsc::Sender<Change>,
    /// With the identity of the folder that it watches: another one may take its name.
    watcher: Option<(RecommendedWatcher, (u64, u64))>,
    listing: Option<Listing>,
    complained: bool,
}

impl Watched {
    const fn new(folder: PathBuf, extension: &'static str, change: Change, changes: mpsc::Sender<Change>) -> Self {
        Self { folder, extension, change, changes, watcher: None, listing: None, complained: false }
    }

    /// Sees to the kernel's watch, and compares with what was there the last time. Blocking.
    fn look(&mut self) {
        self.attend();
        let listing = folder::list(&self.folder, self.extension).ok();
        if listing != self.listing {
            self.listing = listing;
            tell(&self.changes, self.change);
        }
    }

    fn attend(&mut self) {
        let identity = Stamp::read(&self.folder).map(Stamp::identity);
        if self.watcher.as_ref().map(|(_, watched)| *watched) == identity {
            return;
        }
        self.watcher = None;
        let Some(identity) = identity else { return };
        match watch(&self.folder, self.change, self.changes.clone()) {
            Ok(watcher) => self.watcher = Some((watcher, identity)),
            Err(error) if !self.complained => {
                self.complained = true;
                tracing::warn!(folder = %self.folder.display(), %error, "no notices from the kernel, polling instead");
            }
            Err(_) => {}
        }
    }
}

fn watch(folder: &Path, change: Change, changes: mpsc::Sender<Change>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // An error means that some were lost: look.
        if event.as_ref().map_or(true, concerns_us) {
            tell(&changes, change);
        }
    })?;
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

/// Changes only, for the builder's own reading causes notices too, and not those of temporary files.
fn concerns_us(event: &notify::Event) -> bool {
    let is_change = match event.kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => true,
    };
    let name = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).map(folder::is_temporary);
    let all_temporary = !event.paths.is_empty() && event.paths.iter().all(|path| name(path).unwrap_or(false));
    event.need_rescan() || (is_change && !all_temporary)
}

fn tell(changes: &mpsc::Sender<Change>, change: Change) {
    // A full queue holds a change already, and the builder looks at everything.
    let _full = changes.try_send(change);
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, RenameMode};

    use super::*;

    fn event(kind: EventKind, paths: &[&str]) -> notify::Event {
        paths.iter().fold(notify::Event::new(kind), |event, path| event.add_path(PathBuf::from(path)))
    }

    #[test]
    fn reading_and_temporary_files_are_no_changes() {
        let create = EventKind::Create(CreateKind::File);
        let rename = EventKind::Modify(notify::event::ModifyKind::Name(RenameMode::Both));
        assert!(concerns_us(&event(create, &["/x/a.toml"])));
        assert!(concerns_us(&event(rename, &["/x/.a.toml.tmp", "/x/a.toml"])));
        assert!(concerns_us(&event(EventKind::Access(AccessKind::Close(AccessMode::Write)), &["/x/a.toml"])));
        assert!(!concerns_us(&event(EventKind::Access(AccessKind::Close(AccessMode::Read)), &["/x/a.toml"])));
        assert!(!concerns_us(&event(create, &["/x/.a.toml.swp"])));
    }
}
