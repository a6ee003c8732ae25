//! The name of this router in the fleet: made up once, kept in the data folder.

use std::fs;
use std::io;
use std::path::Path;

/// Its file, in the data folder.
const FILE: &str = "router-id";
/// Where Linux says what the machine is called.
const HOST_FILE: &str = "/proc/sys/kernel/hostname";
/// Longest part of it that is the machine's name: that of a host (RFC 1035 section 2.3.4).
const HOST_BYTES_MAX: usize = 63;
/// Longest name: the machine's, a dash and 8 digits.
const NAME_BYTES_MAX: usize = HOST_BYTES_MAX + 9;

/// The name, as it was when this router first started on this folder.
///
/// # Errors
/// If it can neither be read nor written.
pub(crate) fn router_id(data: &Path) -> io::Result<String> {
    let path = data.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) if is_name(text.trim()) => return Ok(text.trim().to_owned()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        // Nothing, or no name.
        Ok(_) | Err(_) => {}
    }
    let name = format!("{}-{:08x}", host(), rand::random::<u32>());
    let mut file = tempfile::NamedTempFile::new_in(data)?;
    io::Write::write_all(&mut file, name.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    Ok(name)
}

fn host() -> String {
    let text = fs::read_to_string(HOST_FILE).unwrap_or_default();
    let host: String = text.trim().chars().filter(|character| is_part(*character)).take(HOST_BYTES_MAX).collect();
    if host.is_empty() { "router".to_owned() } else { host }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.chars().all(is_part)
}

const fn is_part(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_router_keeps_its_name_and_nonsense_is_replaced() {
        let data = tempfile::tempdir().unwrap();
        let name = router_id(data.path()).unwrap();
        assert!(is_name(&name), "{name}");
        assert_eq!(router_id(data.path()).unwrap(), name);
        fs::write(data.path().join(FILE), "a\nb: c").unwrap();
        let other = router_id(data.path()).unwrap();
        assert!(is_name(&other) && other != name, "{other}");
    }
}
