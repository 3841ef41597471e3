//! `stamp-server`: echoes each message with the time at which it arrived.
//!
//! Sheet: SCC.231, part 1, tasks 1 and 3. The sheet's server is one thread over `select`: that is
//! `--select` here, and its loop is [`crate::kit::select`]. Without the flag each client has a thread.
//! The two differ in who waits, not in what is said: `stamp` is all there is to the protocol.
//!
//! ```text
//! Python                                          here
//! rlist, _, _ = select.select(rfds, [], [])       poll, in kit::select
//! data = client_socket.recv(1024)                 read, in kit::select, or kit::tcp::receive
//! if data.startswith(b'\xff') or len(data) == 0   stamp returns None; end of stream
//! client_socket.sendall(stamped)                  a buffer a client, sent as the socket takes it
//! ```
//!
//! On the wire:
//!
//! ```text
//! client → server   1763715600.123456:hello
//! server → client   1763715600.123789:1763715600.123456:hello
//! ```
//!
//! Limits, the sheet's: one read of up to 1,024 bytes is one message, so a longer line gets two
//! stamps; and the closing byte 0xff counts only as the first of a read. It is also Telnet's "next
//! byte is a command", so a real telnet client that negotiates is cut off by it.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::select::{self, Conversation, Next};
use crate::kit::serve::{self, Limits};
use crate::kit::usage::{self, Flag, Operand, Usage};
use crate::kit::{clock, screen, tcp};

/// What the sheet listens on.
const PORT: u16 = 12345;

/// How much one read takes at most, as in the sheet.
const CHUNK: usize = 1024;

const OPERANDS: &[Operand] = &[usage::port("12345")];
const FLAGS: &[Flag] = &[
    usage::bind("0.0.0.0"),
    usage::switch("--select", "one thread for all clients, by readiness, as in the sheet"),
    usage::switch("--reuse-port", "let other servers share the port (SO_REUSEPORT), and the clients"),
    usage::MAX_CLIENTS,
    usage::idle("300"),
];

/// What `stamp-server` takes.
pub const USAGE: Usage = Usage {
    operands: OPERANDS,
    flags: FLAGS,
    notes: "The sheet sets SO_REUSEPORT \"to handle TIME_WAIT better\". That is SO_REUSEADDR's work, which\n\
            is always on here. With --reuse-port start two servers on one port and see who gets whom.",
    ..Usage::NONE
};

/// Runs `stamp-server`.
pub fn run(args: &Args) -> Result<(), Error> {
    let (host, port) = (args.text("--bind"), args.port("PORT"));
    let listener = match args.has("--reuse-port") {
        true => tcp::listen_shared(host, port, PORT)?,
        false => tcp::listen(host, port, PORT)?,
    };
    let limits = Limits::from_args(args);
    if args.has("--select") {
        return select::serve(listener, limits, CHUNK, |client| Stamper { client });
    }
    serve::serve(listener, limits, converse)
}

/// The whole protocol: the answer to one message, or `None` when it asks to close. Also prints the
/// message, as the sheet does.
fn stamp(client: SocketAddr, message: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    if message.starts_with(b"\xff") {
        return Ok(None);
    }
    let mut answer = format!("{}:", clock::epoch()).into_bytes();
    screen::say(&format!("[{client}] {}{}", String::from_utf8_lossy(&answer), screen::escape(message)))?;
    answer.extend_from_slice(message);
    Ok(Some(answer))
}

/// The threaded form: one client's conversation, which may wait.
fn converse(mut connection: &TcpStream, client: SocketAddr) -> Result<(), Error> {
    let mut buffer = [0; CHUNK];
    loop {
        let count = tcp::receive(connection, &mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        match stamp(client, &buffer[..count])? {
            Some(answer) => connection.write_all(&answer)?,
            None => return Ok(()),
        }
    }
}

/// The form for one thread: it is called when there is something to do, and must not wait.
struct Stamper {
    client: SocketAddr,
}

impl Conversation for Stamper {
    fn received(&mut self, message: &[u8], reply: &mut Vec<u8>) -> Result<Next, Error> {
        match stamp(self.client, message)? {
            Some(answer) => reply.extend(answer),
            None => return Ok(Next::Close),
        }
        Ok(Next::Continue)
    }

    fn ended(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
