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
//! room still says to our last lines is shown; then the room closes too.
//!
//! Limits: on a terminal a line that arrives stands in the middle of what is being typed; Ctrl-R, with
//! which the terminal shows the typed line again, helps.

use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{channel, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::wire::{self, EXIT, LONGEST};
use crate::kit::error::Error;
use crate::kit::keyboard::{Keyboard, Typed};
use crate::kit::line::LineReader;
use crate::kit::screen;

/// How long the room may take to close after we have.
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
    loop {
        match keyboard.line("", Some(connection))? {
            Typed::Line(line) if line == EXIT => break,
            Typed::Line(line) => wire::send_line(connection, &line)?,
            Typed::End => break,
            Typed::PeerLeft => {
                // What it sent before is being shown; that ends by itself.
                receiver.recv().unwrap_or(Ok(()))?;
                screen::note("the room closed the connection");
                return Ok(());
            }
        }
    }
    // It fails when the room has gone, and then the receiver knows why.
    let _ = connection.shutdown(Shutdown::Write);
    match receiver.recv_timeout(FAREWELL) {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(()),
    }
}

/// Shows every line until the room closes.
fn show(connection: &TcpStream) -> Result<(), Error> {
    let mut lines = LineReader::new(connection, LONGEST);
    while let Some(line) = lines.line().map_err(|why| Error::io("lost the room", &why))? {
        screen::say(&screen::escape(&line.text))?;
    }
    Ok(())
}
