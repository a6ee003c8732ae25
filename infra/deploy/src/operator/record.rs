//! What the gates printed, kept for the last deploys of an app, each in a file of bounded size.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::droplet::now_ms;
use crate::short;

/// Records that are kept.
const KEPT: usize = 20;
/// Largest record.
const BYTES_MAX: usize = 4 * 1024 * 1024;
const CUT: &str = "(what came after this was not kept)\n";

/// The record of one deploy.
pub(super) struct Record {
    file: File,
    path: PathBuf,
    left_bytes: usize,
}

impl Record {
    /// Begins one, and removes the oldest.
    pub(super) fn begin(folder: &Path, commit: &str) -> io::Result<Self> {
        let folder = folder.join("log");
        fs::create_dir_all(&folder)?;
        let mut names: Vec<PathBuf> =
            fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        // Their names begin with their time, in as many digits.
        names.sort();
        for old in names.iter().take(names.len().saturating_sub(KEPT - 1)) {
            fs::remove_file(old)?;
        }
        let path = folder.join(format!("{}-{}.log", now_ms(), short(commit)));
        Ok(Self { file: File::create(&path)?, path, left_bytes: BYTES_MAX })
    }

    /// One more line.
    pub(super) fn line(&mut self, line: &str) -> io::Result<()> {
        if self.left_bytes == 0 {
            return Ok(());
        }
        let needed = line.len() + 1;
        if needed > self.left_bytes {
            self.left_bytes = 0;
            return self.file.write_all(CUT.as_bytes());
        }
        self.left_bytes -= needed;
        writeln!(self.file, "{line}")
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_a_bound_and_so_have_records() {
        let folder = tempfile::tempdir().unwrap();
        let mut record = Record::begin(folder.path(), "0123456789abcdef").unwrap();
        let line = "x".repeat(BYTES_MAX / 2 - 1);
        (0..2).for_each(|_| record.line(&line).unwrap());
        assert_eq!(fs::metadata(record.path()).unwrap().len(), BYTES_MAX as u64, "at its edge");
        record.line("").unwrap();
        assert_eq!(fs::metadata(record.path()).unwrap().len(), BYTES_MAX as u64);

        let mut record = Record::begin(folder.path(), "0123456789abcdef").unwrap();
        record.line(&line).unwrap();
        record.line(&format!("{line}x")).unwrap();
        assert!(fs::read_to_string(record.path()).unwrap().ends_with(CUT), "one past it");

        let log = folder.path().join("log");
        (0..2 * KEPT).for_each(|number| fs::write(log.join(format!("{number:013}-x.log")), "").unwrap());
        let newest = Record::begin(folder.path(), "0123456789abcdef").unwrap();
        assert_eq!(fs::read_dir(&log).unwrap().count(), KEPT);
        assert!(newest.path().is_file());
    }
}
