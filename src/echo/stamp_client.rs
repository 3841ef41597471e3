//! `stamp-client`: sends what you type with a time stamp and shows the stamped reply.
//!
//! Sheet: SCC.231, part 1, task 2.
//!
//! ```text
//! Python                                          here
//! message = input("> ")                           Keyboard::line, which watches the server too
//! message = f'{time.time()}:{message}'            clock::epoch
//! server_socket.sendall(message.encode())         connection.write_all
//! response = server_socket.recv(1024)             reply::receive
//! print(f"{time.time()}:{response.decode()}")     screen::say, with the time of the first byte
//! ```
//!
//! The line that is shown carries three stamps: when the reply came, when the server had the message,
//! and when it was sent. The first minus the last is the round-trip time; the middle one is the
//! server's clock, and helps only if the two clocks agree.
//!
//! Limits: nothing marks the end of a message, see [`super::reply`].

use std::io::Write;

use super::reply;
use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::keyboard::{Keyboard, Typed};
use crate::kit::usage::{self, Flag, Operand, Usage};
use crate::kit::{clock, screen, stop, tcp};

const OPERANDS: &[Operand] = &[usage::HOST, usage::server_port("12345")];
const FLAGS: &[Flag] = &[usage::timeout("10")];

/// What `stamp-client` takes.
pub const USAGE: Usage = Usage {
    operands: OPERANDS,
    flags: FLAGS,
    notes: "Type messages and press Enter. An empty line, Ctrl-D or Ctrl-C leaves.",
    ..Usage::NONE
};

/// Runs `stamp-client`.
pub fn run(args: &Args) -> Result<(), Error> {
    // The sheet's client leaves by Ctrl-C as by Ctrl-D, so it is no failure.
    stop::leave_with(0);
    let patience = args.seconds("--timeout");
    let mut connection = tcp::connect(args.text("HOST"), args.port("PORT"))?;
    connection.set_write_timeout(tcp::patience(patience))?;
    let mut keyboard = Keyboard::open()?;
    screen::prompt("Type messages and press Enter; an empty line, Ctrl-D or Ctrl-C leaves.\n");
    loop {
        let line = match keyboard.line("> ", Some(&connection))? {
            Typed::Line(line) if line.is_empty() => return Ok(()),
            Typed::Line(line) => line,
            Typed::End => return Ok(()),
            Typed::PeerLeft => {
                screen::note("the server closed the connection");
                return Ok(());
            }
        };
        let mut message = format!("{}:", clock::epoch()).into_bytes();
        message.extend(line);
        connection.write_all(&message).map_err(|why| Error::io("cannot send", &why))?;
        let answer = reply::receive(&connection, patience)?;
        screen::say(&format!("{}:{}", answer.arrived, screen::escape(&answer.bytes)))?;
    }
}
