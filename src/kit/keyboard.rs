//! Lines typed by the user, while a peer is watched.
//!
//! A program that waits in `input()` does not notice that its server has gone. Here the wait is on
//! both, with poll(2): the keyboard for a line, the peer for the end of its stream.

use std::fs::File;
use std::io::{self, Read};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::time::Duration;

use super::error::Error;
use super::line::LineBuffer;
use super::screen;
use super::sys::poll::{poll, Watched, PEER_ENDED, READABLE};

/// The longest line taken from the keyboard, or from the file or pipe in its place.
pub const LONGEST: usize = 1 << 20;

/// What came of waiting for the keyboard.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// A line, without its `\n` or `\r\n`; nothing else is taken off.
    Line(Vec<u8>),
    /// The end of the input: Ctrl-D, or the end of the file.
    End,
    /// The peer has closed its side of the connection, or the connection is broken. Bytes that it
    /// sent before may still be unread.
    PeerLeft,
}

/// Standard input, line by line. It has one owner: what one reader has buffered no other can see.
#[derive(Debug)]
pub struct Keyboard {
    /// Not std's `Stdin`: that one reads ahead into a buffer of its own, which poll cannot see.
    input: File,
    lines: LineBuffer,
    ended: bool,
}

impl Keyboard {
    /// Takes standard input.
    pub fn open() -> io::Result<Keyboard> {
        let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        Ok(Keyboard { input, lines: LineBuffer::new(LONGEST), ended: false })
    }

    /// Shows `prompt` to a person and waits for a line, watching `peer` meanwhile. A peer that has
    /// left is reported before a line that is ready: there is nobody to send it to.
    pub fn line(&mut self, prompt: &str, peer: Option<&TcpStream>) -> Result<Typed, Error> {
        let mut ready = self.buffered();
        if ready.is_none() {
            screen::prompt(prompt);
        }
        loop {
            let timeout = ready.is_some().then_some(Duration::ZERO);
            let mut watched = vec![Watched::new(&self.input, READABLE)];
            watched.extend(peer.map(|peer| Watched::new(peer, PEER_ENDED)));
            poll(&mut watched, timeout)?;
            if watched.get(1).is_some_and(|peer| peer.found(PEER_ENDED)) {
                // The line that was ready goes with the peer it was meant for.
                return Ok(Typed::PeerLeft);
            }
            if let Some(typed) = ready {
                return Ok(typed);
            }
            if watched[0].found(READABLE) {
                self.read()?;
                ready = self.buffered();
            }
        }
    }

    /// What can be handed out without reading.
    fn buffered(&mut self) -> Option<Typed> {
        if let Some(line) = self.lines.line() {
            return Some(Typed::Line(line.text));
        }
        if !self.ended {
            return None;
        }
        Some(self.lines.rest().map_or(Typed::End, |line| Typed::Line(line.text)))
    }

    /// Reads what has been typed; on a terminal that is one line.
    fn read(&mut self) -> Result<(), Error> {
        let mut chunk = [0; 4096];
        match self.input.read(&mut chunk) {
            Ok(0) => self.ended = true,
            Ok(count) => self.lines.push(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("cannot read the keyboard", &error)),
        }
        Ok(())
    }
}
