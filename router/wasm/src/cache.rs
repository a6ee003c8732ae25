//! Compiled plugins on disk, so that a restart, or a way back to an earlier file, need not compile again.
//!
//! Stands between [`crate::Engine`] and the compiler. A file holds what this process or an earlier one compiled, under the
//! digest of the plugin file and the key of the engine; whatever is not exactly that is not there. A cache never makes a
//! load fail: it makes it slow, and says why.

mod envelope;
mod folder;
mod trusted;

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use wasmtime::component::Component;

use crate::digest::Digest;
use envelope::Verified;
pub(crate) use folder::FolderError;
use folder::{Entry, Folder};

/// Bytes of all files together. A compiled plugin takes three to six times its file, so this holds hundreds of plugins
/// in Rust, or some ten with a JavaScript engine inside.
pub(crate) const CACHE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Files looked at in the folder. Far more than the bytes allow; the rest belongs to somebody else.
const FILES_MAX: usize = 16 * 1024;

/// Age at which an unfinished file has been left behind by a process that ended.
const DRAFT_AGE_MAX: Duration = Duration::from_hours(1);

const EXTENSION: &str = ".artifact";

/// Hex digits of a digest and of an engine's key in a file name.
const DIGEST_DIGITS: usize = 64;
const KEY_DIGITS: usize = 16;

/// Compiled plugins in one folder, for one engine.
pub(crate) struct Cache {
    folder: Folder,
    engine: wasmtime::Engine,
    key: EngineKey,
    bytes_max: u64,
    has_failed: AtomicBool,
}

/// What tells engines apart that cannot use each other's code: version of wasmtime, configuration, processor.
#[derive(Clone, Copy, PartialEq, Eq)]
struct EngineKey(u64);

impl EngineKey {
    fn of(engine: &wasmtime::Engine) -> Self {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Self(hasher.finish())
    }
}

impl fmt::Display for EngineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Cache {
    /// Opens the folder, or makes it, and removes what no engine of this kind can use.
    pub(crate) fn open(path: &Path, engine: &wasmtime::Engine, bytes_max: u64) -> Result<Self, FolderError> {
        let cache = Self {
            folder: Folder::open(path)?,
            engine: engine.clone(),
            key: EngineKey::of(engine),
            bytes_max,
            has_failed: AtomicBool::new(false),
        };
        cache.tidy()?;
        Ok(cache)
    }

    /// The compiled plugin, if it is kept and beyond doubt.
    pub(crate) fn find(&self, digest: &Digest) -> Option<Component> {
        let name = self.name(digest);
        let found = self.folder.read(&name, self.bytes_max).map_err(|error| error.to_string());
        let bytes = found.and_then(|file| file.map(|file| Verified::open(file, &name)).transpose());
        let component = bytes.and_then(|bytes| bytes.map(|bytes| trusted::load(&self.engine, &bytes)).transpose());
        match component {
            Ok(component) => component,
            Err(reason) => {
                tracing::warn!(folder = %self.folder.path().display(), file = name, reason, "compiled plugin not used");
                None
            }
        }
    }

    /// Keeps a compiled plugin; those that were not used for the longest time make room.
    pub(crate) fn keep(&self, digest: &Digest, component: &Component) {
        if let Err(reason) = self.try_keep(digest, component)
            && !self.has_failed.swap(true, Ordering::Relaxed)
        {
            let folder = self.folder.path().display();
            tracing::warn!(%folder, reason, "compiled plugins are not kept: the next start compiles again");
        }
    }

    fn try_keep(&self, digest: &Digest, component: &Component) -> Result<(), String> {
        let code = component.serialize().map_err(|error| format!("{error:#}"))?;
        let name = self.name(digest);
        let header = envelope::header(&name, &code);
        let bytes = (header.len() + code.len()) as u64;
        if bytes > self.bytes_max {
            return Err(format!("a compiled plugin of {bytes} bytes, at most {}", self.bytes_max));
        }
        let make = || {
            self.make_room(self.bytes_max - bytes)?;
            self.folder.write(&name, &[&header, &code])
        };
        make().map_err(|error: FolderError| error.to_string())
    }

    fn name(&self, digest: &Digest) -> String {
        format!("{digest}-{}{EXTENSION}", self.key)
    }

    /// Removes files, the longest unused first, until at most `bytes_left` are left.
    fn make_room(&self, bytes_left: u64) -> Result<(), FolderError> {
        let mut kept = self.folder.entries(FILES_MAX)?;
        kept.retain(|entry| engine_key(&entry.name).is_some());
        kept.sort_by_key(|entry| entry.used);
        let mut bytes: u64 = kept.iter().map(|entry| entry.bytes).sum();
        for entry in kept {
            if bytes <= bytes_left {
                break;
            }
            self.folder.remove(&entry.name)?;
            bytes -= entry.bytes;
        }
        Ok(())
    }

    /// Removes files of other engines, and unfinished ones. Others are not ours.
    fn tidy(&self) -> Result<(), FolderError> {
        let key = self.key.to_string();
        let is_old = |entry: &Entry| {
            SystemTime::now().duration_since(entry.used).is_ok_and(|age| age > DRAFT_AGE_MAX)
                && folder::is_draft(&entry.name)
        };
        for entry in self.folder.entries(FILES_MAX)? {
            let is_foreign = engine_key(&entry.name).is_some_and(|other| other != key);
            if (is_foreign || is_old(&entry))
                && let Err(error) = self.folder.remove(&entry.name)
            {
                tracing::warn!(%error, folder = %self.folder.path().display(), "old compiled plugin not removed");
                break;
            }
        }
        Ok(())
    }
}

/// The engine's key in the name of a file of the cache; `None` = the file is none of it.
fn engine_key(name: &str) -> Option<&str> {
    let (digest, key) = name.strip_suffix(EXTENSION)?.split_once('-')?;
    let is_hex = |text: &str, digits| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hex(digest, DIGEST_DIGITS) && is_hex(key, KEY_DIGITS)).then_some(key)
}

#[cfg(test)]
mod tests;
