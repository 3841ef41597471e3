//! Socket calls that std has no name for.

use std::io;
use std::mem::size_of;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// Sets the length of the queue in which the kernel keeps connections that wait for `accept`.
///
/// std asks for 128, and a burst of connects beyond that is answered late, by the client's
/// retransmitted SYN a second later. listen(2) may be called again on a listening socket and only
/// changes the length; the kernel lowers it to `net.core.somaxconn` (4,096 by default).
pub fn lengthen_queue(listener: &TcpListener, length: i32) -> io::Result<()> {
    // SAFETY: the descriptor is open for as long as `listener` is borrowed.
    super::check(unsafe { libc::listen(listener.as_raw_fd(), length) })?;
    Ok(())
}

/// Shuts the reading side of any socket, which wakes a thread that is blocked in it: `accept` fails,
/// a `recv` returns 0. On Linux this also works for listening sockets and for unconnected UDP
/// sockets, where shutdown(2) reports ENOTCONN and wakes the reader all the same.
pub fn shut_reading(socket: &impl AsFd) -> io::Result<()> {
    // SAFETY: the descriptor is open for as long as `socket` is borrowed.
    match super::check(unsafe { libc::shutdown(socket.as_fd().as_raw_fd(), libc::SHUT_RD) }) {
        Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
        _ => Ok(()),
    }
}

/// Asks the kernel to probe a connection on which nothing is sent: the first probe after `idle`
/// seconds of silence, then one every `interval` seconds; after `count` without an answer the
/// connection is broken (ETIMEDOUT). So a peer whose machine or cable has gone, and that could
/// therefore not say goodbye, is noticed. The kernel's own first probe comes after two hours. See tcp(7).
pub fn keep_alive(socket: &TcpStream, idle: i32, interval: i32, count: i32) -> io::Result<()> {
    set_option(socket, libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, idle)?;
    set_option(socket, libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, interval)?;
    set_option(socket, libc::IPPROTO_TCP, libc::TCP_KEEPCNT, count)?;
    set_option(socket, libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1)
}

/// Says how much the kernel keeps for a socket, each way: little for a TCP peer that does not read and is
/// not read, much for datagrams that arrive in bursts. The kernel doubles `bytes` for its own
/// bookkeeping and lowers it to `net.core.rmem_max` and `wmem_max`; left alone a TCP socket goes up to some
/// megabytes (`net.ipv4.tcp_wmem`, `tcp_rmem`), and a UDP socket stays at 208 KiB. See socket(7).
pub fn set_buffers(socket: &impl AsFd, bytes: i32) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_SNDBUF, bytes)?;
    set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, bytes)
}

/// A listening TCP socket with SO_REUSEPORT, so that several processes can listen on one port and
/// the kernel deals the clients out between them. See socket(7).
///
/// std offers no place between `socket` and `bind` to set an option, so the four calls of the
/// sheets (`socket`, `setsockopt`, `bind`, `listen`) stand here as they are.
pub fn listen_shared(address: SocketAddr, queue: i32) -> io::Result<TcpListener> {
    let family = match address {
        SocketAddr::V4(_) => libc::AF_INET,
        SocketAddr::V6(_) => libc::AF_INET6,
    };
    // SAFETY: socket takes three plain numbers.
    let descriptor =
        super::check(unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the descriptor is new and nobody else's; OwnedFd closes it on every way out.
    let socket = unsafe { OwnedFd::from_raw_fd(descriptor) };
    set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
    bind(&socket, address)?;
    // SAFETY: the descriptor is open.
    super::check(unsafe { libc::listen(socket.as_raw_fd(), queue) })?;
    Ok(TcpListener::from(socket))
}

/// Sets an integer socket option. See setsockopt(2).
pub(super) fn set_option(socket: &impl AsFd, level: i32, option: i32, value: libc::c_int) -> io::Result<()> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: pointer and length describe `value`, which outlives the call.
    let result = unsafe {
        let value = (&raw const value).cast();
        libc::setsockopt(socket.as_fd().as_raw_fd(), level, option, value, length)
    };
    super::check(result)?;
    Ok(())
}

/// Gives a socket its local address. See bind(2).
pub(super) fn bind(socket: &OwnedFd, address: SocketAddr) -> io::Result<()> {
    let result = with_name(address, |name, length| {
        // SAFETY: `with_name` hands out a live socket address and its length.
        unsafe { libc::bind(socket.as_raw_fd(), name, length) }
    });
    super::check(result)?;
    Ok(())
}

/// Calls `call` with an address in the form that C knows. See ip(7), ipv6(7).
pub(super) fn with_name<T>(
    address: SocketAddr,
    call: impl FnOnce(*const libc::sockaddr, libc::socklen_t) -> T,
) -> T {
    match address {
        SocketAddr::V4(v4) => {
            let name = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                sin_zero: [0; 8],
            };
            call((&raw const name).cast(), size_of::<libc::sockaddr_in>() as libc::socklen_t)
        }
        SocketAddr::V6(v6) => {
            let name = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            };
            call((&raw const name).cast(), size_of::<libc::sockaddr_in6>() as libc::socklen_t)
        }
    }
}
