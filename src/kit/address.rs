//! Host names to addresses, addresses to text.

use std::net::{SocketAddr, ToSocketAddrs};

use super::error::{reason, Error};
use super::screen::escape;

/// Which family of addresses a name may resolve to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Whatever the system says, in its order (RFC 6724).
    Any,
    /// IPv4 addresses first, then IPv6: for datagrams, where no connection attempt tells which works.
    V4First,
    /// IPv4 only: `-4`.
    V4,
    /// IPv6 only: `-6`.
    V6,
}

/// Every address of `host`, a name, an IPv4 or an IPv6 address (`::1` or `[::1]`), with `port`.
/// Errs when there is none; the list is never empty. See getaddrinfo(3).
pub fn resolve(host: &str, port: u16, family: Family) -> Result<Vec<SocketAddr>, Error> {
    let shown = escape(host.as_bytes());
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let mut found: Vec<SocketAddr> = match (bare, port).to_socket_addrs() {
        Ok(addresses) => addresses.collect(),
        Err(error) => {
            let (why, hint) = (reason(&error), "check the name, or give an address");
            return Err(Error::Failed(format!("cannot find the address of {shown}: {why} ({hint})")));
        }
    };
    match family {
        Family::Any => {}
        Family::V4First => found.sort_by_key(SocketAddr::is_ipv6),
        Family::V4 => found.retain(SocketAddr::is_ipv4),
        Family::V6 => found.retain(SocketAddr::is_ipv6),
    }
    if found.is_empty() {
        let wanted = if family == Family::V6 { "an IPv6" } else { "an IPv4" };
        return Err(Error::Failed(format!("{shown} does not have {wanted} address")));
    }
    Ok(found)
}

/// An address as the transcripts show it: `127.0.0.1:80`, `[::1]:80`; an IPv4 client of an IPv6
/// socket, `[::ffff:127.0.0.1]:80`, as the IPv4 client it is (RFC 4291, 2.5.5.2).
pub fn show(address: SocketAddr) -> String {
    canonical(address).to_string()
}

/// The same address with an IPv4-mapped one written as IPv4.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_and_out() {
        for (host, shown) in [
            ("127.0.0.1", "127.0.0.1:80"),
            ("::1", "[::1]:80"),
            ("[::1]", "[::1]:80"),
            ("::ffff:192.0.2.1", "192.0.2.1:80"),
        ] {
            assert_eq!(show(resolve(host, 80, Family::Any).unwrap()[0]), shown);
        }
    }

    #[test]
    fn a_family_that_the_host_lacks() {
        let error = resolve("127.0.0.1", 80, Family::V6).unwrap_err();
        assert_eq!(error.to_string(), "127.0.0.1 does not have an IPv6 address");
        let error = resolve("[::1]", 80, Family::V4).unwrap_err();
        assert_eq!(error.to_string(), "[::1] does not have an IPv4 address");
    }
}
