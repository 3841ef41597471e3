//! `echo-server`: sends back every byte unchanged, to any number of clients at once.
//!
//! Sheet: IoT lab 1, "*echo* server". Read [`super::once`] first: the conversation is the same five
//! lines, and what changes is who calls it. Here [`serve()`] accepts for ever and gives
//! each connection a thread, so a client that is slow or silent keeps nobody waiting.
//!
//! ```text
//! Python                                                     here
//! while True:
//!     conn, addr = s.accept()                                kit::serve::serve
//!     threading.Thread(target=echo, args=(conn, addr)).start()
//! ```
//!
//! Limits: a client that never reads what it is sent stops being read as well once the kernel's
//! buffers in both directions are full (that is TCP's flow control, and right), and is let go after
//! the idle limit. A client cannot make the server hold more than one chunk of its bytes.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use super::once;
use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::serve::{serve, Limits};
use crate::kit::usage::{self, Flag, Operand, Usage};
use crate::kit::{screen, stop, tcp};

/// What the sheet listens on.
const PORT: u16 = 65432;

/// How much one read takes at most: larger than the sheet's 1,024, so that a stream of megabytes
/// costs fewer calls.
const CHUNK: usize = 8 * 1024;

const OPERANDS: &[Operand] = &[usage::port("65432")];
const FLAGS: &[Flag] = &[
    usage::switch("--once", "the sheet's own program: serve one client, then end"),
    usage::bind("127.0.0.1"),
    usage::MAX_CLIENTS,
    usage::idle("300"),
];

/// What `echo-server` takes.
pub const USAGE: Usage = Usage { operands: OPERANDS, flags: FLAGS, ..Usage::NONE };

/// Runs `echo-server`.
pub fn run(args: &Args) -> Result<(), Error> {
    let listener = tcp::listen(args.text("--bind"), args.port("PORT"), PORT)?;
    let limits = Limits::from_args(args);
    if args.has("--once") {
        stop::leave_with(0);
        tcp::announce(&listener)?;
        return once::serve(&listener, limits.idle);
    }
    serve(listener, limits, echo)
}

/// One client's conversation, in a thread of its own.
fn echo(mut connection: &TcpStream, client: SocketAddr) -> Result<(), Error> {
    screen::mention(&format!("Connected {client}"))?;
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = tcp::receive(connection, &mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        connection.write_all(&buffer[..count])?;
    }
}
