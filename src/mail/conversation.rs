//! One client of the mail server, from the greeting to the last reply.
//!
//! [`Session`] says what to answer; here the lines are read, the replies sent and the messages stored,
//! over any stream that has deadlines.
//!
//! Limits of what a client can take: a line of 998 bytes, the idle limit for every line and ten minutes
//! for a whole message, as many errors and recipients as [`super::session`] says, and a file of the
//! announced size. All of it is refused with the reply that RFC 5321 has for it.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::content::{Content, Fault, Next, LONGEST_WIRE_LINE};
use super::maildir::{Delivery, Maildir};
use super::reply::Reply;
use super::session::{Rules, Session, Step};
use super::wire::{address_literal, Wire};
use crate::kit::error::{is_timeout, reason, Error};
use crate::kit::line::{Ending, Line, LineReader};
use crate::kit::mail_date::mail_date;
use crate::kit::random::Random;
use crate::kit::{screen, stop};

/// How long a client may take to send one message: ten minutes, as RFC 5321 (4.5.3.2.6) has clients
/// wait for its reply.
const MESSAGE_TIME: Duration = Duration::from_secs(10 * 60);

/// How long a client that is let go may take to read why.
const FAREWELL_TIME: Duration = Duration::from_secs(1);

/// Everything that the conversations of a server share.
#[derive(Debug)]
pub struct Service {
    /// What it is set up to do.
    pub rules: Rules,
    /// Where messages go.
    pub mailbox: Maildir,
    /// How long a client may take for a command; `None`: for ever.
    pub idle: Option<Duration>,
    /// To show a client's other paths.
    pub trouble: Trouble,
    /// Where the line about each stored message goes: standard output.
    pub show: fn(&str) -> Result<(), Error>,
}

/// Trouble made on purpose.
#[derive(Debug)]
pub struct Trouble {
    /// In so many of 100 commands the connection is closed instead of a reply.
    pub loss: f64,
    /// How long each reply waits.
    pub delay: Duration,
    /// Decides.
    pub random: Mutex<Random>,
}

/// How a conversation went on.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// It is over.
    Closed,
    /// The client has been told to begin the TLS handshake.
    StartTls,
}

/// One client's conversation.
pub struct Conversation<'a, S> {
    service: &'a Service,
    session: Session<'a>,
    client: SocketAddr,
    lines: LineReader<S>,
}

