//! Which port is free, and whether the web server answers on it.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

const FIRST_PORT: u16 = 8080;
const LAST_PORT: u16 = 8099;
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether somebody could listen on `address` now.
pub fn is_free(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_ok()
}

/// The first free address of this machine alone from port 8080 on; any free port where 20 are taken.
pub fn free_address() -> io::Result<SocketAddr> {
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let usual =
        (FIRST_PORT..=LAST_PORT).map(|port| SocketAddr::new(local, port)).find(|address| is_free(*address));
    match usual {
        Some(address) => Ok(address),
        None => TcpListener::bind((local, 0))?.local_addr(),
    }
}

/// Whether the server behind `listen` answers `/health` with 200.
pub fn is_healthy(listen: SocketAddr) -> bool {
    status_line(listen, "/health").is_ok_and(|line| line.split(' ').nth(1) == Some("200"))
}

fn status_line(listen: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&reachable(listen), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {listen}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer)?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

/// An address to connect to: a server on "every address" is asked on this machine's own.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
