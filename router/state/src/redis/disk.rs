//! The last content on the router's own disk, so that a router that starts while Redis is away knows where it was.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sluice_model::lease::Server;
use sluice_model::rollout::Rollout;
use sluice_model::silence::Silence;
use tempfile::NamedTempFile;

use crate::event::FlagDocument;

/// Name of the file in the data folder.
const FILE: &str = "store.json";

/// What is kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    /// Which store and edge this is of; another one's content must never be put into this one.
    pub(super) store: String,
    pub(super) epoch: u64,
    /// When the store was last known to hold this, ms since the Unix epoch.
    #[serde(default)]
    pub(super) confirmed_ms: Option<u64>,
    pub(super) switches: BTreeMap<String, bool>,
    pub(super) rollouts: BTreeMap<String, Rollout>,
    pub(super) servers: Vec<Server>,
    #[serde(default)]
    pub(super) flags: BTreeMap<String, FlagDocument>,
    #[serde(default)]
    pub(super) silences: Vec<Silence>,
}

/// Where it is kept.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    folder: PathBuf,
    store: String,
}

impl Disk {
    pub(super) fn new(folder: &Path, store: String) -> Self {
        Self { folder: folder.to_owned(), store }
    }

    /// Identity of the store, as written into the document.
    pub(super) fn store(&self) -> &str {
        &self.store
    }

    /// The document of this store, if there is one. Blocks.
    pub(super) fn load(&self) -> Option<Document> {
        let path = self.folder.join(FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "cannot read the last content");
                return None;
            }
        };
        match serde_json::from_slice::<Document>(&text) {
            Ok(document) if document.store == self.store => Some(document),
            Ok(_other) => {
                tracing::warn!(path = %path.display(), "the last content is of another store; not used");
                None
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the last content cannot be read; not used");
                None
            }
        }
    }

    /// Replaces the file whole: a reader, or a crash, finds the old or the new one. Blocks.
    ///
    /// # Errors
    /// [`io::Error`] of the file system.
    pub(super) fn save(&self, document: &Document) -> io::Result<()> {
        let mut file = NamedTempFile::new_in(&self.folder)?;
        file.write_all(&serde_json::to_vec(document)?)?;
        file.as_file().sync_data()?;
        file.persist(self.folder.join(FILE))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_reads_back_for_its_own_store_only() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(folder.path(), "h:1/0 main".into());
        assert!(disk.load().is_none());
        let switches = [("featureFlags".to_owned(), true)].into();
        let document = Document {
            store: disk.store().to_owned(),
            epoch: 7,
            confirmed_ms: Some(9),
            switches,
            rollouts: BTreeMap::new(),
            servers: Vec::new(),
            flags: [("shop".to_owned(), FlagDocument { text: "{}".into(), version: 3 })].into(),
            silences: Vec::new(),
        };
        disk.save(&document).unwrap();
        let loaded = disk.load().unwrap();
        assert_eq!((loaded.epoch, loaded.flags), (7, document.flags));
        assert!(Disk::new(folder.path(), "h:2/0 main".into()).load().is_none());
        let before = r#"{"store":"h:1/0 main","epoch":5,"switches":{},"rollouts":{},"servers":[]}"#;
        std::fs::write(folder.path().join(FILE), before).unwrap();
        assert_eq!(disk.load().unwrap().epoch, 5, "as the version before wrote it");
        std::fs::write(folder.path().join(FILE), b"{half").unwrap();
        assert!(disk.load().is_none());
    }
}
