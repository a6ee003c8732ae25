//! What each role needs on its machine, as a manifest; brought there over ssh, or exported for other tools.
//!
//! [`FleetFiles::read`] takes in everything that does not differ between machines and checks it, before anything is sent;
//! [`FleetFiles::manifest`] says what one machine should be; [`configure`] brings it there. Which machines there are, and in
//! which order they come, is the matter of who calls.

pub mod export;
mod machine;
mod passwords;
mod roles;
mod router_folder;
mod send;
mod traffic;

pub use machine::{FleetFiles, Machine, Needs, Peers, Programs, ReadError, ReadSettings};
pub use passwords::{PASSWORD_BYTES_MIN, Passwords, WeakPassword};
pub use router_folder::{FolderFault, Rendered, RouterFolder};
pub use send::{ConfigureError, configure};

/// Port and address of a router's admin API on its machine: its loopback. The local cloud without namespaces has one loopback for all
/// machines, and each droplet its own address on it.
#[must_use]
pub fn admin_address(spec: &sluice_infra_spec::Spec, address: std::net::IpAddr) -> std::net::SocketAddr {
    let address = if address.is_loopback() { address } else { std::net::Ipv4Addr::LOCALHOST.into() };
    (address, spec.router.admin_port).into()
}
