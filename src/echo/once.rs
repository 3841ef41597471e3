//! `echo-server --once`: the sheet's first server, one client and the end.
//!
//! Sheet: IoT lab 1, "*echo* server" (task 1.1 watches its packets).
//!
//! ```text
//! Python                                 here
//! s = socket.socket(AF_INET, SOCK_STREAM)
//! s.bind((HOST, PORT))                   TcpListener::bind, in kit::tcp::listen, which also
//! s.listen()                             sets SO_REUSEADDR between the first two
//! conn, addr = s.accept()                listener.accept()
//! data = conn.recv(1024)                 connection.read(&mut buffer)
//! if not data: break                     Ok(0)
//! conn.sendall(data)                     connection.write_all
//! (end of `with conn`: close)            the end of the connection's scope
//! ```
//!
//! On the wire, after the three-way handshake:
//!
//! ```text
//! client → server   Hello, world       12 bytes
//! server → client   Hello, world       12 bytes
//! client → server   FIN                read returns 0, the loop ends
//! server → client   FIN                the connection is closed
//! ```
//!
//! `accept` does not make the connection: the kernel has completed the handshake by itself and kept
//! the connection in the listener's queue. A client can connect, and even send, before `accept`.
//!
//! Limits: one client; a second one connects, waits in the queue, and is reset at the end. Ctrl-C ends
//! it at once, as it does the sheet's.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use crate::kit::error::Error;
use crate::kit::{address, screen};

/// How much one read takes at most, as in the sheet. A longer message takes several turns.
const CHUNK: usize = 1024;

/// Serves the first client of `listener` and returns when it has closed. Errs when the connection
/// breaks, or when the client is silent for longer than `idle`.
pub fn serve(listener: &TcpListener, idle: Option<Duration>) -> Result<(), Error> {
    let accepted = listener.accept();
    let (mut connection, client) = accepted.map_err(|why| Error::io("cannot accept a client", &why))?;
    screen::say(&format!("Connected {}", address::show(client)))?;
    connection.set_read_timeout(idle)?;
    connection.set_write_timeout(idle)?;

    let mut buffer = [0; CHUNK];
    loop {
        match connection.read(&mut buffer) {
            Ok(0) => return Ok(()),
            // Only the first `count` bytes are the client's; the rest is left from an earlier turn.
            Ok(count) => {
                let sent = connection.write_all(&buffer[..count]);
                sent.map_err(|why| Error::io(format!("lost {}", address::show(client)), &why))?;
            }
            // The process was stopped and continued (Ctrl-Z, fg). Python repeats the call by itself.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io(format!("lost {}", address::show(client)), &error)),
        }
    }
}
