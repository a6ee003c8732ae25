//! What the supervisor remembers of a service over a reboot of the droplet: `/var/lib/sluice/init/NAME.json`.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::layout::Layout;
use crate::manifest::ServiceUnit;

/// A service, and whether it should run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) unit: ServiceUnit,
    /// It was started, and not stopped since.
    pub(super) wanted: bool,
}

/// Where records are.
pub(super) fn folder(layout: &Layout) -> PathBuf {
    layout.at("/var/lib/sluice/init")
}

/// All of them; one that cannot be read is passed over with a warning, since the others must start.
pub(super) fn all(folder: &Path) -> io::Result<Vec<Record>> {
    std::fs::create_dir_all(folder)?;
    let mut records = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        match std::fs::read(&path).and_then(|text| Ok(serde_json::from_slice::<Record>(&text)?)) {
            Ok(record) => records.push(record),
            Err(error) => tracing::warn!(path = %path.display(), %error, "service is not readable"),
        }
    }
    Ok(records)
}

/// Writes one, whole or not at all.
pub(super) async fn write(folder: &Path, record: &Record) -> io::Result<()> {
    let path = path(folder, &record.unit.name);
    let unfinished = path.with_extension("new");
    tokio::fs::write(&unfinished, serde_json::to_vec_pretty(record)?).await?;
    tokio::fs::rename(&unfinished, &path).await
}

/// Forgets one; one that is not there is fine.
pub(super) async fn forget(folder: &Path, service: &str) -> io::Result<()> {
    match tokio::fs::remove_file(path(folder, service)).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        end => end,
    }
}

fn path(folder: &Path, service: &str) -> PathBuf {
    folder.join(format!("{service}.json"))
}
