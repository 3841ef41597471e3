//! `message-server`: shows each message it receives, from many clients at once.
//!
//! Sheets: unit B3, the example (`myserver.py`); select slides, whose server is `--select` here, with
//! its loop in [`crate::kit::select`].
//!
//! ```text
//! Python                                       here
//! srv_sock.listen(5)                           kit::tcp::listen
//! cli_sock, cli_addr = srv_sock.accept()       kit::serve, a thread a client; or kit::select
//! request = cli_sock.recv(1024)                read until the message is whole
//! print(str(cli_addr) + ": " + ...)            127.0.0.1:40000: Hello Server!
//! ```
//!
//! The example takes one `recv` for the message. A message that is cut in two on its way, or is
//! longer than 1,024 bytes, is then shown in part and lost for the rest. Here a message ends where
//! its sender says so: at a newline, or at the end of the stream.
//!
//! Limits: a message of over 64 KiB is shown in pieces of that size, or one client could fill the
//! memory with a line that never ends.

use std::net::{SocketAddr, TcpStream};

use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::line::{Line, LineBuffer, LineReader};
use crate::kit::select::{self, Conversation, Next};
use crate::kit::serve::{self, Limits};
use crate::kit::usage::{self, Flag, Operand, Usage};
use crate::kit::{screen, tcp};

/// What the slides listen on.
const PORT: u16 = 50000;

/// The longest message.
const LONGEST: usize = 64 * 1024;

/// How much one read of the one-thread form takes at most, as in the slides.
const CHUNK: usize = 4096;

const OPERANDS: &[Operand] = &[usage::port("50000")];
const FLAGS: &[Flag] = &[
    usage::bind("0.0.0.0"),
    usage::switch("--select", "one thread for all clients, by readiness, as in the slides"),
    usage::MAX_CLIENTS,
    usage::idle("300"),
];

/// What `message-server` takes.
pub const USAGE: Usage = Usage { operands: OPERANDS, flags: FLAGS, ..Usage::NONE };

/// Runs `message-server`.
pub fn run(args: &Args) -> Result<(), Error> {
    let listener = tcp::listen(args.text("--bind"), args.port("PORT"), PORT)?;
    let limits = Limits::from_args(args);
    if args.has("--select") {
        let begin = |client| Listener { client, lines: LineBuffer::new(LONGEST) };
        return select::serve(listener, limits, CHUNK, begin);
    }
    serve::serve(listener, limits, converse)
}

/// The threaded form: one client's messages until it closes.
fn converse(connection: &TcpStream, client: SocketAddr) -> Result<(), Error> {
    let mut lines = LineReader::new(connection, LONGEST);
    while let Some(line) = lines.line()? {
        show(client, &line)?;
    }
    Ok(())
}

/// The form for one thread: the client's unfinished message waits here for its rest.
struct Listener {
    client: SocketAddr,
    lines: LineBuffer,
}

impl Conversation for Listener {
    fn received(&mut self, bytes: &[u8], _reply: &mut Vec<u8>) -> Result<Next, Error> {
        self.lines.push(bytes);
        while let Some(line) = self.lines.line() {
            show(self.client, &line)?;
        }
        Ok(Next::Continue)
    }

    fn ended(&mut self) -> Result<(), Error> {
        match self.lines.rest() {
            Some(line) => show(self.client, &line),
            None => Ok(()),
        }
    }
}

/// Prints one message.
fn show(client: SocketAddr, message: &Line) -> Result<(), Error> {
    screen::say(&format!("{client}: {}", screen::escape(&message.text)))
}
