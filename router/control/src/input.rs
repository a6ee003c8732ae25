//! The input of a build: policy texts and the places of plugin files, from the operator's folders or from the last
//! good revision.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sluice_policy::{Folders, Source};

use crate::fault::{Fault, FaultSource, chain};
use crate::folder::{self, Listing, PLUGIN_EXTENSION, PLUGIN_FILE_BYTES_MAX, POLICY_EXTENSION, POLICY_FILE_BYTES_MAX};

/// Everything that one build reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Input {
    /// Policy texts, by file name.
    pub(crate) sources: Vec<Source>,
    /// Plugin files by the name that a policy uses.
    pub(crate) plugin_files: BTreeMap<String, PluginFile>,
    /// Files of single plugins, by the plugin's name, that differ from those above: two plugins over one file may serve
    /// different digests of it.
    pub(crate) own_files: BTreeMap<String, PluginFile>,
    /// What could not be read.
    pub(crate) faults: Vec<Fault>,
}

/// Where a plugin file lies.
#[derive(Clone, Debug)]
pub(crate) struct PluginFile {
    pub(crate) path: PathBuf,
    /// How faults call it.
    pub(crate) shown: String,
    /// The digest it must have; a kept file is one of these.
    pub(crate) digest: Option<String>,
}

impl Input {
    /// Reads the operator's folders. Blocking.
    pub(crate) fn read(folders: &Folders) -> Self {
        let mut input = Self::default();
        input.read_policy(&folders.routes);
        input.find_plugins(&folders.plugins);
        input
    }

    /// False if nothing is known of the plugin files: that one is missing says nothing then.
    pub(crate) fn is_plugin_folder_read(&self) -> bool {
        !self.faults.iter().any(|fault| fault.source == FaultSource::Plugin)
    }

    /// The file of a plugin.
    pub(crate) fn plugin_file(&self, spec: &sluice_policy::Plugin) -> Option<&PluginFile> {
        self.own_files.get(&spec.name).or_else(|| self.plugin_files.get(&spec.file))
    }

    /// The digest of each file: whether the content of the folders moved. Blocking: it reads the plugin files.
    pub(crate) fn digests(&self) -> BTreeMap<String, String> {
        let texts = self.sources.iter().map(|source| (source.file.clone(), digest(source.text.as_bytes())));
        // What cannot be read is a content too: it moves when it can be read.
        let unread = self.faults.iter().map(|fault| (fault.subject.clone(), fault.message.clone()));
        let plugin = |(name, file): (&String, &PluginFile)| {
            let read = folder::read(&file.path, PLUGIN_FILE_BYTES_MAX);
            (name.clone(), read.map_or_else(|error| chain(&error), |bytes| digest(&bytes)))
        };
        texts.chain(unread).chain(self.plugin_files.iter().map(plugin)).collect()
    }

    /// Reads the policy files of a folder.
    pub(crate) fn read_policy(&mut self, folder: &Path) {
        let names = self.list(folder, POLICY_EXTENSION, FaultSource::Policy);
        if names.is_empty() && self.faults.is_empty() {
            let message = "there is no policy file (*.toml); to serve nothing, leave an empty one";
            self.faults.push(Fault::new(FaultSource::Policy, folder.display().to_string(), message));
        }
        for name in names.into_keys() {
            let shown = folder::shown(folder, &name);
            match folder::read_text(&folder.join(&name), POLICY_FILE_BYTES_MAX) {
                Ok(text) => self.sources.push(Source { file: shown, text }),
                Err(error) => {
                    self.faults.push(Fault::new(FaultSource::Policy, &shown, chain(&error)).in_file(&shown));
                }
            }
        }
    }

    fn find_plugins(&mut self, folder: &Path) {
        for name in self.list(folder, PLUGIN_EXTENSION, FaultSource::Plugin).into_keys() {
            let file = PluginFile { path: folder.join(&name), shown: folder::shown(folder, &name), digest: None };
            self.plugin_files.insert(name, file);
        }
    }

    fn list(&mut self, path: &Path, extension: &str, source: FaultSource) -> Listing {
        folder::list(path, extension).unwrap_or_else(|error| {
            let message = format!("cannot read the folder: {error}");
            self.faults.push(Fault::new(source, path.display().to_string(), message));
            Listing::new()
        })
    }
}

/// SHA-256 of a content, hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    sluice_wasm::Digest::of(bytes).to_string()
}
