//! A spool: what waits for the store, in memory and as lines of JSON in a file, so that a restart loses nothing.
//!
//! Everything here blocks for as long as a disk takes. A line that cannot be read is left out and counted: a half-written
//! one is what a crash leaves, and the others must not suffer for it.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest line; the largest alert, all its texts at their bounds (`router/wasm/src/bounds.rs`), is below.
pub(crate) const LINE_BYTES_MAX: usize = 64 * 1_024;

/// See the module. The oldest first.
#[derive(Debug)]
pub(crate) struct Spool<T> {
    path: PathBuf,
    entries_max: usize,
    entries: VecDeque<T>,
    /// The file holds something else than `entries`.
    is_stale: bool,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// It waits, on disk too.
    Kept,
    /// There are as many as may be, or it is too long.
    Refused,
}

impl<T: Serialize + DeserializeOwned> Spool<T> {
    /// Opens the file, or begins it; also tells how many lines were left out.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub(crate) fn open(folder: &Path, file: &str, entries_max: usize) -> io::Result<(Self, usize)> {
        fs::create_dir_all(folder)?;
        let path = folder.join(file);
        let mut spool = Self { path, entries_max, entries: VecDeque::new(), is_stale: false };
        let left_out = match File::open(&spool.path) {
            Ok(file) => spool.read(file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        // What cannot be read goes with the next write.
        spool.is_stale = left_out > 0;
        Ok((spool, left_out))
    }

    fn read(&mut self, file: File) -> io::Result<usize> {
        let mut reader = BufReader::new(file);
        let (mut left_out, mut line) = (0, Vec::new());
        // As many lines as a spool of ours has at the most: a file of others does not fill the memory.
        for _ in 0..self.entries_max.saturating_mul(2) {
            line.clear();
            let limit = LINE_BYTES_MAX as u64 + 1;
            let count = reader.by_ref().take(limit).read_until(b'\n', &mut line)?;
            if count == 0 {
                break;
            }
            let is_whole = line.ends_with(b"\n");
            if !is_whole && count > LINE_BYTES_MAX {
                skip_line(&mut reader)?;
            }
            match serde_json::from_slice(&line) {
                Ok(entry) if is_whole && self.entries.len() < self.entries_max => self.entries.push_back(entry),
                _ => left_out += 1,
            }
        }
        Ok(left_out)
    }

    /// What waits, oldest first.
    pub(crate) const fn entries(&self) -> &VecDeque<T> {
        &self.entries
    }

    /// Adds an entry. It waits in memory even where the disk fails.
    ///
    /// # Errors
    /// If it is not on disk.
    pub(crate) fn add(&mut self, entry: T) -> io::Result<Added> {
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        if self.entries.len() >= self.entries_max || line.len() > LINE_BYTES_MAX {
            return Ok(Added::Refused);
        }
        self.entries.push_back(entry);
        if self.is_stale {
            self.rewrite()?;
            return Ok(Added::Kept);
        }
        // If this fails half way, the file has a broken line.
        self.is_stale = true;
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        file.write_all(&line)?;
        file.sync_data()?;
        self.is_stale = false;
        Ok(Added::Kept)
    }

    /// Drops entries that need not wait any more.
    ///
    /// # Errors
    /// If the file still has them.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&T) -> bool) -> io::Result<()> {
        let before = self.entries.len();
        self.entries.retain(keep);
        if self.entries.len() == before && !self.is_stale {
            return Ok(());
        }
        self.rewrite()
    }

    fn rewrite(&mut self) -> io::Result<()> {
        self.is_stale = true;
        let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        for entry in &self.entries {
            serde_json::to_writer(&mut file, entry)?;
            file.write_all(b"\n")?;
        }
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        self.is_stale = false;
        Ok(())
    }
}

fn skip_line(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let part = reader.fill_buf()?;
        if part.is_empty() {
            return Ok(());
        }
        match part.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                reader.consume(end + 1);
                return Ok(());
            }
            None => {
                let length = part.len();
                reader.consume(length);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "test.jsonl";

    fn open(folder: &Path) -> (Spool<String>, usize) {
        Spool::open(folder, FILE, 3).unwrap()
    }

    #[test]
    fn what_waits_is_there_after_a_restart_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let (mut spool, _) = open(folder.path());
        for text in ["a", "b", "c"] {
            assert_eq!(spool.add(text.to_owned()).unwrap(), Added::Kept);
        }
        assert_eq!(spool.add("d".to_owned()).unwrap(), Added::Refused);
        let (mut spool, left_out) = open(folder.path());
        assert_eq!((spool.entries(), left_out), (&VecDeque::from(["a", "b", "c"].map(str::to_owned)), 0));
        spool.retain(|text| text != "b").unwrap();
        assert_eq!(open(folder.path()).0.entries(), &VecDeque::from(["a", "c"].map(str::to_owned)));
    }

    #[test]
    fn a_line_is_kept_at_its_bound_and_refused_one_past_it() {
        let folder = tempfile::tempdir().unwrap();
        let (mut spool, _) = open(folder.path());
        // Two quotes and the line's end.
        let longest = "x".repeat(LINE_BYTES_MAX - 3);
        assert_eq!(spool.add(longest.clone()).unwrap(), Added::Kept);
        assert_eq!(spool.add(format!("{longest}x")).unwrap(), Added::Refused);
        assert_eq!(open(folder.path()).0.entries().len(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_left_out_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let long = "y".repeat(LINE_BYTES_MAX * 2);
        let text = format!("\"a\"\n\u{0}\u{1}nonsense\n\"{long}\"\n{{\"b\":1}}\n\"c\"\n\"half");
        fs::write(folder.path().join(FILE), text).unwrap();
        let (mut spool, left_out) = open(folder.path());
        assert_eq!((spool.entries().len(), left_out), (2, 4));
        spool.add("d".to_owned()).unwrap();
        let (spool, left_out) = open(folder.path());
        assert_eq!((spool.entries(), left_out), (&VecDeque::from(["a", "c", "d"].map(str::to_owned)), 0));
    }

    #[test]
    fn a_file_of_others_does_not_fill_the_memory() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "\"a\"\n".repeat(10_000)).unwrap();
        let (spool, left_out) = open(folder.path());
        assert_eq!((spool.entries().len(), left_out), (3, 3));
    }
}
