//! A reply without a frame: one read, and what follows within a moment.
//!
//! The programs of task 1.5 (IoT lab) and of SCC.231 do not say where a message ends: no newline, no
//! length. Whoever calls `recv` once gets the first piece; the second piece is then taken for the
//! next reply, and from there on every answer is one behind (the sheets' clients do that after a line
//! of 2,000 bytes). To work with the sheets' own programs at the other end we cannot add a frame, so
//! we listen a little longer: the reply is over when nothing more comes for 50 ms.
//!
//! What this costs: every reply takes 50 ms longer, and on a network that pauses for longer than that
//! it is wrong all the same. A protocol of one's own frames its messages ([`crate::kit::line`]).

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::kit::error::{is_timeout, Error};
use crate::kit::{clock, tcp};

/// How long silence must last for the reply to be over.
const FOLLOWS_WITHIN: Duration = Duration::from_millis(50);

/// The longest reply. What a peer sends beyond it is taken for the next.
const LONGEST: usize = 64 * 1024;

/// A reply and its time.
#[derive(Debug)]
pub struct Reply {
    /// Its bytes, at least one.
    pub bytes: Vec<u8>,
    /// When the first of them came, as [`clock::epoch`] writes it. The silence that we wait for
    /// afterwards is not the network's, so it must not count into a round-trip time.
    pub arrived: String,
}

/// Waits up to `patience` for the first bytes and returns them with what follows. Errs when the
/// server closes, breaks the connection or is silent instead.
pub fn receive(connection: &TcpStream, patience: Duration) -> Result<Reply, Error> {
    let deadline = Instant::now() + patience;
    let mut reply = vec![0; LONGEST];
    connection.set_read_timeout(tcp::patience(patience))?;
    let mut length = match tcp::receive(connection, &mut reply) {
        Ok(0) => return Err(Error::Failed("the server closed the connection without an answer".into())),
        Ok(count) => count,
        Err(why) => return Err(Error::io("no answer from the server", &why)),
    };
    let arrived = clock::epoch();
    connection.set_read_timeout(Some(FOLLOWS_WITHIN))?;
    while length < LONGEST && Instant::now() < deadline {
        match tcp::receive(connection, &mut reply[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(why) if is_timeout(&why) => break,
            Err(why) => return Err(Error::io("lost the server in the middle of an answer", &why)),
        }
    }
    reply.truncate(length);
    Ok(Reply { bytes: reply, arrived })
}
