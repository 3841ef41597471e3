//! `concurrent-client`: says hello, then sends what you type and shows each echo.
//!
//! Sheet: IoT lab 1, "Multi-threaded client/server example", task 1.5.
//!
//! ```text
//! Python                                              here
//! client.sendall(bytes("Hello, I am a client!!"))     connection.write_all
//! in_data = client.recv(1024)                         reply::receive
//! print("From the server:", in_data.decode())         From the server: Hello, I am a client!!
//! out_data = input()                                  Keyboard::line, which watches the server too
//! if out_data == 'end': break                         `bye` as well
//! ```
//!
//! An empty line is not sent: nothing goes out for it, so nothing would come back, and the sheet's
//! client waits for that for ever.
//!
//! Limits: nothing marks the end of a message, see [`super::reply`].

use std::io::Write;

use super::concurrent_server::is_farewell;
use super::reply;
use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::keyboard::{Keyboard, Typed};
use crate::kit::usage::{self, Flag, Operand, Usage};
use crate::kit::{screen, tcp};

const OPERANDS: &[Operand] = &[usage::HOST, usage::server_port("8080")];
const FLAGS: &[Flag] = &[usage::timeout("10")];

/// What `concurrent-client` takes.
pub const USAGE: Usage = Usage { operands: OPERANDS, flags: FLAGS, ..Usage::NONE };

/// Runs `concurrent-client`.
pub fn run(args: &Args) -> Result<(), Error> {
    let patience = args.seconds("--timeout");
    let mut connection = tcp::connect(args.text("HOST"), args.port("PORT"))?;
    connection.set_write_timeout(tcp::patience(patience))?;
    let mut keyboard = Keyboard::open()?;
    let mut message = b"Hello, I am a client!!".to_vec();
    loop {
        connection.write_all(&message).map_err(|why| Error::io("cannot send", &why))?;
        if is_farewell(&message) {
            return Ok(());
        }
        let reply = reply::receive(&connection, patience)?;
        screen::say(&format!("From the server: {}", screen::escape(&reply.bytes)))?;
        message = loop {
            match keyboard.line("> ", Some(&connection))? {
                Typed::Line(line) if line.is_empty() => {}
                Typed::Line(line) => break line,
                Typed::End => return Ok(()),
                Typed::PeerLeft => {
                    screen::note("the server closed the connection");
                    return Ok(());
                }
            }
        };
    }
}
