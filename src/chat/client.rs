//! `chat-client`: sends what you type and shows what the server answers, in turns.
//!
//! Sheet: unit B3, lab task (the client).
//!
//! ```text
//! Python                                             here
//! cli_sock.connect((sys.argv[1], int(sys.argv[2])))  kit::tcp::connect
//! line = input()                                     Keyboard::line, which watches the server too
//! if line == "EXIT": break                           EXIT alone on its line, not sent
//! cli_sock.sendall(line)                             wire::send_line
//! reply = cli_sock.recv(1024)                        LineReader::line, until the line is whole
//! print(reply)                                       screen::say
//! cli_sock.close()                                   the end of the connection's scope
//! ```
//!
//! What goes over the wire is shown in [`super::server`]. An `EXIT` that the server sends is text. The
//! end of the keyboard input (Ctrl-D, the end of a file) leaves as EXIT does.
//!
//! The sheet's client waits in `input()` and learns only one line later that the server has gone, and
//! even that line is sent without an error: the first write after the peer's close succeeds, because the
//! reset that answers it comes later.
//!
//! Limits: a line of over 64 KiB is shown in pieces. In turn means that a server that sends two lines is
//! read a line at a time; `--room` ([`super::room_client`]) sends and receives at once.

use super::room_client;
use super::wire::{self, EXIT, LONGEST};
use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::keyboard::{Keyboard, Typed};
use crate::kit::line::{Ending, LineReader};
use crate::kit::usage::{self, Flag, Operand, Usage};
use crate::kit::{screen, tcp};

const OPERANDS: &[Operand] =
    &[Operand { default: None, ..usage::HOST }, Operand { default: None, ..usage::server_port("") }];
const FLAGS: &[Flag] = &[usage::switch("--room", "talk to a chat-room: send and receive at once")];

/// What `chat-client` takes.
pub const USAGE: Usage = Usage {
    operands: OPERANDS,
    flags: FLAGS,
    notes: "Type a line and press Enter; EXIT alone on a line, or Ctrl-D, leaves.",
    ..Usage::NONE
};

/// Runs `chat-client`.
pub fn run(args: &Args) -> Result<(), Error> {
    let connection = tcp::connect(args.text("HOST"), args.port("PORT"))?;
    wire::keep_alive(&connection)?;
    if args.has("--room") {
        return room_client::run(&connection);
    }
    let mut keyboard = Keyboard::open()?;
    let mut lines = LineReader::new(&connection, LONGEST);
    loop {
        // 1. Read the keyboard.
        match keyboard.line("> ", Some(&connection))? {
            Typed::Line(line) if line == EXIT => break,
            // 2. Send the line.
            Typed::Line(line) => wire::send_line(&connection, &line)?,
            Typed::End => break,
            Typed::PeerLeft => {
                while show_line(&mut lines)? {}
                return Ok(());
            }
        }
        // 3. and 4. Read the answer and print it.
        if !show_line(&mut lines)? {
            return Ok(());
        }
    }
    wire::hang_up(&connection);
    Ok(())
}

/// Shows the server's next line, a long one in its pieces. False when the server has closed instead.
fn show_line<R: std::io::Read>(lines: &mut LineReader<R>) -> Result<bool, Error> {
    loop {
        let line = lines.line().map_err(|why| Error::io("lost the server", &why))?;
        let Some(line) = line else {
            screen::note("the server closed the connection");
            return Ok(false);
        };
        screen::say(&screen::escape(&line.text))?;
        if line.ending != Ending::Full {
            return Ok(true);
        }
    }
}
