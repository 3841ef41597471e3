//! Lines typed by the user, while a peer is watched.
//!
//! A program that waits in `input()` does not notice that its server has gone. Here the wait is on
//! both, with poll(2): the keyboard for a line, the peer for the end of its stream.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::time::Duration;

use super::error::Error;
use super::line::LineBuffer;
use super::screen;
use super::sys::poll::{poll, Watched, PEER_ENDED, READABLE};
use super::sys::terminal;

/// The longest line taken from the file or pipe in the keyboard's place; a longer one comes as several.
/// (A terminal has its own limit, 4,095 bytes.)
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
    /// What was ready for a peer that had left.
    kept: Option<Typed>,
    /// The next line that ends was begun for somebody who has left.
    begun: bool,
}

impl Keyboard {
    /// Takes standard input.
    pub fn open() -> Result<Keyboard, Error> {
        let input = io::stdin().as_fd().try_clone_to_owned();
        let input = File::from(input.map_err(|why| Error::io("cannot open the keyboard", &why))?);
        Ok(Keyboard { input, lines: LineBuffer::new(LONGEST), ended: false, kept: None, begun: false })
    }

    /// Shows `prompt` to a person and waits for a line, watching `peer` meanwhile. A peer that has
    /// left is reported before a line that is ready: there is nobody to send it to. The line stays
    /// for the next call, or for [`Keyboard::discard`]. A prompt that nobody answers is closed by a newline,
    /// so that what is shown next does not stand behind it.
    pub fn line(&mut self, prompt: &str, peer: Option<&TcpStream>) -> Result<Typed, Error> {
        let ready = self.ready();
        let asked = ready.is_none() && !prompt.is_empty();
        if asked {
            screen::prompt(prompt);
        }
        let typed = self.wait_for_line(ready, prompt, peer)?;
        if asked && !matches!(typed, Typed::Line(_)) {
            screen::prompt("\n");
        }
        Ok(typed)
    }

    /// The same, with the prompt on the screen already unless something is `ready`.
    fn wait_for_line(
        &mut self,
        mut ready: Option<Typed>,
        prompt: &str,
        peer: Option<&TcpStream>,
    ) -> Result<Typed, Error> {
        loop {
            let timeout = ready.is_some().then_some(Duration::ZERO);
            let mut watched = vec![Watched::new(&self.input, READABLE)];
            watched.extend(peer.map(|peer| Watched::new(peer, PEER_ENDED)));
            poll(&mut watched, timeout)?;
            if watched.get(1).is_some_and(|peer| peer.found(PEER_ENDED)) {
                self.kept = ready;
                return Ok(Typed::PeerLeft);
            }
            if let Some(typed) = ready {
                return Ok(typed);
            }
            if watched[0].found(READABLE) {
                let begun = self.begun;
                self.read()?;
                ready = self.ready();
                if begun && !self.begun && ready.is_none() {
                    screen::prompt(prompt);
                }
            }
        }
    }

    /// Takes away what has been typed so far, for somebody who has left. Says whether that was
    /// anything. Never waits.
    ///
    /// - At a terminal that is everything, with the line that is being typed: what is typed of it
    ///   later goes the same way when Enter is pressed. Ctrl-D goes too: it was for a prompt that is gone.
    /// - In a pipe or a file nobody types: its lines were prepared, one for each answer, and one goes,
    ///   if one is ready or has begun.
    pub fn discard(&mut self) -> Result<bool, Error> {
        if self.input.is_terminal() {
            let typed = terminal::take_typed(&self.input);
            let typed = typed.map_err(|why| Error::io("cannot read the keyboard", &why))?;
            let before = self.lines.rest().map(|line| line.text);
            let last = typed.last().or(before.as_ref().and_then(|bytes| bytes.last())).copied();
            if let Some(last) = last {
                // A NUL is what the terminal keeps for Ctrl-D; that goes too.
                self.begun = last != b'\n' && last != 0;
            }
            return Ok(matches!(self.kept.take(), Some(Typed::Line(_))) || last.is_some());
        }
        if self.kept.is_none() && self.may_read()? {
            self.read()?;
        }
        match self.ready() {
            Some(Typed::Line(_)) => return Ok(true),
            end => self.kept = end,
        }
        self.begun |= !self.lines.is_empty();
        Ok(self.begun)
    }

    /// Looks, without waiting, whether the input has ended and no line of it is left. A line found on
    /// the way stays for the next call of [`Keyboard::line`]; see [`Keyboard::has_line`].
    pub fn is_over(&mut self) -> Result<bool, Error> {
        loop {
            self.kept = self.ready();
            match self.kept {
                Some(Typed::End) => return Ok(true),
                None if self.may_read()? => self.read()?,
                _ => return Ok(false),
            }
        }
    }

    /// Whether a line is ready that has been read already.
    pub fn has_line(&self) -> bool {
        self.kept.is_some()
    }

    /// Whether a person types: it is a terminal.
    pub fn is_terminal(&self) -> bool {
        self.input.is_terminal()
    }

    /// Whether this is a terminal, or the `/dev/null` that a shell gives to a program in the
    /// background; otherwise it is a pipe or a file, whose end means that nothing more will come.
    pub fn is_device(&self) -> io::Result<bool> {
        Ok(self.input.metadata()?.file_type().is_char_device())
    }

    /// Waits until something can be read: a line, a part of one, or the end. Needs no exclusive hold
    /// on the keyboard, so that somebody else can ask for a line meanwhile.
    pub fn wait() -> io::Result<()> {
        while poll(&mut [Watched::new(&io::stdin(), READABLE)], None)? == 0 {}
        Ok(())
    }

    /// Whether a read would return at once.
    fn may_read(&self) -> io::Result<bool> {
        Ok(poll(&mut [Watched::new(&self.input, READABLE)], Some(Duration::ZERO))? > 0)
    }

    /// What can be handed out without reading.
    fn ready(&mut self) -> Option<Typed> {
        if let Some(kept) = self.kept.take() {
            return Some(kept);
        }
        loop {
            let line = self.lines.line().or_else(|| if self.ended { self.lines.rest() } else { None });
            match line {
                Some(_) if self.begun => {
                    self.begun = false;
                    screen::note("not sent: that line was begun for somebody who has left");
                }
                Some(line) => return Some(Typed::Line(line.text)),
                None => return self.ended.then_some(Typed::End),
            }
        }
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
