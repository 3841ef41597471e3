//! The dialogue with a mail server: the sheet's skeleton, filled in.
//!
//! Sheet: CSE3214, assignment 3. Each method is one of the skeleton's steps, in its order:
//!
//! ```text
//! the sheet's skeleton                         here
//! clientSocket.connect(mailserver)             kit::tcp::connect, in super::client
//! recv[:3] != '220'                            Dialogue::greeting
//! HELO Alice                                   Dialogue::hello        EHLO, then HELO
//! MAIL FROM                                    Dialogue::mail
//! RCPT TO                                      Dialogue::rcpt
//! DATA                                         Dialogue::data         354, then the message
//! endmsg = "\r\n.\r\n"                         DotStuffer::finish, in Dialogue::data
//! QUIT                                         Dialogue::quit
//! ```
//!
//! On the wire (RFC 5321, appendix D):
//!
//! ```text
//! S: 220 localhost ESMTP socklab
//! C: EHLO [127.0.0.1]
//! S: 250-localhost greets [127.0.0.1]
//! S: 250-SIZE 26214400
//! S: 250 8BITMIME
//! C: MAIL FROM:<ada@example.org> SIZE=320
//! S: 250 the sender is noted
//! C: RCPT TO:<bob@example.org>
//! S: 250 the recipient is noted
//! C: DATA
//! S: 354 go on, and end with a line that is a single dot
//! C: (the message)
//! C: .
//! S: 250 the message is stored
//! C: QUIT
//! S: 221 goodbye
//! ```
//!
//! A reply is read until it is whole ([`super::reply`]), and what it says decides what happens next.
//!
//! Limits: one command at a time; a client in a hurry would send several at once where the server
//! offers PIPELINING (RFC 2920).

use std::io::{self, Write};
use std::time::Duration;

use super::command::Command;
use super::extensions::Extensions;
use super::message::{Message, Piece};
use super::reply::{Class, Parser, Reply, LONGEST_LINE};
use super::stuffing::DotStuffer;
use super::transcript;
use super::wire::Wire;
use crate::kit::error::Error;
use crate::kit::line::LineReader;
use crate::kit::screen::escape;

// How long each phase may take, by RFC 5321, 4.5.3.2. Minutes, because a server may look up the
// client's name, ask lists of spammers, or make an unknown client wait on purpose.

/// The greeting, and the reply to a command.
const COMMAND_TIME: Duration = Duration::from_secs(5 * 60);
/// The reply to DATA.
const DATA_TIME: Duration = Duration::from_secs(2 * 60);
/// Sending one block of the message.
const BLOCK_TIME: Duration = Duration::from_secs(3 * 60);
/// The reply after the final dot, when the server stores or even delivers the message.
const END_TIME: Duration = Duration::from_secs(10 * 60);
/// The farewell, which changes nothing any more.
const QUIT_TIME: Duration = Duration::from_secs(10);

/// How much of the message is handed to the network at once.
const BLOCK: usize = 16 * 1024;

/// Where the lines of the transcript go.
pub type Show = Box<dyn FnMut(&str) -> Result<(), Error>>;

/// The client's end of a dialogue.
pub struct Dialogue<S> {
    lines: LineReader<S>,
    show: Show,
    /// The user's `--timeout`, where it is shorter than the phase's own time.
    timeout: Option<Duration>,
    /// Whether the server still listens: after a network error or a 421 there is nobody to say QUIT to.
    open: bool,
}

impl<S: Wire> Dialogue<S> {
    /// On a connection that has just been made.
    pub fn new(stream: S, timeout: Option<Duration>, show: Show) -> Dialogue<S> {
        Dialogue { lines: LineReader::new(stream, LONGEST_LINE), show, timeout, open: true }
    }

    /// Waits for the server's first words: 220.
    pub fn greeting(&mut self) -> Result<(), Error> {
        self.allow(COMMAND_TIME);
        let reply = self.reply()?;
        self.require(&reply, "does not serve us")
    }

    /// Introduces the client as `name` and learns what the server can do: EHLO, and where that is not
    /// understood the older HELO, which announces nothing.
    pub fn hello(&mut self, name: &str) -> Result<Extensions, Error> {
        let reply = self.exchange(&Command::new(format!("EHLO {name}"))?, COMMAND_TIME)?;
        if reply.class() != Class::No {
            self.require(&reply, "refuses EHLO")?;
            return Ok(Extensions::from_reply(&reply));
        }
        let reply = self.exchange(&Command::new(format!("HELO {name}"))?, COMMAND_TIME)?;
        self.require(&reply, "refuses HELO")?;
        Ok(Extensions::default())
    }

