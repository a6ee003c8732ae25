//! Plugin files made of others, or of text: enough of the binary format to append a custom section.

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::process::plugins;

/// Name of the custom section with a plugin's manifest (`plugins/wit/plugin.wit`).
pub const MANIFEST_SECTION: &str = "sluice:plugin";
/// Preamble of a core module: magic and version 1.
pub const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";
/// What every plugin imports, in the version of the contract that it was built for.
const LOGGING: &str = "sluice:plugin/logging@";

/// The same component with one more custom section at its end: id 0, the size of the content, and as content the
/// length of the name, the name, and any bytes.
#[must_use]
pub fn with_section(component: &[u8], name: &str, content: &[u8]) -> Vec<u8> {
    let section = [leb128(name.len()), name.as_bytes().to_vec(), content.to_vec()].concat();
    [component, &[0], &leb128(section.len()), &section].concat()
}

/// Another build of the same component: it does the same and has another digest.
#[must_use]
pub fn another_build(component: &[u8], number: u32) -> Vec<u8> {
    with_section(component, "build", &number.to_le_bytes())
}

/// A build of a plugin, and the digest that it is shown with.
#[derive(Clone, Debug)]
pub struct Build {
    /// The file.
    pub bytes: Vec<u8>,
    /// SHA-256 of the file, hex.
    pub digest: String,
}

impl Build {
    /// A build of which these are the bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        let digest = format!("{:x}", Sha256::digest(&bytes));
        Self { bytes, digest }
    }

    /// Another build of a built plugin.
    ///
    /// # Errors
    /// If it was not built.
    pub fn of(plugin: &str, number: u32) -> Result<Self> {
        let built = plugins()?.join(format!("{plugin}.wasm"));
        let component = std::fs::read(&built).with_context(|| format!("read {}", built.display()))?;
        Ok(Self::new(another_build(&component, number)))
    }
}

/// A component without any code that says this of itself.
#[must_use]
pub fn with_manifest(json: &[u8]) -> Vec<u8> {
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
    with_section(COMPONENT, MANIFEST_SECTION, json)
}

/// The component, but what it imports from its host is called `name` in place of `sluice:plugin/logging`.
///
/// # Errors
/// If it imports no logging, or the name has another length.
pub fn importing(component: &[u8], name: &str) -> Result<Vec<u8>> {
    let renamed = format!("{name}@");
    ensure!(renamed.len() == LOGGING.len(), "`{name}` would move what follows it");
    let mut bytes = component.to_vec();
    let places: Vec<usize> =
        (0..=bytes.len() - LOGGING.len()).filter(|place| bytes[*place..].starts_with(LOGGING.as_bytes())).collect();
    ensure!(!places.is_empty(), "the plugin imports no logging");
    for place in places {
        bytes[place..place + LOGGING.len()].copy_from_slice(renamed.as_bytes());
    }
    Ok(bytes)
}

/// A length as the binary format writes it: seven bits a byte, the lowest first.
fn leb128(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_as_the_format_says() {
        assert_eq!(leb128(0), [0]);
        assert_eq!(leb128(127), [0x7f]);
        assert_eq!(leb128(128), [0x80, 1]);
        assert_eq!(leb128(1 << 20), [0x80, 0x80, 0x40]);
    }
}
