//! What a service printed: `NAME.log` below the log folder, with one older file beside it, both of bounded size.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// Size from which a file is put aside, as `NAME.log.1`; the one that lay there is forgotten.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// A line without end may grow a file up to this.
const FILE_BYTES_CEILING: u64 = 2 * FILE_BYTES_MAX;
/// What is read from the end of a log, and so the most that a tail can have.
pub(super) const TAIL_BYTES_MAX: u64 = 256 * 1024;

/// An open log.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Journal {
    /// Appends to what is there, if there is room.
    pub(super) fn open(folder: &Path, service: &str) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let path = path(folder, service);
        let file = append(&path)?;
        let bytes = file.metadata()?.len();
        let mut journal = Self { path, file, bytes };
        if bytes >= FILE_BYTES_MAX {
            journal.put_aside()?;
        }
        Ok(journal)
    }

    /// Appends what was printed. A file is put aside only between two lines, unless a line has no end.
    pub(super) fn write(&mut self, printed: &[u8]) -> io::Result<()> {
        if self.bytes < FILE_BYTES_MAX {
            return self.append(printed);
        }
        let line_end = printed.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let (line, rest) = printed.split_at(line_end.unwrap_or(0));
        if line_end.is_none() && self.bytes < FILE_BYTES_CEILING {
            return self.append(printed);
        }
        self.append(line)?;
        self.put_aside()?;
        self.append(rest)
    }

    fn put_aside(&mut self) -> io::Result<()> {
        std::fs::rename(&self.path, older(&self.path))?;
        self.file = append(&self.path)?;
        self.bytes = 0;
        Ok(())
    }

    fn append(&mut self, printed: &[u8]) -> io::Result<()> {
        self.file.write_all(printed)?;
        self.bytes += printed.len() as u64;
        Ok(())
    }
}

/// Adds a line of the supervisor's own. It puts no file aside, since the service may be writing.
pub(super) fn note(folder: &Path, service: &str, line: &str) -> io::Result<()> {
    append(&path(folder, service))?.write_all(format!("init: {line}\n").as_bytes())
}

/// The last lines that a service printed, oldest first; none if it never ran.
pub(super) fn tail(folder: &Path, service: &str, lines_max: usize) -> io::Result<Vec<String>> {
    let path = path(folder, service);
    let mut text = end(&path, TAIL_BYTES_MAX)?;
    if (text.len() as u64) < TAIL_BYTES_MAX {
        let mut before = end(&older(&path), TAIL_BYTES_MAX - text.len() as u64)?;
        before.append(&mut text);
        text = before;
    }
    // A first line that was cut is no line.
    let whole = if text.len() as u64 >= TAIL_BYTES_MAX { text.iter().position(|byte| *byte == b'\n') } else { None };
    let text = String::from_utf8_lossy(&text[whole.map_or(0, |at| at + 1)..]).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(lines_max)..].iter().map(|line| (*line).to_owned()).collect())
}

fn path(folder: &Path, service: &str) -> PathBuf {
    folder.join(format!("{service}.log"))
}

fn older(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// The last bytes of a file; none if it is not there.
fn end(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(bytes_max)))?;
    let mut text = Vec::new();
    file.take(bytes_max).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_put_aside_between_two_lines() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path(), "app").unwrap();
        journal.write(&vec![b'x'; usize::try_from(FILE_BYTES_MAX).unwrap()]).unwrap();
        journal.write(b"end of the line\nnext\n").unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("app.log")).unwrap(), "next\n");
        let aside = std::fs::read(folder.path().join("app.log.1")).unwrap();
        assert!(aside.ends_with(b"xend of the line\n"));
        assert_eq!(tail(folder.path(), "app", 1).unwrap(), ["next"]);
    }

    #[test]
    fn a_note_puts_nothing_aside_and_the_next_start_does() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("app.log"), vec![b'\n'; usize::try_from(FILE_BYTES_MAX).unwrap()]).unwrap();
        note(folder.path(), "app", "ended").unwrap();
        assert!(!folder.path().join("app.log.1").exists());
        Journal::open(folder.path(), "app").unwrap().write(b"started\n").unwrap();
        assert_eq!(tail(folder.path(), "app", 2).unwrap(), ["init: ended", "started"]);
        assert_eq!(std::fs::read_to_string(folder.path().join("app.log")).unwrap(), "started\n");
    }

    #[test]
    fn a_line_without_end_is_cut_at_the_ceiling() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path(), "app").unwrap();
        let chunk = vec![b'x'; 1024 * 1024];
        for _ in 0..FILE_BYTES_CEILING / chunk.len() as u64 {
            journal.write(&chunk).unwrap();
        }
        assert!(!folder.path().join("app.log.1").exists());
        journal.write(b"x").unwrap();
        assert_eq!(std::fs::metadata(folder.path().join("app.log.1")).unwrap().len(), FILE_BYTES_CEILING);
        assert_eq!(std::fs::metadata(folder.path().join("app.log")).unwrap().len(), 1);
    }

    #[test]
    fn the_tail_goes_on_in_the_older_file_and_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(tail(folder.path(), "app", 10).unwrap(), [""; 0]);
        std::fs::write(folder.path().join("app.log.1"), "one\ntwo\n").unwrap();
        std::fs::write(folder.path().join("app.log"), "three\n").unwrap();
        assert_eq!(tail(folder.path(), "app", 2).unwrap(), ["two", "three"]);
        assert_eq!(tail(folder.path(), "app", 10).unwrap(), ["one", "two", "three"]);
        let long = format!("cut\n{}\nlast\n", "x".repeat(usize::try_from(TAIL_BYTES_MAX).unwrap() - 10));
        std::fs::write(folder.path().join("app.log"), long).unwrap();
        let lines = tail(folder.path(), "app", 10).unwrap();
        assert_eq!((lines.len(), lines.last().map(String::as_str)), (2, Some("last")));
    }
}
