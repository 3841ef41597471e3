//! `echo-client`: sends a message and shows what comes back.
//!
//! Sheet: IoT lab 1, "*echo* client".
//!
//! ```text
//! Python                              here
//! s.connect((HOST, PORT))             kit::tcp::connect, which tries every address of HOST
//! s.sendall(b'Hello, world')          connection.write_all
//! data = s.recv(1024)                 as many reads as it takes
//! print('Received', repr(data))       Received 'Hello, world'
//! ```
//!
//! Why one `recv` is not enough: TCP keeps the order of bytes, not the borders of messages. What was
//! sent with one call may arrive in pieces, and `recv` returns the first of them. The sheet's client
//! gets away with it because twelve bytes on the loopback interface are never cut.
//!
//! Why no `bind`: a server's port must be known beforehand, a client's need not. `connect` picks a
//! free one, and the server learns it from the connection.
//!
//! Limits: it knows when the echo is complete only because an echo is as long as its message. A
//! protocol whose replies differ in length must say how long they are. Message `-` is
//! [`super::stream`].

use std::io::Write;

use super::stream;
use crate::kit::args::Args;
use crate::kit::error::{is_timeout, Error};
use crate::kit::usage::{self, Flag, Kind, Operand, Usage};
use crate::kit::{screen, tcp};

const OPERANDS: &[Operand] = &[
    usage::HOST,
    usage::server_port("65432"),
    Operand {
        name: "MESSAGE",
        kind: Kind::Bytes,
        default: Some("Hello, world"),
        help: "what to send; - streams standard input there and the echo to standard output",
    },
];
const FLAGS: &[Flag] = &[usage::timeout("10")];

/// What `echo-client` takes.
pub const USAGE: Usage = Usage { operands: OPERANDS, flags: FLAGS, ..Usage::NONE };

/// Runs `echo-client`.
pub fn run(args: &Args) -> Result<(), Error> {
    let message = args.bytes("MESSAGE");
    let patience = tcp::patience(args.seconds("--timeout"));
    let mut connection = tcp::connect(args.text("HOST"), args.port("PORT"))?;
    if message == b"-" {
        return stream::run(&connection, patience);
    }
    connection.set_read_timeout(patience)?;
    connection.set_write_timeout(patience)?;
    connection.write_all(message).map_err(|why| Error::io("cannot send the message", &why))?;

    let mut echo = vec![0; message.len()];
    let mut received = 0;
    while received < echo.len() {
        match tcp::receive(&connection, &mut echo[received..]) {
            Ok(0) => return Err(incomplete("the server closed the connection", received, echo.len())),
            Ok(count) => received += count,
            Err(why) if is_timeout(&why) => {
                return Err(incomplete("the server is silent", received, echo.len()));
            }
            Err(why) => return Err(Error::io("cannot receive the echo", &why)),
        }
    }
    screen::say(&format!("Received '{}'", screen::escape(&echo)))
}

/// The error for an echo that is shorter than its message.
fn incomplete(what: &str, received: usize, sent: usize) -> Error {
    Error::Failed(format!("{what}: {received} of {sent} bytes came back"))
}
