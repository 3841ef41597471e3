//! `chat-server`: shows what a client says and sends back what you type, in turns.
//!
//! Sheet: unit B3, lab task (the server).
//!
//! ```text
//! Python                                       here
//! srv_sock.bind(("", int(sys.argv[1])))        kit::tcp::listen
//! cli_sock, cli_addr = srv_sock.accept()       kit::serve, a thread a client
//! request = cli_sock.recv(1024)                LineReader::line, until the line is whole
//! print(str(cli_addr) + ": " + request)        Turn::show: 127.0.0.1:40000: Hello
//! reply = input()                              Turn::reply, which watches the client too
//! if reply == "EXIT": break                    EXIT alone on its line, not sent
//! cli_sock.sendall(reply)                      wire::send_line
//! cli_sock.close()                             wire::hang_up
//! ```
//!
//! On the wire, a line each way in turn (C the client, S this server):
//!
//! ```text
//! C: Hello\n   S: Good day\n   C: Are you there?\n   S: (EXIT typed: end of stream)
//! ```
//!
//! The sheet's server has one client at a time, and a second one looks connected but is only in the
//! kernel's queue. Here each has a thread, and the keyboard goes from exchange to exchange: see
//! [`super::desk`], also for what happens to a reply whose client leaves while it is being typed.
//!
//! Limits: a line of over 64 KiB is shown in pieces. A client that sends again before it has its answer
//! waits: in turn means one line, one answer. A client that closes its sending side only (`nc -N`) has
//! left and gets no answer. What has been handed to the kernel may still be lost with the connection.

use std::net::{SocketAddr, TcpStream};

use super::desk::{Desk, Parting};
use super::wire::{self, EXIT, LONGEST};
use crate::kit::args::Args;
use crate::kit::error::{is_timeout, Error};
use crate::kit::keyboard::Typed;
use crate::kit::line::{Ending, LineReader};
use crate::kit::serve::{serve, Limits};
use crate::kit::usage::{self, Flag, Operand, Usage};
use crate::kit::{stop, tcp};

/// What the error messages recommend: the sheet's example.
const PORT: u16 = 2000;

const OPERANDS: &[Operand] = &[Operand { default: None, ..usage::port("") }];
const FLAGS: &[Flag] = &[usage::bind("0.0.0.0"), usage::MAX_CLIENTS, usage::idle("0")];

/// What `chat-server` takes.
pub const USAGE: Usage = Usage {
    operands: OPERANDS,
    flags: FLAGS,
    notes: "Each line a client sends is shown; what you type then is sent to that client. EXIT alone on\n\
            a line ends the conversation with it, Ctrl-D at a prompt or Ctrl-C ends all.",
    ..Usage::NONE
};

/// Runs `chat-server`.
pub fn run(args: &Args) -> Result<(), Error> {
    let listener = tcp::listen(args.text("--bind"), args.port("PORT"), PORT)?;
    let limits = Limits::from_args(args);
    let desk = Desk::open()?;
    serve(listener, limits, move |connection, client| {
        wire::keep_alive(connection)?;
        let mut lines = Vec::new();
        let outcome = converse(&desk, connection, client, &mut lines);
        wire::hang_up(connection);
        // The desk says it between two turns, so that it does not run into a line that is being typed.
        let ending = match outcome {
            Ok(_) if stop::requested() && lines.is_empty() => return Ok(()),
            Ok(ending) => ending.to_string(),
            Err(Error::OutputClosed) => return Err(Error::OutputClosed),
            Err(Error::Io(why)) if is_timeout(&why) => return Err(Error::Io(why)),
            Err(error) => error.to_string(),
        };
        desk.part(Parting { client, lines, ending })
    })
}

/// One conversation. Returns how it ended; errs when the network failed. The lines of a client that has
/// left before its turn came go into `unshown`.
fn converse(
    desk: &Desk,
    connection: &TcpStream,
    client: SocketAddr,
    unshown: &mut Vec<Vec<u8>>,
) -> Result<&'static str, Error> {
    let mut lines = LineReader::new(connection, LONGEST);
    // 1. Read what the client says.
    while let Some(line) = lines.line()? {
        // 2. Print it.
        let Some(mut turn) = desk.turn(connection)? else {
            unshown.push(line.text);
            while let Some(line) = lines.line()? {
                unshown.push(line.text);
            }
            break;
        };
        turn.show(client, &line.text)?;
        if line.ending == Ending::Full {
            // A piece of a long line: the answer comes after the last.
            continue;
        }
        // 3. Read the keyboard.
        match turn.reply(client, connection)? {
            Typed::Line(reply) if reply == EXIT => return Ok("conversation ended"),
            Typed::Line(reply) => {
                // The keyboard is free for the others while this reply is on its way.
                drop(turn);
                // 4. Send it.
                wire::send_line(connection, &reply)?;
            }
            Typed::PeerLeft => {
                // What it said before it left is shown all the same.
                while let Some(line) = lines.line()? {
                    turn.show(client, &line.text)?;
                }
                break;
            }
            Typed::End => {
                stop::request();
                return Ok("conversation ended");
            }
        }
    }
    Ok("left")
}
