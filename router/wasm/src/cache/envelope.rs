//! What stands around a compiled plugin in its file: a magic word and a digest over the file's name and the code.
//!
//! It finds damage, and a file under another's name. Against somebody who writes as our own user it does not help: the
//! folder's mode keeps everybody else out.

use sha2::{Digest as _, Sha256};

use super::folder::OwnFile;

/// Begins each file; another form of the envelope begins otherwise.
const MAGIC: &[u8; 16] = b"sluice artifact1";

const DIGEST_BYTES: usize = 32;

const HEADER_BYTES: usize = MAGIC.len() + DIGEST_BYTES;

/// Code that this program wrote under the name that it was read from, unchanged.
pub(super) struct Verified(OwnFile);

impl Verified {
    /// Looks at all of the file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn open(file: OwnFile, name: &str) -> Result<Self, String> {
        let bytes = file.bytes();
        let (header, code) = bytes.split_at_checked(HEADER_BYTES).ok_or("it is cut off")?;
        if header[..MAGIC.len()] != MAGIC[..] {
            return Err("it is no compiled plugin".to_owned());
        }
        if header[MAGIC.len()..] != digest(name, code) {
            return Err("its digest is another: it is damaged".to_owned());
        }
        Ok(Self(file))
    }

    pub(super) fn code(&self) -> &[u8] {
        &self.0.bytes()[HEADER_BYTES..]
    }
}

/// What stands before `code` in the file `name`.
pub(super) fn header(name: &str, code: &[u8]) -> Vec<u8> {
    [&MAGIC[..], &digest(name, code)].concat()
}

/// Names of one cache have one length, so that name and code cannot be taken for each other.
fn digest(name: &str, code: &[u8]) -> [u8; DIGEST_BYTES] {
    Sha256::new().chain_update(name).chain_update(code).finalize().into()
}
