//! Where lines go. A file is appended to, and opened anew when it was moved away (logrotate) or could not be written.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sluice_policy::AccessLog as Target;

/// How often the file's name is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) struct Destination {
    kind: Kind,
    /// The last line that was written is not whole.
    is_torn: bool,
}

enum Kind {
    Stderr,
    Stdout,
    File(LogFile),
}

struct LogFile {
    path: PathBuf,
    open: Option<Open>,
    looked_at: Instant,
}

struct Open {
    file: File,
    identity: Identity,
}

/// Device and inode: what a name stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity(u64, u64);

/// What went wrong, and how many lines were not written.
type Lost = (io::Error, u64);

impl Destination {
    /// `None`: nowhere.
    pub(super) fn of(target: &Target) -> Option<Self> {
        let kind = match target {
            Target::Off => return None,
            Target::Stderr => Kind::Stderr,
            Target::Stdout => Kind::Stdout,
            Target::File(path) => Kind::File(LogFile { path: path.clone(), open: None, looked_at: Instant::now() }),
        };
        Some(Self { kind, is_torn: false })
    }

    /// For people.
    pub(super) fn name(&self) -> String {
        match &self.kind {
            Kind::Stderr => "stderr".to_owned(),
            Kind::Stdout => "stdout".to_owned(),
            Kind::File(file) => file.path.display().to_string(),
        }
    }

    /// Writes whole lines.
    ///
    /// # Errors
    /// [`Lost`]; the next call tries anew, and begins a line of its own.
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<(), Lost> {
        let mut at = 0;
        let written = match &mut self.kind {
            Kind::Stderr => write(&mut io::stderr().lock(), self.is_torn, lines, &mut at),
            Kind::Stdout => write(&mut io::stdout().lock(), self.is_torn, lines, &mut at),
            Kind::File(file) => file.opened().and_then(|file| write(file, self.is_torn, lines, &mut at)),
        };
        if at > 0 {
            self.is_torn = !lines[..at].ends_with(b"\n");
        }
        written.map_err(|error| {
            if let Kind::File(file) = &mut self.kind {
                file.open = None;
            }
            (error, memchr::memchr_iter(b'\n', &lines[at..]).count() as u64)
        })
    }

    /// Lets go of a file whose name stands for another one by now, or for none.
    pub(super) fn look_around(&mut self) {
        if let Kind::File(file) = &mut self.kind {
            file.look_around();
        }
    }
}

/// Writes `lines` from `at` on, and moves it.
fn write(out: &mut impl Write, is_torn: bool, lines: &[u8], at: &mut usize) -> io::Result<()> {
    if is_torn {
        out.write_all(b"\n")?;
    }
    while *at < lines.len() {
        match out.write(&lines[*at..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(bytes) => *at += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    out.flush()
}

impl LogFile {
    fn opened(&mut self) -> io::Result<&mut File> {
        self.look_around();
        if self.open.is_none() {
            let file = OpenOptions::new().append(true).create(true).open(&self.path)?;
            let identity = Identity::of(&file.metadata()?);
            self.open = Some(Open { file, identity });
        }
        let open = self.open.as_mut().ok_or(io::ErrorKind::NotFound)?;
        Ok(&mut open.file)
    }

    fn look_around(&mut self) {
        if self.looked_at.elapsed() < LOOK_EVERY {
            return;
        }
        self.looked_at = Instant::now();
        if self.open.as_ref().is_some_and(|open| !open.is_still(&self.path)) {
            self.open = None;
        }
    }
}

impl Open {
    fn is_still(&self, path: &Path) -> bool {
        path.metadata().is_ok_and(|now| Identity::of(&now) == self.identity)
    }
}

impl Identity {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `room` bytes, then fails.
    struct Disk {
        taken: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let bytes = &bytes[..bytes.len().min(self.room)];
            if bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.taken.extend_from_slice(bytes);
            self.room -= bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_disk_that_is_full_tears_one_line_at_most() {
        let mut disk = Disk { taken: Vec::new(), room: 7 };
        let mut at = 0;
        assert!(write(&mut disk, false, b"one\ntwo\nthree\n", &mut at).is_err());
        assert_eq!(at, 7);
        disk.room = 100;
        write(&mut disk, true, b"four\n", &mut 0).unwrap();
        assert_eq!(disk.taken, b"one\ntwo\nfour\n");
    }

    #[test]
    fn lines_that_are_lost_are_counted_and_a_folder_that_comes_heals_it() {
        let folder = std::env::temp_dir().join(format!("sluice-access-log-{}", std::process::id()));
        let file = folder.join("access.log");
        let mut destination = Destination::of(&Target::File(file.clone())).unwrap();
        assert_eq!(destination.write(b"a\nb\n").unwrap_err().1, 2);
        std::fs::create_dir(&folder).unwrap();
        destination.write(b"c\n").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"c\n");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
