//! The last good revision on disk, so that a router that starts on a bad input serves what it served before.
//!
//! `last-good/manifest.json` holds the policy texts and the digests of the plugin files, `last-good/plugins/DIGEST.wasm`
//! the files. Each file is written whole or not at all, and the manifest last.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sluice_policy::Source;
use sluice_snapshot::Snapshot;

use crate::folder::{self, ReadError};
use crate::history::Text;
use crate::input::{self, Input, PluginFile};

const FOLDER: &str = "last-good";
const PLUGINS: &str = "plugins";
const MANIFEST: &str = "manifest.json";
/// Form of the manifest; another one is left alone.
const FORM: u32 = 1;
/// Largest manifest: all policy files at their bound would be more, and are not kept.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 64 << 20;

/// The folder of the last good revision.
#[derive(Debug)]
pub(crate) struct LastGood {
    folder: PathBuf,
}

/// A revision as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    form: u32,
    pub(crate) revision: u64,
    pub(crate) sources: Vec<Text>,
    /// File name -> digest.
    pub(crate) plugins: BTreeMap<String, String>,
    /// How single plugins differ from their files.
    #[serde(default, skip_serializing_if = "Exceptions::is_empty")]
    pub(crate) exceptions: Exceptions,
}

/// How single plugins differ from their files; all by the plugin's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Exceptions {
    /// Digest that serves, where another plugin over the same file serves another one.
    pub(crate) digests: BTreeMap<String, String>,
    /// Digest on trial.
    pub(crate) trials: BTreeMap<String, String>,
    /// Plugins whose seat is empty.
    pub(crate) empty: BTreeSet<String>,
}

