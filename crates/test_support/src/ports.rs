//! Ports for programs that can only be told a number. A port that was bound and released again may be taken by whoever
//! comes first, a connection that goes out included; these are not.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Where the kernel takes the ports of connections that go out (ip(7), `ip_local_port_range`).
const OUTGOING: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// Below are the ports of well-known services.
const FIRST: u16 = 10_000;

static TRIED: AtomicUsize = AtomicUsize::new(0);

/// A TCP port on which nobody listened when it was made, neither by IPv4 nor by IPv6. As long as the value lives, no
/// other process of the tests gets it, and the kernel gives it to no connection that goes out.
#[derive(Debug)]
pub struct FreePort {
    number: u16,
    /// A name in the kernel that only one process can have, and that ends with it.
    _claim: UnixListener,
}

impl FreePort {
    /// Takes the next one that is free.
    ///
    /// # Panics
    /// Where all are taken.
    pub fn claim() -> Self {
        let ports = apart_from_outgoing();
        // Processes begin at different places, so that a port rests before it is used again.
        let start = usize::try_from(std::process::id()).unwrap_or_default() * 97;
        (0..ports.len())
            .filter_map(|_| {
                let offset = (start + TRIED.fetch_add(1, Ordering::Relaxed)) % ports.len();
                Self::take(ports.start + u16::try_from(offset).ok()?)
            })
            .next()
            .unwrap_or_else(|| panic!("none of the ports {ports:?} is free"))
    }

    fn take(number: u16) -> Option<Self> {
        let name = UnixAddress::from_abstract_name(format!("selfservice-test-port-{number}")).ok()?;
        let claim = UnixListener::bind_addr(&name).ok()?;
        let unused = TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok()
            && (TcpListener::bind((Ipv6Addr::LOCALHOST, number)).is_ok() || !has_ipv6());
        unused.then_some(Self { number, _claim: claim })
    }

    /// From 1 to 65535, as a program is told it.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// On `127.0.0.1`.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}

fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

/// The larger of the ranges below and above the ports of outgoing connections.
fn apart_from_outgoing() -> Range<u16> {
    let text = std::fs::read_to_string(OUTGOING).unwrap_or_default();
    let mut bounds = text.split_whitespace().map(|bound| bound.parse().unwrap_or(u16::MAX));
    let (low, high) = (bounds.next().unwrap_or(u16::MAX), bounds.next().unwrap_or(u16::MAX));
    let (below, above) = (FIRST..low.max(FIRST), high..u16::MAX);
    let larger = if below.len() >= above.len() { below } else { above };
    // A machine that gives all its ports to outgoing connections leaves nothing better than any port.
    if larger.is_empty() { FIRST..u16::MAX } else { larger }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_port_is_nobody_elses() {
        let port = FreePort::claim();
        let number = port.number();
        assert!(FreePort::take(number).is_none());
        drop(port);
        assert!(FreePort::take(number).is_some());
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_not_free() {
        let port = FreePort::claim();
        let number = port.number();
        drop(port);
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, number)).unwrap();
        assert!(FreePort::take(number).is_none());
    }
}
