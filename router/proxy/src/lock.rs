//! The lock behind a listener's address.
//!
//! Workers bind with SO_REUSEPORT, so the kernel would let a second router of the same user bind too and take half of
//! the connections. A probe bind sees a router that already listens; this lock sees one that is just starting.

use std::io;
use std::net::SocketAddr;

/// Held by the process that listens on an address.
///
/// An abstract unix socket: it leaves no file behind, the kernel frees it with the process, and like a port it belongs
/// to the network namespace (`unix(7)`).
#[derive(Debug)]
pub(crate) struct AddressLock {
    #[cfg(target_os = "linux")]
    _socket: std::os::unix::net::UnixListener,
}

impl AddressLock {
    /// Takes the lock of `address`.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`] if another process holds it.
    #[cfg(target_os = "linux")]
    pub(crate) fn take(address: SocketAddr) -> io::Result<Self> {
        use std::os::linux::net::SocketAddrExt;
        let name = std::os::unix::net::SocketAddr::from_abstract_name(format!("sluice-listener-{address}"))?;
        Ok(Self { _socket: std::os::unix::net::UnixListener::bind_addr(&name)? })
    }

    /// Elsewhere the probe bind alone has to do.
    ///
    /// # Errors
    /// None.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn take(_address: SocketAddr) -> io::Result<Self> {
        Ok(Self {})
    }
}
