//! Asks a running server for its health, without any HTTP client: for container images with nothing but this binary.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// A healthy server answers at once; one that does not within this is not.
const PATIENCE: Duration = Duration::from_secs(5);

/// Fails unless the server that listens on this address says that it works.
pub(crate) fn ask(listen: SocketAddr) -> io::Result<()> {
    let address = SocketAddr::new(reachable(listen.ip()), listen.port());
    let failed = |error| io::Error::other(format!("no healthy server on {address}: {error}"));
    match status_line(address).map_err(failed)? {
        line if line.starts_with(b"HTTP/1.1 200 ") => Ok(()),
        line => Err(failed(io::Error::other(String::from_utf8_lossy(&line).into_owned()))),
    }
}

fn status_line(address: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    Ok(answer.split(|&byte| byte == b'\r').next().unwrap_or_default().to_vec())
}

/// More than the server's answer has.
const MAX_ANSWER: u64 = 4096;

/// A server that listens everywhere is asked over the loopback address.
const fn reachable(listen: IpAddr) -> IpAddr {
    match listen {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        other => other,
    }
}
