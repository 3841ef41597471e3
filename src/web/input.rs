//! What comes from the client: heads and bodies out of one stream, each with an absolute time limit.
//!
//! Bytes that came with a request but belong to the next one stay in the buffer: a client may send
//! several requests without waiting for the answers (pipelining, RFC 9112, 9.3.2).

use std::io::{self, Read};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::framing::{Chunks, Framing};
use super::head::Scanner;
use super::limits;
use super::response::Refusal;
use crate::kit::error::is_timeout;
use crate::kit::tcp;

/// The size of the buffer while nothing larger arrives.
const SMALL: usize = 4096;

/// The receiving half of a conversation.
#[derive(Debug)]
pub struct Input<'a> {
    stream: &'a TcpStream,
    buffer: Vec<u8>,
    /// What has arrived and is not used yet: `buffer[start..end]`.
    start: usize,
    end: usize,
    /// How long to wait for the next request; `None`: for ever.
    idle: Option<Duration>,
    /// Whether the socket's timeout is `idle`. It nearly always is, which saves a call.
    waits_idle: bool,
}

/// How waiting for a head or a body can end otherwise.
#[derive(Debug)]
pub enum Trouble {
    /// The client has gone, or was silent between two requests: nothing is left to say.
    Gone,
    /// Say this and close.
    Refuse(Refusal),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Trouble {
        Trouble::Refuse(refusal)
    }
}

impl From<&'static str> for Trouble {
    fn from(why: &'static str) -> Trouble {
        Trouble::Refuse(Refusal::bad(why))
    }
}

impl<'a> Input<'a> {
    /// Reads from `stream`, whose read timeout is `idle`.
    pub fn new(stream: &'a TcpStream, idle: Option<Duration>) -> Input<'a> {
        Input { stream, buffer: vec![0; SMALL], start: 0, end: 0, idle, waits_idle: true }
    }

    /// The bytes that have arrived and are not used yet.
    pub fn pending(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Waits for the next request's head and returns it whole, its empty line included.
    pub fn head(&mut self) -> Result<Vec<u8>, Trouble> {
        let mut scanner = Scanner::default();
        let mut deadline = None;
        loop {
            // Some clients end a body with one line ending too many (RFC 9112, 2.2).
            while self.pending().starts_with(b"\r\n") {
                self.start += 2;
                scanner = Scanner::default();
            }
            match scanner.scan(self.pending()) {
                Ok(Some(length)) if length <= limits::HEAD => {
                    let head = self.pending()[..length].to_vec();
                    self.start += length;
                    return Ok(head);
                }
                Ok(None) if self.pending().len() <= limits::HEAD => {
                    if scanner.in_first_line() && self.pending().len() > limits::REQUEST_LINE + 1 {
                        return Err(Refusal { status: 414, why: "the request line is too long" }.into());
                    }
                }
                Ok(_) => return Err(Refusal { status: 431, why: "the head is too long" }.into()),
                Err(why) => return Err(why.into()),
            }
            let begun = deadline.is_some() || !self.pending().is_empty();
            if begun && deadline.is_none() {
                deadline = Some(Instant::now() + self.at_most(limits::HEAD_TIME));
            }
            match self.more(deadline) {
                Ok(0) if !begun => return Err(Trouble::Gone),
                Ok(0) => return Err("the connection ended within the head".into()),
                Ok(_) => deadline = deadline.or(Some(Instant::now() + self.at_most(limits::HEAD_TIME))),
                Err(why) if begun && is_timeout(&why) => return Err(TOO_SLOW.into()),
                Err(_) => return Err(Trouble::Gone),
            }
        }
    }

    /// Reads a body and throws it away, up to [`limits::BODY`] bytes of content.
    pub fn discard(&mut self, framing: Framing) -> Result<(), Trouble> {
        let deadline = Instant::now() + self.at_most(limits::BODY_TIME);
        let (mut left, mut chunks) = match framing {
            Framing::Untold => return Ok(()),
            Framing::Length(length) => (length, None),
            Framing::Chunked => (limits::BODY, Some(Chunks::default())),
        };
        loop {
            let pending = &self.buffer[self.start..self.end];
            if let Some(chunks) = &mut chunks {
                self.start += chunks.take(pending, |part| {
                    let rest = left.checked_sub(part.len() as u64);
                    left = rest.ok_or(Trouble::Refuse(TOO_LARGE))?;
                    Ok::<(), Trouble>(())
                })?;
            } else {
                let count = usize::try_from(left).unwrap_or(usize::MAX).min(pending.len());
                self.start += count;
                left -= count as u64;
            }
            if chunks.as_ref().map_or(left == 0, Chunks::done) {
                return Ok(());
            }
            match self.more(Some(deadline)) {
                Ok(0) => return Err("the connection ended within the body".into()),
                Ok(_) => {}
                Err(why) if is_timeout(&why) => return Err(TOO_SLOW.into()),
                Err(_) => return Err(Trouble::Gone),
            }
        }
    }

    /// A limit, or the idle limit if that is shorter.
    fn at_most(&self, limit: Duration) -> Duration {
        self.idle.map_or(limit, |idle| idle.min(limit))
    }

    /// Waits for more bytes until `deadline`, or as long as a client may be idle, and returns how many
    /// there are; 0 at the end of the stream.
    fn more(&mut self, deadline: Option<Instant>) -> io::Result<usize> {
        match deadline {
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                self.stream.set_read_timeout(tcp::patience(left))?;
                self.waits_idle = false;
            }
            None if !self.waits_idle => {
                self.stream.set_read_timeout(self.idle)?;
                self.waits_idle = true;
            }
            None => {}
        }
        self.make_room();
        let count = tcp::receive(self.stream, &mut self.buffer[self.end..])?;
        self.end += count;
        Ok(count)
    }

    /// Makes sure that at least a byte fits behind `end`. The callers bound what may be pending.
    fn make_room(&mut self) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.buffer.len() > SMALL {
                // One large head must not cost this connection memory for the rest of its life.
                self.buffer = vec![0; SMALL];
            }
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if self.end == self.buffer.len() {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
    }
}

const TOO_SLOW: Refusal = Refusal { status: 408, why: "the request did not arrive in time" };

/// 413, for the two places that find it out.
pub const TOO_LARGE: Refusal = Refusal { status: 413, why: "the body is too large" };

/// Closes a connection so that the last answer arrives: says that nothing more will come, then throws
/// away what the client is still sending, for a while. See [`limits::LINGER_TIME`].
pub fn linger(mut stream: &TcpStream) {
    let deadline = Instant::now() + limits::LINGER_TIME;
    let mut rest = vec![0; SMALL];
    if stream.shutdown(Shutdown::Write).is_err() {
        return;
    }
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(tcp::patience(left)).is_err() {
            return;
        }
        match stream.read(&mut rest) {
            Ok(0) => return,
            Ok(_) => {}
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
