//! A folder that only our own user may enter, and files in it that only our own user may write.
//!
//! Everything goes through the descriptor of the folder and those of opened files, never twice through a path: what was
//! checked is what is read. Links are not followed.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rustix::fs::{self, AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::process::{geteuid, getpid};

/// Begins the name of a file that is not whole yet.
const DRAFT: &str = ".draft-";

/// What the owner, the group and all others may do.
const ACCESS: u32 = 0o777;

/// Why a folder or a file of it is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    /// The system says no.
    #[error("{0}")]
    System(#[from] io::Error),
    /// Somebody else could have written it.
    #[error("{0}")]
    Suspicious(&'static str),
}

impl From<Errno> for FolderError {
    fn from(error: Errno) -> Self {
        Self::System(error.into())
    }
}

/// Content of a file that only our own user can have written.
pub(super) struct OwnFile(Vec<u8>);

impl OwnFile {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// One file of a folder.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) bytes: u64,
    /// When it was last read or written.
    pub(super) used: SystemTime,
}

/// An opened folder of our own.
pub(super) struct Folder {
    descriptor: OwnedFd,
    path: PathBuf,
    drafts: AtomicU64,
}

impl Folder {
    /// Opens the folder, or makes it in a folder that is there.
    ///
    /// # Errors
    /// [`FolderError`] if it cannot be opened, or others may enter it.
    pub(super) fn open(path: &Path) -> Result<Self, FolderError> {
        match fs::mkdir(path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let descriptor = fs::openat(CWD, path, flags, Mode::empty())?;
        check_owner(&fs::fstat(&descriptor)?, Mode::RWXU)?;
        Ok(Self { descriptor, path: path.to_owned(), drafts: AtomicU64::new(0) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The whole content of a file, which counts as used now; `None` = there is no such file.
    ///
    /// # Errors
    /// [`FolderError`] if it cannot be read, is too long, or others could have written it.
    pub(super) fn read(&self, name: &str, bytes_max: u64) -> Result<Option<OwnFile>, FolderError> {
        // Without NONBLOCK a pipe under this name would wait for its other end.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match fs::openat(&self.descriptor, name, flags, Mode::empty()) {
            Ok(descriptor) => File::from(descriptor),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(FolderError::Suspicious("it is a symbolic link")),
            Err(error) => return Err(error.into()),
        };
        let stat = fs::fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_nlink > 1 {
            return Err(FolderError::Suspicious("it is not a regular file of one name"));
        }
        check_owner(&stat, Mode::RUSR | Mode::WUSR)?;
        let bytes = u64::try_from(stat.st_size).ok().filter(|bytes| *bytes <= bytes_max);
        let bytes = bytes.ok_or(FolderError::Suspicious("it is too long"))?;
        let mut content = Vec::new();
        content.try_reserve_exact(usize::try_from(bytes).unwrap_or(usize::MAX)).map_err(io::Error::other)?;
        (&file).take(bytes).read_to_end(&mut content)?;
        // On a disk that cannot be written the order of use is lost, which does no harm.
        let _unmarked = file.set_modified(SystemTime::now());
        Ok(Some(OwnFile(content)))
    }

    /// Writes a whole file in place of what has that name. No fsync: what a crash leaves half written is found damaged.
    ///
    /// # Errors
    /// [`FolderError`]; nothing is left behind then.
    pub(super) fn write(&self, name: &str, parts: &[&[u8]]) -> Result<(), FolderError> {
        let number = self.drafts.fetch_add(1, Ordering::Relaxed);
        let draft = format!("{DRAFT}{}-{number}", getpid().as_raw_nonzero());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(fs::openat(&self.descriptor, &draft, flags, Mode::RUSR | Mode::WUSR)?);
        let written = parts.iter().try_for_each(|part| file.write_all(part));
        let moved = written
            .and_then(|()| fs::renameat(&self.descriptor, &draft, &self.descriptor, name).map_err(io::Error::from));
        if moved.is_err() {
            self.remove(&draft)?;
        }
        Ok(moved?)
    }

    /// Removes a file; that it is gone already is no error.
    ///
    /// # Errors
    /// [`FolderError`] if the system says no.
    pub(super) fn remove(&self, name: &str) -> Result<(), FolderError> {
        match fs::unlinkat(&self.descriptor, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Up to `entries_max` regular files, in no order.
    ///
    /// # Errors
    /// [`FolderError`] if the folder cannot be listed.
    pub(super) fn entries(&self, entries_max: usize) -> Result<Vec<Entry>, FolderError> {
        let mut entries = Vec::new();
        for entry in Dir::read_from(&self.descriptor)?.take(entries_max) {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            // A file may go between the listing and the look.
            let Ok(stat) = fs::statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
                let bytes = u64::try_from(stat.st_size).unwrap_or(0);
                entries.push(Entry { name: name.to_owned(), bytes, used: modified(&stat) });
            }
        }
        Ok(entries)
    }
}

/// Whether this is the name of a file that is not whole yet.
pub(super) fn is_draft(name: &str) -> bool {
    name.starts_with(DRAFT)
}

fn check_owner(stat: &Stat, mode: Mode) -> Result<(), FolderError> {
    if stat.st_uid != geteuid().as_raw() {
        return Err(FolderError::Suspicious("it belongs to another user"));
    }
    if stat.st_mode & ACCESS != mode.as_raw_mode() {
        return Err(FolderError::Suspicious("others than its owner have access to it"));
    }
    Ok(())
}

fn modified(stat: &Stat) -> SystemTime {
    let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
    let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds)
}
