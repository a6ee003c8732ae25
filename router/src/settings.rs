//! `sluice.toml` as meant: parsed, folders resolved against its place, secrets read from the environment.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use sluice_admin::Tokens;
use sluice_alert::Sink;
use sluice_model::override_token::OverrideKey;
use sluice_policy::{AccessLog, Faults, Folders, ProcessConfig, Secret, Source, StoreUrl};
use sluice_state::Backend;

use crate::{secret, sinks};

/// Where settings are looked for unless the command line says otherwise.
pub(crate) const FILE: &str = "sluice.toml";

/// Everything that `sluice run` starts with.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) config: ProcessConfig,
    pub(crate) workers: usize,
    pub(crate) tokens: Tokens,
    /// What overrides of rollouts are signed with.
    pub(crate) override_key: Option<OverrideKey>,
    /// Where alerts are told.
    pub(crate) sinks: Vec<Arc<Sink>>,
}

impl Settings {
    /// Reads the file that was asked for, else `sluice.toml` if there is one, else takes the defaults.
    pub(crate) fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let config = match file {
            Some(file) => read(file)?,
            None if Path::new(FILE).exists() => read(Path::new(FILE))?,
            None => {
                tracing::warn!("no {FILE} here and no --config: using the defaults (`sluice run --help`)");
                ProcessConfig::default()
            }
        };
        let workers = match config.workers {
            Some(workers) => workers,
            None => std::thread::available_parallelism().context("count the cores")?.get(),
        };
        let operator = token(config.admin.token_env.as_deref())?;
        let read_only = token(config.admin.read_token_env.as_deref())?;
        if operator.is_some() && operator == read_only {
            bail!("read the admin tokens: the one that may only read is the operator's");
        }
        let tokens = Tokens { operator, read_only };
        let override_key = config.override_key.as_ref().map(override_key).transpose()?;
        let sinks = sinks::open(&config.sinks)?;
        Ok(Self { config, workers, tokens, override_key, sinks })
    }

    /// The store as `sluice-state` opens it.
    pub(crate) fn store(&self) -> sluice_state::Config {
        let store = &self.config.store;
        let backend = match &store.url {
            StoreUrl::Embedded => Backend::Embedded,
            StoreUrl::Redis(url) => Backend::Redis { url: url.clone() },
        };
        sluice_state::Config::new(backend, &store.edge, store.switches.clone(), &self.config.folders.data)
    }

    /// The store's kind, for people.
    pub(crate) const fn store_kind(&self) -> &'static str {
        match self.config.store.url {
            StoreUrl::Embedded => "embedded",
            StoreUrl::Redis(_) => "redis",
        }
    }
}

/// Why a file gives no settings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// It cannot be read.
    #[error("read {}", .0.display())]
    Io(PathBuf, #[source] std::io::Error),
    /// It says something wrong. The faults name the file.
    #[error("{0}")]
    Faults(Faults),
}

/// Reads a `sluice.toml`, with its folders as paths from here.
pub(crate) fn read(file: &Path) -> Result<ProcessConfig, ReadError> {
    let text = std::fs::read_to_string(file).map_err(|error| ReadError::Io(file.to_owned(), error))?;
    let source = Source { file: file.display().to_string(), text };
    let mut config = sluice_policy::parse_process(&source).map_err(ReadError::Faults)?;
    let base = file.parent().unwrap_or_else(|| Path::new(""));
    resolve(&mut config.folders, base);
    if let AccessLog::File(log) = &mut config.access_log {
        *log = base.join(&*log);
    }
    if let Some(Secret::File(key)) = &mut config.override_key {
        *key = base.join(&*key);
    }
    sinks::resolve(&mut config.sinks, base);
    Ok(config)
}

/// Takes folders as relative to `base`.
pub(crate) fn resolve(folders: &mut Folders, base: &Path) {
    for folder in [&mut folders.routes, &mut folders.plugins, &mut folders.data] {
        *folder = base.join(&*folder);
    }
}

fn override_key(secret: &Secret) -> anyhow::Result<OverrideKey> {
    let what = "the key of overrides ([rollouts] override_key)";
    OverrideKey::new(secret::read(what, secret)?).with_context(|| format!("use {what}"))
}

fn token(variable: Option<&str>) -> anyhow::Result<Option<String>> {
    let Some(variable) = variable else { return Ok(None) };
    match std::env::var(variable) {
        Ok(token) if !token.trim().is_empty() => Ok(Some(token.trim().to_owned())),
        Ok(_) => bail!("read the admin token: the environment variable {variable} is empty"),
        Err(error) => Err(error).with_context(|| format!("read the admin token from {variable}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_relative_to_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        std::fs::write(&file, "[folders]\nplugins = \"/srv/plugins\"\n[access_log]\nto = { file = \"access.log\" }\n")
            .unwrap();
        let config = read(&file).unwrap();
        assert_eq!(config.folders.routes, folder.path().join("routes.d"));
        assert_eq!(config.folders.plugins, Path::new("/srv/plugins"));
        assert_eq!(config.access_log, AccessLog::File(folder.path().join("access.log")));
    }

    #[test]
    fn faults_name_the_file_and_a_missing_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        assert!(matches!(read(&file), Err(ReadError::Io(..))));
        std::fs::write(&file, "[admim]\n").unwrap();
        let text = read(&file).unwrap_err().to_string();
        assert!(text.contains("sluice.toml:1:") && text.contains("admin"), "{text}");
    }

    #[test]
    fn a_token_that_is_named_must_be_there() {
        assert!(token(None).unwrap().is_none());
        assert!(token(Some("SLUICE_NO_SUCH_VARIABLE")).is_err());
    }
}
