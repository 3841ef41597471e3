//! What both ends of a chat need from a connection: a line out within a time, notice of peers that
//! vanish, and a close that takes nothing away from the peer.

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::kit::error::Error;
use crate::kit::sys::poll::{poll, Watched, PEER_ENDED};
use crate::kit::sys::socket;
use crate::kit::tcp;

/// What ends a conversation when it is typed alone on a line. It is never sent.
pub const EXIT: &[u8] = b"EXIT";

/// The longest line that is shown whole, the ending not counted. A longer one is shown in pieces of
/// this size and answered once, or a peer could fill the memory with a line that never ends. The cut
/// goes by bytes: a character that lies across it is shown as its bytes (`\xc3` and `\xbc` for ü).
pub const LONGEST: usize = 64 * 1024;

/// How long a peer may take to make room for one line. Its kernel takes some 100 KiB even while the
/// person at the other end thinks, so this is a peer that has stopped. Not for a room, which slows down
/// on purpose: see [`super::room_client`].
pub const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection that is being closed waits for the peer to close its side.
const FAREWELL: Duration = Duration::from_secs(1);

/// A chat may be silent for hours, so silence alone ends nothing. But the kernel asks, after so many
/// seconds of it, whether the peer's machine is still there,
const PROBE_AFTER: i32 = 60;
/// then again every so many seconds,
const PROBE_EVERY: i32 = 10;
/// and gives up after so many questions: two minutes in all.
const PROBES: i32 = 6;

/// Turns on the probes.
pub fn keep_alive(connection: &TcpStream) -> io::Result<()> {
    socket::keep_alive(connection, PROBE_AFTER, PROBE_EVERY, PROBES)
}

/// Sends a line and its newline. Errs when the connection is broken, or has not taken the whole line
/// within [`SEND_TIMEOUT`].
pub fn send_line(connection: &TcpStream, line: &[u8]) -> Result<(), Error> {
    let mut bytes = Vec::with_capacity(line.len() + 1);
    bytes.extend_from_slice(line);
    bytes.push(b'\n');
    send(connection, &bytes, SEND_TIMEOUT).map_err(|why| Error::io("cannot send", &why))
}

/// Sends all of `bytes` within `patience`. The socket's own timeout alone would not do: it begins again
/// whenever the peer takes a byte.
pub fn send(mut connection: &TcpStream, bytes: &[u8], patience: Duration) -> io::Result<()> {
    let deadline = Instant::now() + patience;
    let mut rest = bytes;
    while !rest.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        connection.set_write_timeout(tcp::patience(left))?;
        match connection.write(rest) {
            Ok(count) => rest = &rest[count..],
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
        if left.is_zero() && !rest.is_empty() {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    Ok(())
}

/// Whether the peer has closed its side, or the connection is broken. Bytes may still be unread.
pub fn has_left(connection: &TcpStream) -> io::Result<bool> {
    let mut watched = [Watched::new(connection, PEER_ENDED)];
    Ok(poll(&mut watched, Some(Duration::ZERO))? > 0)
}

/// Closes from this side. A socket that is closed while bytes of the peer lie unread sends a reset,
/// which can destroy what the peer has not read yet; so the end of the stream goes out first, and
/// what still comes in is read and dropped, for a moment.
pub fn hang_up(connection: &TcpStream) {
    // It fails when the connection is broken, and then there is nothing left to close.
    if connection.shutdown(Shutdown::Write).is_err() {
        return;
    }
    let deadline = Instant::now() + FAREWELL;
    let mut dropped = [0; 4096];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || connection.set_read_timeout(Some(left)).is_err() {
            return;
        }
        match tcp::receive(connection, &mut dropped) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}