    /// Names the sender, and tells the server what it wants to know about the message.
    pub fn mail(&mut self, from: &str, message: &Message, server: &Extensions) -> Result<(), Error> {
        let size = message.size();
        if let Some(most) = server.largest().filter(|most| size > *most) {
            let text = format!("the message has {size} bytes, and the server takes at most {most}");
            return Err(Error::Failed(text));
        }
        let size = server.has("SIZE").then_some(size);
        let reply = self.exchange(&Command::mail(from, size, message.eight_bit)?, COMMAND_TIME)?;
        self.expect(&reply, Class::Done, "refuses the sender")
    }

    /// Names one recipient and returns the server's verdict. A refusal is no error: others may pass.
    /// Errs when the server says that it closes the connection (421).
    pub fn rcpt(&mut self, to: &str) -> Result<Reply, Error> {
        let reply = self.exchange(&Command::rcpt(to)?, COMMAND_TIME)?;
        if reply.code == 421 {
            self.expect(&reply, Class::Done, "ends the dialogue")?;
        }
        Ok(reply)
    }

    /// Sends the message. Errs unless the server says that it has it: 250 after the final dot.
    pub fn data(&mut self, message: &Message) -> Result<Reply, Error> {
        let reply = self.exchange(&Command::new("DATA".to_string())?, DATA_TIME)?;
        self.expect(&reply, Class::GoOn, "refuses DATA")?;
        if let Err(error) = self.send(message) {
            // From here on everything is part of the message, also a RSET or a QUIT. Closing the
            // connection without the final dot tells the server that it has no message.
            self.open = false;
            return Err(error);
        }
        self.allow(END_TIME);
        let reply = self.reply()?;
        self.expect(&reply, Class::Done, "refuses the message")?;
        Ok(reply)
    }

    /// Says goodbye. Nothing that happens now changes what has been delivered.
    pub fn quit(&mut self) -> Result<(), Error> {
        self.farewell("QUIT")
    }

    /// Leaves after a failure: takes back what has been said about the message, then says goodbye.
    pub fn give_up(&mut self) -> Result<(), Error> {
        self.farewell("RSET")?;
        self.farewell("QUIT")
    }

    fn farewell(&mut self, verb: &str) -> Result<(), Error> {
        if !self.open {
            return Ok(());
        }
        match self.exchange(&Command::new(verb.to_string())?, QUIT_TIME) {
            Err(Error::OutputClosed) => Err(Error::OutputClosed),
            _ => Ok(()),
        }
    }

    /// Asks for TLS. After the server's consent the next byte must be the handshake's, so the stream
    /// underneath is handed out, to be wrapped by `secure`.
    ///
    /// Bytes that came in clear along with the consent are refused: somebody on the way may have put
    /// them there, for the client to take as the server's once the connection is safe (RFC 3207, 6;
    /// CVE-2011-0411 is the same flaw in servers).
    pub fn start_tls<T: Wire>(
        mut self,
        secure: impl FnOnce(S) -> Result<T, Error>,
    ) -> Result<Dialogue<T>, Error> {
        let reply = self.exchange(&Command::new("STARTTLS".to_string())?, COMMAND_TIME)?;
        self.require(&reply, "refuses STARTTLS")?;
        let (mut stream, early) = self.lines.into_parts();
        if !early.is_empty() {
            let text = "bytes in clear arrived after STARTTLS: the connection cannot be trusted";
            return Err(Error::Failed(text.to_string()));
        }
        stream.allow(Some(limit(self.timeout, COMMAND_TIME)));
        Ok(Dialogue::new(secure(stream)?, self.timeout, self.show))
    }

    /// The stream underneath, for a test to look at.
    #[cfg(test)]
    pub fn into_stream(self) -> S {
        self.lines.into_parts().0
    }

    /// Sends one command and waits for its reply.
    pub fn exchange(&mut self, command: &Command, time: Duration) -> Result<Reply, Error> {
        (self.show)(&format!("C: {}", command.shown()))?;
        self.allow(time);
        let sent = self.lines.inner().write_all(&command.bytes());
        if let Err(why) = sent.and_then(|()| self.lines.inner().flush()) {
            self.open = false;
            return Err(Error::io("lost the server", &why));
        }
        self.reply()
    }

    /// The same for a step of AUTH, in a command's time.
    pub fn ask(&mut self, command: &Command) -> Result<Reply, Error> {
        self.exchange(command, COMMAND_TIME)
    }

    /// Waits for one whole reply.
    fn reply(&mut self) -> Result<Reply, Error> {
        let outcome = self.read_reply();
        match &outcome {
            // 421: the server closes the connection (RFC 5321, 3.8).
            Ok(reply) if reply.code != 421 => {}
            _ => self.open = false,
        }
        outcome
    }

