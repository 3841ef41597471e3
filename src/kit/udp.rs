//! UDP sockets: bound for a server, connected for a client, and one receive call for servers.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Instant;

use super::address::{resolve, show, Family};
use super::error::{is_timeout, Error};
use super::sys::event::Event;
use super::sys::socket;
use super::{screen, stop, tcp};

/// The largest payload of a UDP datagram over IPv4: 65,535 less the IP header (20) and the UDP
/// header (8). RFC 768, RFC 791.
pub const LARGEST: usize = 65_507;

/// Binds a server's socket to `host` and `port` (0: a free one), announces it on standard error as
/// `listening on 127.0.0.1:5005 (udp)`, and arranges that Ctrl-C wakes it. `usual` is the port the
/// error message recommends.
pub fn serve_on(host: &str, port: u16, usual: u16) -> Result<Arc<UdpSocket>, Error> {
    let bound = Arc::new(bind(host, port, usual)?);
    let woken = Arc::clone(&bound);
    // A failed wake-up leaves the server waiting; the grace then ends it.
    stop::graceful(stop::GRACE, move || drop(socket::shut_reading(&*woken)));
    screen::note(&format!("listening on {} (udp)", show(bound.local_addr()?)));
    Ok(bound)
}

/// The same for a server that waits in `poll`, because it has something to do at certain times: the
/// socket does not block, and Ctrl-C rings the bell, which goes into the same `poll`.
pub fn serve_by_poll(host: &str, port: u16, usual: u16) -> Result<(UdpSocket, Arc<Event>), Error> {
    let bound = bind(host, port, usual)?;
    bound.set_nonblocking(true)?;
    let bell = Arc::new(Event::new()?);
    let ringer = Arc::clone(&bell);
    stop::graceful(stop::GRACE, move || ringer.ring());
    screen::note(&format!("listening on {} (udp)", show(bound.local_addr()?)));
    Ok((bound, bell))
}

/// A socket at a server's address.
fn bind(host: &str, port: u16, usual: u16) -> Result<UdpSocket, Error> {
    let address = resolve(host, port, Family::V4First)?[0];
    UdpSocket::bind(address).map_err(|why| tcp::cannot_listen(address, &why, usual))
}

/// Receives the next datagram into `buffer`; `None` once the server has been asked to stop.
///
/// `buffer` should be longer than any datagram that is expected: the kernel cuts a longer one off
/// without a word. A buffer of [`LARGEST`] bytes takes every one.
///
/// Each datagram is looked at (MSG_PEEK) before it is taken, for the sake of the end: a socket whose
/// reading side was shut returns no bytes from no address, and std's `recv_from` panics over the
/// missing address. So it is called only when a datagram is there; one thread reads a socket.
pub fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> Result<Option<(usize, SocketAddr)>, Error> {
    loop {
        let waited = socket.peek(&mut [0]);
        if stop::requested() {
            return Ok(None);
        }
        match waited.and_then(|_| socket.recv_from(buffer)) {
            Ok((count, sender)) => return Ok(Some((count, sender))),
            // EINTR: stopped and continued. ECONNREFUSED: an ICMP error about an earlier reply.
            Err(error) if is_passing(&error) => {}
            Err(error) if is_timeout(&error) => return Err(Error::Io(error)),
            Err(error) => return Err(Error::io("cannot receive", &error)),
        }
    }
}

/// What [`receive_until`] waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// A datagram: its length and its sender.
    Datagram(usize, SocketAddr),
    /// The deadline has passed.
    Timeout,
    /// The server has been asked to stop.
    Stopped,
}

/// As [`receive`], and gives up at `deadline` (`None`: never). The kernel rounds the wait up to its
/// tick, a few milliseconds; for a server with something to do at certain times.
pub fn receive_until(
    socket: &UdpSocket,
    buffer: &mut [u8],
    deadline: Option<Instant>,
) -> Result<Arrival, Error> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(if stop::requested() { Arrival::Stopped } else { Arrival::Timeout });
        }
        socket.set_read_timeout(left)?;
        match receive(socket, buffer) {
            Ok(Some((length, sender))) => return Ok(Arrival::Datagram(length, sender)),
            Ok(None) => return Ok(Arrival::Stopped),
            Err(Error::Io(why)) if is_timeout(&why) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether a server should leave a datagram unanswered because its source looks like another
/// server: a well-known port, or our own. With a forged source address two echo servers would
/// otherwise answer each other for ever (CERT CA-1996-01).
pub fn looks_like_a_server(sender: SocketAddr, socket: &UdpSocket) -> bool {
    sender.port() < 1024 || socket.local_addr().is_ok_and(|own| own.port() == sender.port())
}

/// A client's socket, connected to the first address of `host`: it then sends there without naming
/// the address, takes datagrams from nowhere else, and reports it when nobody listens there (the
/// ICMP "port unreachable" arrives as ECONNREFUSED). No packet is sent yet. See udp(7).
pub fn connect(host: &str, port: u16, family: Family) -> Result<UdpSocket, Error> {
    if port == 0 {
        return Err(Error::Usage(
            "PORT 0: a free port is the server's to take; a client must be told which".into(),
        ));
    }
    let address = resolve(host, port, family)?[0];
    let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).map_err(|why| Error::io("cannot open a UDP socket", &why))?;
    socket.connect(address).map_err(|why| Error::io(format!("cannot reach {}", show(address)), &why))?;
    Ok(socket)
}

/// Waits for a datagram on a client's connected socket, for as long as its read timeout says.
pub fn answer(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match socket.recv(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// The line with which a server ends.
pub fn say_received(datagrams: u64) {
    let plural = if datagrams == 1 { "" } else { "s" };
    screen::note(&format!("received {datagrams} datagram{plural}"));
}

/// The error for a failed `send` or `recv` of a client's socket, with what to do.
pub fn failed(what: &str, peer: SocketAddr, why: &io::Error) -> Error {
    if why.raw_os_error() == Some(libc::EMSGSIZE) {
        return Error::Failed(format!("{what} {}: a datagram holds at most {LARGEST} bytes", show(peer)));
    }
    Error::Failed(format!("{what} {}", tcp::cannot_reach(peer, why)))
}

/// Errors that say nothing about the socket itself.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionRefused)
}
