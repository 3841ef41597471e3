//! `chat-client --room`: sending and receiving at once.
//!
//! Beyond the sheet. In a room others speak while you type, so the sheet's order no longer fits: one
//! thread shows what comes, the other sends what is typed.
//!
//! ```text
//! keyboard → [main thread]       → socket → room
//! screen   ← [thread "receiver"] ← socket ← room
//! ```
//!
//! Either may end first. When the room closes, the main thread sees it while it waits for the keyboard
//! and lets the receiver finish. When the keyboard ends, only the sending side is shut, so that what the
//! room still says to our last lines is shown; then the room closes too. A room slows down whoever
//! speaks too fast (see [`super::pace`]), so that may take as long as the lines take: at the end of a file we
//! wait while the room is open, after EXIT for a moment, and then say that not everything was heard.
//!
//! Sending has no time limit either, for a room that slows us down does so on purpose. A room whose machine
//! has gone is noticed all the same: the kernel gives up what is not acknowledged, and probes when all is.
//!
//! Limits: on a terminal a line that arrives stands in the middle of what is being typed; Ctrl-R, with
//! which the terminal shows the typed line again, helps.

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{channel, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::wire::{EXIT, LONGEST};
use crate::kit::error::Error;
use crate::kit::keyboard::{Keyboard, Typed};
use crate::kit::line::LineReader;
use crate::kit::screen;

/// How long the room may take to close after EXIT.
const FAREWELL: Duration = Duration::from_secs(3);

/// Talks until EXIT, the end of the keyboard, or the end of the room.
pub fn run(connection: &TcpStream) -> Result<(), Error> {
    let (sender, receiver) = channel();
    let incoming = connection.try_clone()?;
    // Not joined but heard of: a thread that waits in `read` cannot be told to stop.
    thread::Builder::new().name("receiver".to_string()).spawn(move || {
        let outcome = show(&incoming);
        // Wakes the main thread too when it is the screen that has gone.
        let _ = incoming.shutdown(Shutdown::Both);
        let _ = sender.send(outcome);
    })?;
    let mut keyboard = Keyboard::open()?;
    screen::prompt("Type a line and press Enter; /help lists the commands, EXIT or Ctrl-D leaves.\n");
    let patience = loop {
        match keyboard.line("", Some(connection))? {
            Typed::Line(line) if line == EXIT => break Some(FAREWELL),
            Typed::Line(line) => {
                if let Err(why) = send_line(connection, &line) {
                    // The receiver may know better why: the screen has gone, say.
                    receiver.recv_timeout(FAREWELL).unwrap_or(Ok(()))?;
                    return Err(Error::io("cannot send", &why));
                }
            }
            Typed::End => break None,
            Typed::PeerLeft => {
                // What it sent before is being shown; that ends by itself.
                receiver.recv().unwrap_or(Ok(()))?;
                screen::note("the room closed the connection");
                return Ok(());
            }
        }
    };
    // It fails when the room has gone, and then the receiver knows why.
    let _ = connection.shutdown(Shutdown::Write);
    let outcome = match patience {
        Some(patience) => receiver.recv_timeout(patience),
        None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
    };
    match outcome {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Disconnected) => Ok(()),
        Err(RecvTimeoutError::Timeout) => {
            Err(Error::Failed("left before the room had heard everything".to_string()))
        }
    }
}

/// Sends a line and its newline, however long the room takes to make room for it.
fn send_line(mut connection: &TcpStream, line: &[u8]) -> io::Result<()> {
    connection.write_all(&[line, b"\n"].concat())
}

/// Shows every line until the room closes.
fn show(connection: &TcpStream) -> Result<(), Error> {
    let mut lines = LineReader::new(connection, LONGEST);
    while let Some(line) = lines.line().map_err(|why| Error::io("lost the room", &why))? {
        screen::say(&screen::escape(&line.text))?;
    }
    Ok(())
}
