//! Reading folders: which files count, whether they moved, and their bytes, without ever blocking on a pipe.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// Largest policy file; the largest real one known to us is a few ten KiB.
pub(crate) const POLICY_FILE_BYTES_MAX: u64 = 1 << 20;
/// Largest plugin file; the same bound that the plugin host sets.
pub(crate) const PLUGIN_FILE_BYTES_MAX: u64 = 64 << 20;
/// Files of one folder that are looked at.
pub(crate) const FILES_MAX: usize = 1_024;

/// Extension of policy files.
pub(crate) const POLICY_EXTENSION: &str = "toml";
/// Extension of plugin files.
pub(crate) const PLUGIN_EXTENSION: &str = "wasm";

/// What `stat` says of a file: if this stays, the content stayed. The change time sees what a restored modification
/// time hides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified_ns: i128,
    changed_ns: i128,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The stamp of a path, links followed; `None` = it cannot be reached.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|metadata| Self::of(&metadata))
    }

    /// Tells one folder from another that took its name.
    pub(crate) const fn identity(self) -> (u64, u64) {
        (self.device, self.inode)
    }
}

/// The files of a folder by name; `None` = a name that leads nowhere, such as a dangling link.
pub(crate) type Listing = BTreeMap<String, Option<Stamp>>;

/// Lists the files with this extension, at most [`FILES_MAX`], temporary ones left out.
///
/// # Errors
/// The folder cannot be read, or has too many files.
pub(crate) fn list(folder: &Path, extension: &str) -> io::Result<Listing> {
    let mut listing = Listing::new();
    for entry in std::fs::read_dir(folder)? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        if is_temporary(&name) || Path::new(&name).extension().is_none_or(|own| own != extension) {
            continue;
        }
        if listing.len() == FILES_MAX {
            return Err(io::Error::other(format!("more than {FILES_MAX} files")));
        }
        let stamp = Stamp::read(&folder.join(&name));
        listing.insert(name, stamp);
    }
    Ok(listing)
}

/// True for what editors and copy tools write beside a file before they rename it.
pub(crate) fn is_temporary(name: &str) -> bool {
    /// Kubernetes swaps a mounted folder by renaming this link: no temporary file, for all that it looks like one.
    const SWAPPED_LINK: &str = "..data";
    const SUFFIXES: [&str; 5] = ["~", ".tmp", ".swp", ".swx", ".part"];
    (name.starts_with('.') && name != SWAPPED_LINK) || SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No such file, no permission, a broken disk.
    #[error("cannot read the file")]
    Io(#[from] io::Error),
    /// A folder, pipe, socket or device.
    #[error("is a {0}, not a file")]
    NotAFile(&'static str),
    /// Over its bound.
    #[error("is larger than {bytes_max} bytes")]
    TooLarge {
        /// The bound.
        bytes_max: u64,
    },
    /// A policy file that is no text.
    #[error("is not UTF-8 text")]
    NotText,
}

/// Reads a whole regular file, links followed.
///
/// # Errors
/// [`ReadError`].
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, ReadError> {
    let is_fit = |metadata: &Metadata| match kind(metadata) {
        Some(kind) => Err(ReadError::NotAFile(kind)),
        // Before a byte is read: what is not taken should cost no memory either.
        None if metadata.len() > bytes_max => Err(ReadError::TooLarge { bytes_max }),
        None => Ok(metadata.len()),
    };
    // Before it is opened: that fails for a socket, and does something to some devices.
    is_fit(&std::fs::metadata(path)?)?;
    // Without NONBLOCK, opening a pipe that has just taken the place of the file waits for its writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?);
    let length = is_fit(&file.metadata()?)?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    // It may grow while it is read.
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(ReadError::TooLarge { bytes_max });
    }
    Ok(bytes)
}

/// Reads a whole text file.
///
/// # Errors
/// [`ReadError`].
pub(crate) fn read_text(path: &Path, bytes_max: u64) -> Result<String, ReadError> {
    String::from_utf8(read(path, bytes_max)?).map_err(|_| ReadError::NotText)
}

/// What it is, if it is no file.
fn kind(metadata: &Metadata) -> Option<&'static str> {
    let kind = metadata.file_type();
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("directory")
    } else if kind.is_fifo() {
        Some("pipe")
    } else if kind.is_socket() {
        Some("socket")
    } else {
        Some("device")
    }
}

/// How a file of a folder is called in faults: `routes.d/demo.toml`.
pub(crate) fn shown(folder: &Path, name: &str) -> String {
    let folder = folder.file_name().map(PathBuf::from).unwrap_or_default();
    printable(&folder.join(name).display().to_string())
}

/// A name without control characters: it may hold line breaks, and sequences that the terminal would obey on which it is
/// shown.
pub(crate) fn printable(name: &str) -> String {
    let mut shown = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_files_of_editors_are_known() {
        for name in [".demo.toml.swp", "demo.toml~", ".#demo.toml", "demo.toml.tmp", "4913.tmp", "x.wasm.part"] {
            assert!(is_temporary(name), "{name}");
        }
        for name in ["demo.toml", "a.b.wasm", "..data"] {
            assert!(!is_temporary(name), "{name}");
        }
    }

    #[test]
    fn only_whole_regular_files_up_to_the_bound_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert!(matches!(read(&path, 4), Err(ReadError::TooLarge { bytes_max: 4 })));
        assert!(matches!(read(folder.path(), 5), Err(ReadError::NotAFile("directory"))));
        let socket = folder.path().join("b.toml");
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        assert!(matches!(read(&socket, 5), Err(ReadError::NotAFile("socket"))));
        std::fs::write(&path, [0xff]).unwrap();
        assert!(matches!(read_text(&path, 5), Err(ReadError::NotText)));
    }

    #[test]
    fn names_are_shown_on_one_line() {
        let shown = |name| shown(Path::new("/etc/sluice/plugins.d"), name);
        assert_eq!(shown("kätzchen 猫.wasm"), "plugins.d/kätzchen 猫.wasm");
        assert_eq!(shown("a\nb.wasm"), "plugins.d/a\\nb.wasm");
        assert_eq!(shown("\u{1b}[2J.wasm"), "plugins.d/\\u{1b}[2J.wasm");
    }

    #[test]
    fn a_listing_moves_with_every_change_and_holds_dangling_links() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        std::fs::write(&path, "1").unwrap();
        std::fs::write(folder.path().join("b.txt"), "1").unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("c.toml")).unwrap();
        let before = list(folder.path(), POLICY_EXTENSION).unwrap();
        assert_eq!(before.keys().collect::<Vec<_>>(), ["a.toml", "c.toml"]);
        assert!(before["c.toml"].is_none());
        std::fs::write(&path, "22").unwrap();
        assert_ne!(list(folder.path(), POLICY_EXTENSION).unwrap(), before);
    }
}