impl<'a, S: Wire> Conversation<'a, S> {
    /// With a client that has just connected, or, as `secure`, has just made the TLS handshake.
    pub fn new(service: &'a Service, client: SocketAddr, stream: S, secure: bool) -> Conversation<'a, S> {
        let rules = &service.rules;
        let session = if secure { Session::secured(rules) } else { Session::new(rules) };
        Conversation { service, session, client, lines: LineReader::new(stream, LONGEST_WIRE_LINE) }
    }

    /// Says the first words.
    pub fn greet(&mut self) -> Result<(), Error> {
        let greeting = self.session.greeting();
        self.allow(self.service.idle);
        self.send(&greeting)
    }

    /// Answers commands until the client leaves or wants TLS.
    pub fn serve(&mut self) -> Result<Ended, Error> {
        loop {
            let Some(line) = self.line(self.service.idle)? else { return self.leave() };
            if line.ending == Ending::Full && !self.skip_line()? {
                return self.leave();
            }
            let step = self.session.command(&line);
            if self.loses() {
                return Ok(Ended::Closed);
            }
            match step {
                Step::Reply(reply) => self.send(&reply)?,
                Step::Receive(reply) => {
                    self.send(&reply)?;
                    let reply = self.receive()?;
                    self.send(&reply)?;
                }
                Step::StartTls(reply) => {
                    self.send(&reply)?;
                    return Ok(Ended::StartTls);
                }
                Step::Close(reply) => {
                    self.send(&reply)?;
                    return Ok(Ended::Closed);
                }
            }
        }
    }

    /// The stream, for the TLS handshake. Errs when the client has sent something in clear behind
    /// STARTTLS: somebody on the way may have put it there, to be obeyed once the connection is safe
    /// (CVE-2011-0411).
    pub fn into_stream(self) -> Result<S, Error> {
        match self.lines.into_parts() {
            (stream, early) if early.is_empty() => Ok(stream),
            _ => Err(Error::Failed("sent commands in clear behind STARTTLS; let go".to_string())),
        }
    }

    /// The stream, for a test to look at.
    #[cfg(test)]
    pub fn script(self) -> S {
        self.lines.into_parts().0
    }

    /// The next line, which must be complete within `time`; `None` at the end of the stream. A client
    /// that takes longer is told so before it is let go.
    fn line(&mut self, time: Option<Duration>) -> Result<Option<Line>, Error> {
        self.allow(time);
        self.next_piece()
    }

    /// Reads on to the end of a line that is too long, in the time that is left for it: what stands
    /// there is no command of its own. Returns whether there was an end.
    fn skip_line(&mut self) -> Result<bool, Error> {
        while let Some(line) = self.next_piece()? {
            if line.ending != Ending::Full {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The next line, or the next piece of one that is too long, within the time allowed before.
    fn next_piece(&mut self) -> Result<Option<Line>, Error> {
        match self.lines.line() {
            Ok(line) => Ok(line),
            // The server is stopping; inside TLS that is not an end in due form.
            Err(_) if stop::requested() => Ok(None),
            Err(why) => {
                if is_timeout(&why) {
                    let reply = self.session.reply(421, "you are silent for too long");
                    self.allow(Some(FAREWELL_TIME));
                    // It may have gone; that it was silent is what counts.
                    let _ = self.send(&reply);
                }
                Err(Error::Io(why))
            }
        }
    }

    /// The end of the stream: the client has gone, or the server is stopping.
    fn leave(&mut self) -> Result<Ended, Error> {
        if stop::requested() {
            let reply = self.session.reply(421, "the server is stopping");
            self.send(&reply)?;
        }
        Ok(Ended::Closed)
    }

    /// Receives one message and returns the reply to it. Errs when the client breaks off: then there
    /// is no message.
    fn receive(&mut self) -> Result<Reply, Error> {
        let service = self.service;
        let began = Instant::now();
        let mut content = Content::new(service.rules.largest);
        let begun = service.mailbox.begin().and_then(|mut delivery| {
            delivery.write_all(self.trace().as_bytes())?;
            Ok(delivery)
        });
        let (mut delivery, mut failure) = match begun {
            Ok(delivery) => (Some(delivery), None),
            Err(why) => (None, Some(why)),
        };
        loop {
            // Each line in the time of a command, and all of them in the message's.
            let left = MESSAGE_TIME.saturating_sub(began.elapsed());
            let Some(line) = self.line(Some(service.idle.map_or(left, |idle| idle.min(left))))? else {
                self.leave()?;
                return Err(Error::Failed("broke off in the middle of a message".to_string()));
            };
            let stored = match (content.line(&line), &mut delivery) {
                (Next::End, _) => break,
                (Next::Store(text), Some(delivery)) => {
                    // Line breaks as files on Unix have them, and as every mail reader there expects.
                    delivery.write_all(text).and_then(|()| delivery.write_all(b"\n"))
                }
                _ => Ok(()),
            };
            if let Err(why) = stored {
                // A full disk, most likely. The rest must be read all the same, to find its end.
                delivery = None;
                failure = Some(why);
            }
        }
        let reply = self.judge(&content, delivery, failure);
        self.session.received();
        reply
    }

    /// The verdict on a message that has been received to its end.
    fn judge(
        &mut self,
        content: &Content,
        delivery: Option<Delivery>,
        failure: Option<io::Error>,
    ) -> Result<Reply, Error> {
        if let Some(fault) = content.fault() {
            return Ok(match fault {
                Fault::TooLarge => {
                    Reply::new(552, &format!("the limit is {} bytes", self.service.rules.largest))
                }
                Fault::LongLine => Reply::new(554, "a line has over 998 bytes"),
                Fault::BareEnding => Reply::new(554, "a bare CR or LF: lines end with CR LF"),
            });
        }
        let stored = match (delivery, failure) {
            (Some(delivery), None) => delivery.commit(),
            (_, why) => Err(why.unwrap_or_else(|| io::ErrorKind::Other.into())),
        };
        match stored {
            Ok(file) => {
                self.say_stored(content.size(), &file)?;
                Ok(Reply::new(250, "the message is stored"))
            }
            Err(why) => {
                screen::note(&format!("{}: cannot store a message: {}", self.client, reason(&why)));
                Ok(Reply::new(452, "cannot store it now, try again later"))
            }
        }
    }

    /// One line of the server's transcript.
    fn say_stored(&self, size: u64, file: &std::path::Path) -> Result<(), Error> {
        let Some((envelope, _)) = self.session.envelope() else { return Ok(()) };
        let (from, to) = (screen::escape(envelope.from.as_bytes()), envelope.to.join(", "));
        let to = screen::escape(to.as_bytes());
        (self.service.show)(&format!(
            "{}: from <{from}> to {to}: {size} bytes, {}",
            self.client,
            screen::file_name(file)
        ))
    }

    /// What a server writes in front of a message: where it came from and for whom (RFC 5321, 4.4).
    fn trace(&self) -> String {
        let Some((envelope, name)) = self.session.envelope() else { return String::new() };
        let mut trace = format!("Return-Path: <{}>\n", envelope.from);
        for to in &envelope.to {
            trace += &format!("Delivered-To: {to}\n");
        }
        let address = address_literal(self.client.ip());
        let (server, protocol) = (&self.service.rules.name, self.session.protocol());
        trace
            + &format!(
                "Received: from {name} ({address})\n by {server} with {protocol};\n {}\n",
                mail_date(SystemTime::now())
            )
    }

    /// Whether the connection is to be lost now, on purpose.
    fn loses(&self) -> bool {
        let trouble = &self.service.trouble;
        // The lock is kept for one number only; a panic elsewhere cannot have broken it.
        let mut random = trouble.random.lock().unwrap_or_else(PoisonError::into_inner);
        random.chance(trouble.loss)
    }

    fn send(&mut self, reply: &Reply) -> Result<(), Error> {
        let delay = self.service.trouble.delay;
        if !delay.is_zero() {
            thread::sleep(delay);
            // The client has been waiting, not silent: its time does not pay for the delay.
            self.allow(self.service.idle);
        }
        let stream = self.lines.inner();
        stream.write_all(&reply.bytes())?;
        Ok(stream.flush()?)
    }

    fn allow(&mut self, time: Option<Duration>) {
        self.lines.inner().allow(time);
    }
}