impl Exceptions {
    /// What changed since `before`, in a few words each.
    pub(crate) fn changes(&self, before: &Self) -> Vec<String> {
        let own = |name: &String| format!("plugin {name} serves another digest of its file");
        let news = |now: &BTreeMap<String, String>, before: &BTreeMap<String, String>| {
            let is_new = |(name, digest): &(&String, &String)| before.get(*name) != Some(*digest);
            now.iter().filter(is_new).map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        let begun = news(&self.trials, &before.trials);
        let begun = begun.iter().map(|name| format!("plugin {name}: a new digest is on trial"));
        let over = before.trials.keys().filter(|name| !self.trials.contains_key(*name));
        let over = over.map(|name| format!("plugin {name}: its trial is over"));
        let emptied = self.empty.difference(&before.empty).map(|name| format!("plugin {name} could not be loaded"));
        let filled = before.empty.difference(&self.empty).map(|name| format!("plugin {name} is back"));
        let own = news(&self.digests, &before.digests).iter().map(own).collect::<Vec<_>>();
        own.into_iter().chain(begun).chain(over).chain(emptied).chain(filled).collect()
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Why the last good revision cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LastGoodError {
    /// The disk says no.
    #[error("cannot write the last good revision")]
    Write(#[from] io::Error),
    /// The manifest cannot be read.
    #[error("cannot read the last good revision")]
    Read(#[from] ReadError),
    /// The manifest is none.
    #[error("the last good revision is damaged")]
    Damaged(#[from] serde_json::Error),
    /// Written by another version.
    #[error("the last good revision has form {0}, this version knows {FORM}")]
    Form(u32),
    /// A plugin file was not kept, for lack of space perhaps.
    #[error("the plugin file with digest {0} was not kept")]
    NotKept(String),
}

impl Manifest {
    pub(crate) fn new(revision: u64, sources: &[Source], plugins: BTreeMap<String, String>) -> Self {
        let text = |source: &Source| Text { file: source.file.clone(), text: source.text.clone() };
        let sources = sources.iter().map(text).collect();
        Self { form: FORM, revision, sources, plugins, exceptions: Exceptions::default() }
    }

    /// A snapshot as it is published, with the texts that it was made of.
    pub(crate) fn of(snapshot: &Snapshot, sources: &[Source]) -> Self {
        let mut manifest = Self::new(snapshot.revision, sources, BTreeMap::new());
        for (spec, seat) in snapshot.policy.plugins.iter().zip(&snapshot.seats) {
            let name = || spec.name.clone();
            let Some(plugin) = seat.plugin() else {
                manifest.exceptions.empty.insert(name());
                continue;
            };
            let digest = &plugin.key.digest;
            if manifest.plugins.entry(spec.file.clone()).or_insert_with(|| digest.clone()) != digest {
                manifest.exceptions.digests.insert(name(), digest.clone());
            }
            if let Some(trial) = seat.trial() {
                manifest.exceptions.trials.insert(name(), trial.plugin.key.digest.clone());
            }
        }
        manifest
    }

    /// True if both would build the same.
    pub(crate) fn is_same_input(&self, other: &Self) -> bool {
        self.sources == other.sources && self.plugins == other.plugins && self.exceptions == other.exceptions
    }

    /// Digests of all plugin files that serve in it.
    pub(crate) fn plugin_digests(&self) -> impl Iterator<Item = &String> {
        self.plugins.values().chain(self.exceptions.digests.values())
    }

    /// The policy texts, to be parsed.
    pub(crate) fn sources(&self) -> Vec<Source> {
        self.sources.iter().map(Source::from).collect()
    }

    /// The digest of each file, as [`Input::digests`] has them of a folder.
    pub(crate) fn digests(&self) -> BTreeMap<String, String> {
        let texts = self.sources.iter().map(|text| (text.file.clone(), input::digest(text.text.as_bytes())));
        texts.chain(self.plugins.clone()).collect()
    }
}

impl LastGood {
    /// Makes the folders inside the data folder.
    ///
    /// # Errors
    /// They cannot be made.
    pub(crate) fn open(data: &Path) -> io::Result<Self> {
        let folder = data.join(FOLDER);
        std::fs::create_dir_all(folder.join(PLUGINS))?;
        Ok(Self { folder })
    }

    /// Keeps the bytes of a plugin file under its digest. Blocking.
    pub(crate) fn keep(&self, digest: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.plugin_path(digest);
        if path.exists() { Ok(()) } else { write_whole(&path, bytes) }
    }

    /// Makes `manifest` the last good revision and forgets files that neither it nor `known` names. Blocking.
    pub(crate) fn commit(&self, manifest: &Manifest, known: &BTreeSet<String>) -> Result<(), LastGoodError> {
        if let Some(digest) = manifest.plugin_digests().find(|digest| !self.plugin_path(digest).exists()) {
            return Err(LastGoodError::NotKept(digest.clone()));
        }
        write_whole(&self.folder.join(MANIFEST), &serde_json::to_vec(manifest)?)?;
        let named = |digest: &str| known.contains(digest) || manifest.plugin_digests().any(|own| own == digest);
        for entry in std::fs::read_dir(self.folder.join(PLUGINS))? {
            let path = entry?.path();
            if !path.file_stem().and_then(|stem| stem.to_str()).is_some_and(named) {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// The last good revision; `None` = there never was one. Blocking.
    pub(crate) fn load(&self) -> Result<Option<Manifest>, LastGoodError> {
        let path = self.folder.join(MANIFEST);
        if !path.exists() {
            return Ok(None);
        }
        let manifest: Manifest = serde_json::from_slice(&folder::read(&path, MANIFEST_BYTES_MAX)?)?;
        if manifest.form == FORM { Ok(Some(manifest)) } else { Err(LastGoodError::Form(manifest.form)) }
    }

    /// The kept revision as the input of a build.
    pub(crate) fn input(&self, manifest: &Manifest) -> Input {
        let files = |digests: &BTreeMap<String, String>| {
            let file = |(name, digest): (&String, &String)| {
                (name.clone(), PluginFile { shown: name.clone(), ..self.plugin_file(digest) })
            };
            digests.iter().map(file).collect()
        };
        Input {
            sources: manifest.sources(),
            plugin_files: files(&manifest.plugins),
            own_files: files(&manifest.exceptions.digests),
            faults: Vec::new(),
        }
    }

    /// Where the bytes of a digest are, or would be.
    pub(crate) fn plugin_file(&self, digest: &str) -> PluginFile {
        PluginFile { path: self.plugin_path(digest), shown: digest.to_owned(), digest: Some(digest.to_owned()) }
    }

    fn plugin_path(&self, digest: &str) -> PathBuf {
        self.folder.join(PLUGINS).join(format!("{digest}.{}", folder::PLUGIN_EXTENSION))
    }
}

/// Writes beside, then renames: whoever reads sees the old bytes or the new ones.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().expect("invariant: paths here are made of a folder and a name");
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(revision: u64, digests: &[&str]) -> Manifest {
        let source = Source { file: "routes.d/a.toml".to_owned(), text: "text".to_owned() };
        let plugins = digests.iter().map(|digest| (format!("{digest}-file.wasm"), (*digest).to_owned())).collect();
        Manifest::new(revision, &[source], plugins)
    }

    #[test]
    fn what_was_committed_is_read_back_and_what_nobody_names_is_forgotten() {
        let data = tempfile::tempdir().unwrap();
        let kept = LastGood::open(data.path()).unwrap();
        assert!(kept.load().unwrap().is_none());
        kept.keep("aa", b"1").unwrap();
        kept.keep("bb", b"2").unwrap();
        kept.keep("cc", b"3").unwrap();
        kept.commit(&manifest(3, &["aa"]), &BTreeSet::from(["bb".to_owned()])).unwrap();
        assert_eq!(kept.load().unwrap(), Some(manifest(3, &["aa"])));
        assert!(kept.plugin_path("aa").exists() && kept.plugin_path("bb").exists());
        assert!(!kept.plugin_path("cc").exists());
        let input = kept.input(&manifest(3, &["aa"]));
        assert_eq!(std::fs::read(&input.plugin_files["aa-file.wasm"].path).unwrap(), b"1");
    }

    #[test]
    fn a_revision_without_its_files_is_not_committed() {
        let data = tempfile::tempdir().unwrap();
        let kept = LastGood::open(data.path()).unwrap();
        let missing = kept.commit(&manifest(1, &["aa"]), &BTreeSet::new());
        assert!(matches!(missing, Err(LastGoodError::NotKept(_))));
        assert!(kept.load().unwrap().is_none());
    }

    #[test]
    fn a_damaged_manifest_is_told() {
        let data = tempfile::tempdir().unwrap();
        let kept = LastGood::open(data.path()).unwrap();
        std::fs::write(data.path().join(FOLDER).join(MANIFEST), "{").unwrap();
        assert!(matches!(kept.load(), Err(LastGoodError::Damaged(_))));
    }
}
