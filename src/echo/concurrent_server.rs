//! `concurrent-server`: shows and echoes the messages of many clients, a thread each.
//!
//! Sheet: IoT lab 1, "Multi-threaded client/server example", task 1.5.
//!
//! ```text
//! Python                                     here
//! class ClientThread(threading.Thread)       a closure that kit::serve runs in a named thread
//! data = self.csocket.recv(2048)             kit::tcp::receive
//! if msg == 'bye': break                     is_farewell; `end`, which the sheet's client sends, too
//! print("From the client", msg)              From the client 127.0.0.1:40000: Hello, I am a client!!
//! self.csocket.send(bytes(msg, 'UTF-8'))     connection.write_all
//! ```
//!
//! Each thread is given its own connection and its own client's address. The sheet's threads print a
//! global variable instead, and with two clients that is the wrong one's.
//!
//! Limits, both the sheet's: one read is taken for one message. TCP does not promise that: two
//! messages sent quickly may arrive as one, and `bye` sent together with another is not noticed. And
//! a `bye` is not answered: a client that has already closed would turn the answer into a reset.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::serve::{serve, Limits};
use crate::kit::usage::{self, Flag, Operand, Usage};
use crate::kit::{screen, tcp};

/// What the sheet listens on.
const PORT: u16 = 8080;

/// How much one read takes at most, as in the sheet: a longer message counts as several.
const CHUNK: usize = 2048;

const OPERANDS: &[Operand] = &[usage::port("8080")];
const FLAGS: &[Flag] = &[usage::bind("127.0.0.1"), usage::MAX_CLIENTS, usage::idle("300")];

/// What `concurrent-server` takes.
pub const USAGE: Usage = Usage { operands: OPERANDS, flags: FLAGS, ..Usage::NONE };

/// Runs `concurrent-server`.
pub fn run(args: &Args) -> Result<(), Error> {
    let listener = tcp::listen(args.text("--bind"), args.port("PORT"), PORT)?;
    serve(listener, Limits::from_args(args), converse)
}

/// One client's conversation, in a thread of its own.
fn converse(mut connection: &TcpStream, client: SocketAddr) -> Result<(), Error> {
    screen::say(&format!("Connection from {client}"))?;
    let mut buffer = [0; CHUNK];
    loop {
        let count = tcp::receive(connection, &mut buffer)?;
        let message = &buffer[..count];
        if count == 0 || is_farewell(message) {
            return screen::say(&format!("Client {client} disconnected"));
        }
        screen::say(&format!("From the client {client}: {}", screen::escape(message)))?;
        connection.write_all(message)?;
    }
}

/// Whether a message ends the conversation: `bye` or `end`, one line ending aside, so that telnet and
/// nc can say it too.
pub fn is_farewell(message: &[u8]) -> bool {
    let line = message.strip_suffix(b"\n").unwrap_or(message);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line == b"bye" || line == b"end"
}

#[cfg(test)]
mod tests {
    use super::is_farewell;

    #[test]
    fn what_ends_a_conversation() {
        for yes in ["bye", "end", "bye\n", "end\r\n"] {
            assert!(is_farewell(yes.as_bytes()), "{yes:?}");
        }
        for no in ["", "\n", " bye", "bye ", "Bye", "byebye", "bye\n\n", "the end"] {
            assert!(!is_farewell(no.as_bytes()), "{no:?}");
        }
    }
}
