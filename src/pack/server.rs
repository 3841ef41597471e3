//! `pack-server`: receives packed values and shows them.
//!
//! Sheet: IoT lab 1, "Sending binary data via sockets", task 1.4.
//!
//! ```text
//! Python                                           here
//! data = connection.recv(1024)                     read until the format's bytes are there
//! print('Received "%s"' % hexlify(data))           Received "0100000004000000cdcc2c40"
//! struct.unpack("=iif", data)                      codec::unpack
//! print('Unpacked:', unpacked_data)                Unpacked: (1, 4, 2.700000047683716)
//! ```
//!
//! TCP carries bytes, not messages: twelve bytes may arrive as five and seven, and 24 as one piece.
//! One `recv` is therefore not one message, and the sheet's server dies of the difference (unpack
//! raises an error that nobody catches). A format has a fixed size, and that is the frame: exactly so
//! many bytes are a message, and the next ones are the next message.
//!
//! Limits: a message that is shorter than the format ends its own conversation with a line on standard
//! error, and no other. Bytes packed with another format of the same size are shown as other values:
//! nothing in them says what they are.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};

use super::client::FORMAT;
use super::codec;
use super::format::Format;
use super::program::{hex, parse};
use super::value::tuple;
use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::serve::{serve, Limits};
use crate::kit::usage::{self, Flag, Operand, Usage};
use crate::kit::{screen, tcp};

/// What the sheet listens on.
const PORT: u16 = 10001;

const OPERANDS: &[Operand] = &[usage::port("10001")];
const FLAGS: &[Flag] = &[FORMAT, usage::bind("127.0.0.1"), usage::MAX_CLIENTS, usage::idle("300")];

/// What `pack-server` takes.
pub const USAGE: Usage = Usage { operands: OPERANDS, flags: FLAGS, ..Usage::NONE };

/// Runs `pack-server`.
pub fn run(args: &Args) -> Result<(), Error> {
    let format = parse(args.bytes("--format"))?;
    codec::check_size(&format).map_err(Error::Usage)?;
    if format.size == 0 {
        return Err(Error::Usage("--format: a format without bytes leaves nothing to receive".to_string()));
    }
    let listener = tcp::listen(args.text("--bind"), args.port("PORT"), PORT)?;
    serve(listener, Limits::from_args(args), move |connection, client| converse(connection, client, &format))
}

/// One client's messages, in a thread of its own.
fn converse(connection: &TcpStream, _client: SocketAddr, format: &Format) -> Result<(), Error> {
    let mut messages = 0;
    while let Some(bytes) = receive(connection, format.size, messages > 0)? {
        let values = codec::unpack(format, &bytes).map_err(Error::Failed)?;
        // Both lines in one call, so that another client's cannot come between them.
        screen::say(&format!("Received \"{}\"\nUnpacked: {}", hex(&bytes), tuple(&values)))?;
        messages += 1;
    }
    Ok(())
}

/// Reads one message of `size` bytes; `None` when the client has closed instead, which it may do
/// only between two messages. The buffer grows with what arrives, not with what the format asks for.
fn receive(connection: &TcpStream, size: usize, may_end: bool) -> Result<Option<Vec<u8>>, Error> {
    let mut bytes = Vec::new();
    // Repeats an interrupted read by itself.
    connection.take(size as u64).read_to_end(&mut bytes)?;
    match bytes.len() {
        length if length == size => Ok(Some(bytes)),
        0 if may_end => Ok(None),
        length => Err(Error::Failed(format!("the client closed after {length} of {size} bytes"))),
    }
}