    fn read_reply(&mut self) -> Result<Reply, Error> {
        let mut parser = Parser::default();
        loop {
            let line = match self.lines.line() {
                Ok(Some(line)) => line,
                Ok(None) => return Err(Error::Failed("the server closed the connection".to_string())),
                Err(why) => return Err(Error::io("no reply from the server", &why)),
            };
            (self.show)(&format!("S: {}", escape(&line.text)))?;
            if let Some(reply) = parser.line(&line)? {
                return Ok(reply);
            }
        }
    }

    /// Errs unless the reply is of the wanted class; says whether trying again can help.
    pub fn expect(&self, reply: &Reply, wanted: Class, what: &str) -> Result<(), Error> {
        if reply.class() == wanted {
            return Ok(());
        }
        let hint = if reply.class() == Class::NotNow { " (try again later)" } else { "" };
        Err(Error::Failed(format!("the server {what}: {}{hint}", reply.text())))
    }

    /// The same for a step without which there is no going on: says QUIT before it errs, because a client
    /// must not close without (RFC 5321, 4.1.1.10).
    fn require(&mut self, reply: &Reply, what: &str) -> Result<(), Error> {
        let outcome = self.expect(reply, Class::Done, what);
        if outcome.is_err() {
            self.quit()?;
        }
        outcome
    }

    /// Sends the message's lines and the final dot.
    fn send(&mut self, message: &Message) -> Result<(), Error> {
        let (timeout, block_time) = (self.timeout, limit(self.timeout, BLOCK_TIME));
        for piece in &message.pieces {
            transcript::show(piece, &mut self.show)?;
        }
        let mut network = Blocks { stream: self.lines.inner(), time: block_time, lost: false };
        let buffered = io::BufWriter::with_capacity(BLOCK, &mut network);
        let outcome = copy(message, DotStuffer::new(buffered));
        if network.lost {
            // A server that has had enough says why and closes. What it said may still be readable.
            self.allow(limit(timeout, QUIT_TIME));
            let reply = self.reply()?;
            self.expect(&reply, Class::GoOn, "broke off the message")?;
        }
        outcome?;
        (self.show)("C: .")
    }

    fn allow(&mut self, time: Duration) {
        let time = limit(self.timeout, time);
        self.lines.inner().allow(Some(time));
    }
}

/// The shorter of the user's limit and the phase's.
fn limit(timeout: Option<Duration>, phase: Duration) -> Duration {
    timeout.map_or(phase, |timeout| timeout.min(phase))
}

/// Writes every piece and the final dot. A file that cannot be read to its end stops it before the
/// dot: half a message is none.
fn copy(message: &Message, mut to: DotStuffer<impl Write>) -> Result<(), Error> {
    let lost = |why: &io::Error| Error::io("cannot send the message", why);
    for piece in &message.pieces {
        match piece {
            Piece::Text(bytes) => to.write_all(bytes).map_err(|why| lost(&why))?,
            Piece::File(file) => {
                let sent = file.copy(&mut to);
                sent.map_err(|why| Error::io(format!("cannot send {}", escape(file.name.as_bytes())), &why))?;
            }
        }
    }
    to.finish().map_err(|why| lost(&why))
}

/// The network, each block with a time of its own.
struct Blocks<'a, S> {
    stream: &'a mut S,
    time: Duration,
    /// Whether a write failed here and not, for instance, a file that is being sent.
    lost: bool,
}

impl<S: Wire> Write for Blocks<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.lost {
            // The BufWriter above tries its bytes once more when it is dropped; that would wait once more.
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.stream.allow(Some(self.time));
        let written = self.stream.write(bytes);
        self.lost |= written.as_ref().is_err_and(|why| why.kind() != io::ErrorKind::Interrupted);
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A peer that takes nothing, and counts how often it is asked to.
    struct Full(u32);

    impl io::Read for Full {
        fn read(&mut self, _into: &mut [u8]) -> io::Result<usize> {
            Ok(0)
        }
    }

    impl Write for Full {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            self.0 += 1;
            Err(io::ErrorKind::TimedOut.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Wire for Full {
        fn allow(&mut self, _time: Option<Duration>) {}
    }

    #[test]
    fn a_server_that_takes_nothing_is_waited_for_once() {
        let mut stream = Full(0);
        let mut network = Blocks { stream: &mut stream, time: BLOCK_TIME, lost: false };
        let message = Message { pieces: vec![Piece::Text(b"x\r\n".to_vec())], eight_bit: false };
        let buffered = io::BufWriter::with_capacity(BLOCK, &mut network);
        assert!(copy(&message, DotStuffer::new(buffered)).is_err());
        assert!(network.lost);
        assert_eq!(stream.0, 1);
    }
}
