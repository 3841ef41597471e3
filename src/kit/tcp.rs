//! TCP sockets: listening, connecting, and reading one chunk.
//!
//! std's `TcpListener::bind` is the sheets' `socket`, `setsockopt(SO_REUSEADDR)`, `bind` and `listen`
//! in one call; `TcpStream::connect_timeout` is `socket` and `connect`.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::address::{resolve, show, Family};
use super::error::Error;
use super::sys::socket;
use super::{awake, screen};

/// How long a connection attempt to one address may take. The kernel itself would retransmit the
/// SYN for over two minutes.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How many connections the kernel keeps for a server that has not accepted them yet.
pub const QUEUE: i32 = 4096;

/// Listens on `host` (a name or an address, `0.0.0.0` or `::` for every interface) and `port` (0: a
/// free one). `usual` is the port the error message recommends.
pub fn listen(host: &str, port: u16, usual: u16) -> Result<TcpListener, Error> {
    let address = resolve(host, port, Family::Any)?[0];
    let listener = TcpListener::bind(address);
    let listener = listener.map_err(|why| cannot_listen(address, &why, usual))?;
    socket::lengthen_queue(&listener, QUEUE)?;
    Ok(listener)
}

/// The same with SO_REUSEPORT: a second server may share the port, and takes a share of the clients.
pub fn listen_shared(host: &str, port: u16, usual: u16) -> Result<TcpListener, Error> {
    let address = resolve(host, port, Family::Any)?[0];
    socket::listen_shared(address, QUEUE).map_err(|why| cannot_listen(address, &why, usual))
}

/// Says on standard error that clients may come: `listening on 127.0.0.1:65432 (tcp)`.
pub fn announce(listener: &TcpListener) -> Result<(), Error> {
    screen::note(&format!("listening on {} (tcp)", show(listener.local_addr()?)));
    Ok(())
}

/// Connects to the first address of `host` that answers. Errs with every address that was tried.
pub fn connect(host: &str, port: u16) -> Result<TcpStream, Error> {
    let mut failures = Vec::new();
    for address in resolve(host, port, Family::Any)? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(stream) => return Ok(stream),
            Err(why) => failures.push(cannot_reach(address, &why)),
        }
    }
    Err(Error::Failed(format!("cannot connect to {}", failures.join("; to "))))
}

/// Reads what has arrived, at most `buffer.len()` bytes, waiting for the first: Python's
/// `sock.recv(n)`. Returns 0 at the end of the stream. Errs with a timeout if one is set.
pub fn receive(mut stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    awake::wait(stream);
    loop {
        match stream.read(buffer) {
            // EINTR: the process was stopped and continued; nothing is lost.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Why a port cannot be had, and what to do.
pub(super) fn cannot_listen(address: SocketAddr, why: &io::Error, usual: u16) -> Error {
    let hint = match why.kind() {
        io::ErrorKind::PermissionDenied if address.port() < 1024 => {
            format!(" (ports below 1024 need root; try {usual})")
        }
        io::ErrorKind::AddrInUse => {
            " (another program has this port: end it, or give another; 0 takes a free one)".to_string()
        }
        io::ErrorKind::AddrNotAvailable => {
            " (no interface here has this address; 127.0.0.1 is this machine, 0.0.0.0 every interface)"
                .to_string()
        }
        _ => String::new(),
    };
    let reason = super::error::reason(why);
    Error::Failed(format!("cannot listen on {}: {reason}{hint}", show(address)))
}

/// Why a peer cannot be reached, and what to do.
pub(super) fn cannot_reach(address: SocketAddr, why: &io::Error) -> String {
    let reason = super::error::reason(why);
    let hint = match why.kind() {
        io::ErrorKind::ConnectionRefused => " (nothing listens there: is the server started?)",
        io::ErrorKind::TimedOut => " (no answer: is the address right, does a firewall drop it?)",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            " (no way there from here: see `ip route`)"
        }
        _ => "",
    };
    format!("{}: {reason}{hint}", show(address))
}

/// A timeout as sockets take it: they refuse zero, so zero becomes the shortest wait there is.
pub fn patience(timeout: Duration) -> Option<Duration> {
    Some(timeout.max(Duration::from_millis(1)))
}
