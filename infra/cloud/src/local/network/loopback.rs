//! Droplets on 127.x.y.z: each cloud of a user claims its own /24 by a file in the folder for temporary files, so that
//! clouds that run at the same time do not meet.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use super::{Mode, Subnet};
use crate::error::CloudError;
use crate::local::program::file_fault;

/// Ports that are tried for sshd: above 1024, which anybody may bind.
const SSH_PORTS: std::ops::Range<u16> = 2222..2322;

/// Takes a /24 that no other cloud has whose folder is still there.
pub(super) fn claim(owner: &Path) -> Result<Subnet, CloudError> {
    let (folder, _lock) = claims()?;
    for _ in 0..Subnet::TRIES_MAX {
        let subnet = Subnet::any(Mode::Loopback);
        let claim = folder.join(name(subnet));
        if other_owner(&claim, owner).is_none() {
            write(&claim, owner)?;
            return Ok(subnet);
        }
    }
    Err(CloudError::Machine { message: format!("no free addresses are left: see {}", folder.display()) })
}

/// Claims it again, if the folder for temporary files was emptied.
pub(super) fn hold(subnet: Subnet, owner: &Path) -> Result<(), CloudError> {
    let (folder, _lock) = claims()?;
    let claim = folder.join(name(subnet));
    match other_owner(&claim, owner) {
        Some(other) => Err(CloudError::Machine { message: format!("its addresses are used by {}", other.display()) }),
        None => write(&claim, owner),
    }
}

/// Gives it back.
pub(super) fn release(subnet: Subnet) -> Result<(), CloudError> {
    let (folder, _lock) = claims()?;
    let claim = folder.join(name(subnet));
    match std::fs::remove_file(&claim) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file_fault("remove", &claim, &error)),
        _ => Ok(()),
    }
}

/// A port that nobody listens on: sshd gets it a moment later.
pub(super) fn ssh_port(address: Ipv4Addr) -> Result<u16, CloudError> {
    let mut ports = SSH_PORTS;
    ports.find(|port| TcpListener::bind((address, *port)).is_ok()).ok_or_else(|| CloudError::Machine {
        message: format!("{address} has no free port from {} to {}", SSH_PORTS.start, SSH_PORTS.end - 1),
    })
}

/// The folder of this user's claims, locked.
fn claims() -> Result<(PathBuf, File), CloudError> {
    let folder = std::env::temp_dir().join(format!("sluice-local-{}", rustix::process::geteuid().as_raw()));
    let opened = std::fs::create_dir_all(&folder).and_then(|()| {
        let lock = File::options().create(true).truncate(false).write(true).open(folder.join("lock"))?;
        lock.lock()?;
        Ok(lock)
    });
    let lock = opened.map_err(|error| file_fault("lock", &folder, &error))?;
    Ok((folder, lock))
}

/// Another cloud that claims it and still has its folder.
fn other_owner(claim: &Path, owner: &Path) -> Option<PathBuf> {
    let other = PathBuf::from(std::fs::read_to_string(claim).ok()?);
    (other != owner && other.is_dir()).then_some(other)
}

fn write(claim: &Path, owner: &Path) -> Result<(), CloudError> {
    std::fs::write(claim, owner.as_os_str().as_encoded_bytes()).map_err(|error| file_fault("write", claim, &error))
}

fn name(subnet: Subnet) -> String {
    format!("127.{}.{}", subnet.second, subnet.third)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_holds_as_long_as_its_folder_is_there() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let subnet = claim(one.path()).unwrap();
        hold(subnet, one.path()).unwrap();
        assert!(hold(subnet, two.path()).is_err());
        drop(one);
        hold(subnet, two.path()).unwrap();
        release(subnet).unwrap();
        release(subnet).unwrap();
    }
}
