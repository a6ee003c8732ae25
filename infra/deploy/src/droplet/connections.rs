//! Who is connected to a release: routers close their idle connections to a server that drains, so when nobody is
//! connected, nobody is served.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use procfs::net::{TcpNetEntry, TcpState, tcp, tcp6};
use tokio::time::{Instant, sleep};

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Waits until nobody is connected to any of these, at most until `end`; how many still are.
pub(super) async fn wait_for_none(addresses: &[SocketAddr], end: Instant) -> usize {
    loop {
        let count = count(addresses);
        if count == 0 || Instant::now() >= end {
            return count;
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Connections that stand, as the kernel knows them (`/proc/net/tcp`); what it does not tell is not waited for.
fn count(addresses: &[SocketAddr]) -> usize {
    let known = [tcp(), tcp6()].into_iter().filter_map(Result::ok).flatten();
    known.filter(|entry| stands(entry) && addresses.contains(&plain(entry.local_address))).count()
}

fn stands(entry: &TcpNetEntry) -> bool {
    // The other side has closed, and the app may still be answering.
    matches!(entry.state, TcpState::Established | TcpState::CloseWait)
}

/// An IPv4 address in the clothes of IPv6 is that address.
fn plain(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V6(ip) => SocketAddr::new(ip.to_canonical(), address.port()),
        IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn connections_are_seen_until_they_are_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(count(&[address]), 0, "who only listens serves nobody");
        let client = TcpStream::connect(address).unwrap();
        let (server, _) = listener.accept().unwrap();
        assert_eq!(count(&[address]), 1);
        assert_eq!(wait_for_none(&[address], Instant::now()).await, 1);
        drop(client);
        assert_eq!(count(&[address]), 1, "half closed: an answer may be on its way");
        drop(server);
        assert_eq!(wait_for_none(&[address], Instant::now() + Duration::from_secs(10)).await, 0);
    }
}
