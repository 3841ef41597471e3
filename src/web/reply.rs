//! Reading an answer: its head, then its body, wherever that ends (RFC 9112, 4 and 6.3).
//!
//! Generic over [`Read`], so that whole answers are tested in memory. Nothing is repaired: a body that
//! ends early, a length that is no number and a chunk that is none are errors. A client that lets them
//! pass shows half a file as if it were whole.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use super::framing::{self, Chunks, Fault, Framing};
use super::head::{Fields, Scanner};
use super::request::first_line;
use crate::kit::error::{is_timeout, Error};

/// The longest head of an answer, in bytes.
const HEAD: usize = 64 * 1024;

/// The most fields in it.
const FIELDS: usize = 200;

/// How many interim answers (100 to 199) are passed over before the real one.
const INTERIM: usize = 20;

/// How much one read of a body takes at most.
const CHUNK: usize = 64 * 1024;

/// The head of an answer.
#[derive(Debug)]
pub struct Head {
    /// 200 to 599.
    pub status: u16,
    /// As it came, from the status line to the empty line.
    text: Vec<u8>,
}

impl Head {
    /// The status line, without its ending.
    pub fn status_line(&self) -> &[u8] {
        first_line(&self.text)
    }

    /// The fields.
    pub fn fields(&self) -> Result<Fields<'_>, Error> {
        let start = self.status_line().len() + 2;
        let lines = &self.text[start..self.text.len() - 2];
        match Fields::parse(lines, FIELDS) {
            Ok(Some(fields)) => Ok(fields),
            Ok(None) => Err(wrong("its head has too many fields")),
            Err(why) => Err(wrong(why)),
        }
    }

    /// Where the body ends; `to_head` says that HEAD was asked, whose answer never has one.
    pub fn framing(&self, to_head: bool) -> Result<Framing, Error> {
        if to_head || matches!(self.status, 204 | 304) {
            return Ok(Framing::Length(0));
        }
        framing::of(&self.fields()?, self.text.starts_with(b"HTTP/1.0")).map_err(|fault| match fault {
            Fault::Bad(why) => wrong(why),
            Fault::TooLong => wrong("Content-Length is beyond all bounds"),
            Fault::UnknownCoding => wrong("its transfer coding is not known here"),
        })
    }
}

/// The receiving half of a client.
#[derive(Debug)]
pub struct Reader<R> {
    inner: R,
    /// What has arrived and is not used yet.
    pending: Vec<u8>,
    /// Where reads go.
    chunk: Vec<u8>,
}

impl<R: Read> Reader<R> {
    /// Reads answers from `inner`, whose reads should have a timeout.
    pub fn new(inner: R) -> Reader<R> {
        Reader { inner, pending: Vec::new(), chunk: vec![0; CHUNK] }
    }

    /// The head of the answer, which must be whole after `patience`; interim answers are passed over.
    pub fn head(&mut self, patience: Duration) -> Result<Head, Error> {
        let deadline = Instant::now() + patience;
        for _ in 0..=INTERIM {
            let head = self.any_head(deadline)?;
            match head.status {
                101 => return Err(wrong("it switches to a protocol nobody asked for")),
                100..=199 => {}
                _ => return Ok(head),
            }
        }
        Err(wrong("it sends one interim answer after the other"))
    }

    fn any_head(&mut self, deadline: Instant) -> Result<Head, Error> {
        let mut scanner = Scanner::default();
        loop {
            // So that what is not HTTP at all is called that, and not waited for.
            let beginning = &self.pending[..self.pending.len().min(b"HTTP/1.".len())];
            if !b"HTTP/1.".starts_with(beginning) {
                return Err(wrong("it does not begin with HTTP/1."));
            }
            if let Some(length) = scanner.scan(&self.pending).map_err(wrong)? {
                let text: Vec<u8> = self.pending.drain(..length).collect();
                let status =
                    status_of(first_line(&text)).ok_or_else(|| wrong("its status line is malformed"))?;
                let head = Head { status, text };
                head.fields()?;
                return Ok(head);
            }
            if self.pending.len() > HEAD {
                return Err(wrong("its head is too long"));
            }
            if Instant::now() >= deadline {
                return Err(silent("the head did not arrive in time"));
            }
            if self.more()? == 0 {
                return Err(match self.pending.len() {
                    0 => Error::Failed("the server closed the connection without an answer".to_string()),
                    _ => cut("within the head"),
                });
            }
        }
    }

    /// The body: calls `each` with every piece of it. Errs when it does not end as it should.
    pub fn body(
        &mut self,
        framing: Framing,
        mut each: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut chunks = Chunks::default();
        let mut received = 0u64;
        loop {
            let pending = std::mem::take(&mut self.pending);
            let done = match framing {
                Framing::Untold => {
                    each(&pending)?;
                    false
                }
                Framing::Length(length) => {
                    let left = usize::try_from(length - received).unwrap_or(usize::MAX);
                    let count = left.min(pending.len());
                    each(&pending[..count])?;
                    received += count as u64;
                    received == length
                }
                Framing::Chunked => {
                    chunks.take(&pending, |part| each(part).map_err(Stop::Other)).map_err(Error::from)?;
                    chunks.done()
                }
            };
            if done {
                return Ok(());
            }
            if self.more()? == 0 {
                return match framing {
                    Framing::Untold => Ok(()),
                    Framing::Length(length) => Err(cut(&format!("after {received} of {length} bytes"))),
                    Framing::Chunked => Err(cut("within a chunked body")),
                };
            }
        }
    }

    /// Reads once; 0 at the end of the stream.
    fn more(&mut self) -> Result<usize, Error> {
        loop {
            match self.inner.read(&mut self.chunk) {
                Ok(count) => {
                    self.pending.extend_from_slice(&self.chunk[..count]);
                    return Ok(count);
                }
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) if is_timeout(&why) => return Err(silent("the server is silent")),
                Err(why) => return Err(Error::io("cannot receive the answer", &why)),
            }
        }
    }
}

/// Why taking chunks apart stopped.
enum Stop {
    Malformed(&'static str),
    Other(Error),
}

impl From<&'static str> for Stop {
    fn from(why: &'static str) -> Stop {
        Stop::Malformed(why)
    }
}

impl From<Stop> for Error {
    fn from(stop: Stop) -> Error {
        match stop {
            Stop::Malformed(why) => wrong(why),
            Stop::Other(error) => error,
        }
    }
}

/// The status of `HTTP/1.1 200 OK`; the words may be missing, the blank in front of them may not.
fn status_of(line: &[u8]) -> Option<u16> {
    let [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor, b' ', digits @ ..] = line else { return None };
    let (digits, words) = digits.split_at_checked(3)?;
    let well = minor.is_ascii_digit() && digits.iter().all(u8::is_ascii_digit);
    // RFC 9112, 4 wants the blank also before no words; many servers leave it away.
    let well = well && (words.is_empty() || words[0] == b' ');
    let well = well && !words.iter().any(|&byte| byte == b'\r' || byte == 0);
    let status = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (well && (100..600).contains(&status)).then_some(status)
}

fn wrong(why: &str) -> Error {
    Error::Failed(format!("the answer is not valid HTTP: {why}"))
}

fn cut(place: &str) -> Error {
    Error::Failed(format!("the answer is incomplete: the connection ended {place}"))
}

fn silent(what: &str) -> Error {
    Error::Failed(format!("{what} (--timeout waits longer)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// Hands its bytes out in pieces of one size.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(into.len());
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    /// The status and body of an answer, or what is wrong with it.
    fn read(text: &[u8], step: usize, to_head: bool) -> Result<(u16, Vec<u8>), String> {
        let mut reader = Reader::new(Pieces(text, step));
        let head = reader.head(PATIENCE).map_err(|error| error.to_string())?;
        let mut body = Vec::new();
        let framing = head.framing(to_head).map_err(|error| error.to_string())?;
        let each = |part: &[u8]| {
            body.extend_from_slice(part);
            Ok(())
        };
        reader.body(framing, each).map_err(|error| error.to_string())?;
        Ok((head.status, body))
    }

    const COUNTED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello";
    const CHUNKED: &[u8] =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nHe\r\n3;x\r\nllo\r\n0\r\nT: x\r\n\r\n";
    const CLOSED: &[u8] = b"HTTP/1.0 200 OK\r\n\r\nHello";

    #[test]
    fn three_kinds_of_body_in_pieces_of_any_size() {
        for text in [COUNTED, CHUNKED, CLOSED] {
            for step in 1..=text.len() {
                assert_eq!(read(text, step, false), Ok((200, b"Hello".to_vec())), "in steps of {step}");
            }
        }
    }

    #[test]
    fn every_truncation_is_an_error_rfc_9112_8() {
        for text in [COUNTED, CHUNKED] {
            for end in 0..text.len() {
                assert!(read(&text[..end], 7, false).is_err(), "cut at {end}");
            }
        }
        // A body that ends with the connection cannot be known to be cut; its head can.
        for end in 0..CLOSED.len() - 5 {
            assert!(read(&CLOSED[..end], 7, false).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn answers_without_a_body() {
        for status in [204, 304] {
            let text = format!("HTTP/1.1 {status} x\r\nContent-Length: 5\r\n\r\n");
            assert_eq!(read(text.as_bytes(), 9, false), Ok((status, Vec::new())));
        }
        assert_eq!(read(&COUNTED[..COUNTED.len() - 5], 9, true), Ok((200, Vec::new())));
    }

    #[test]
    fn interim_answers_are_passed_over() {
        let interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
        assert_eq!(read(&[interim, COUNTED].concat(), 9, false), Ok((200, b"Hello".to_vec())));
        let endless = [&b"HTTP/1.1 100 Continue\r\n\r\n".repeat(30), COUNTED].concat();
        assert!(read(&endless, 9, false).unwrap_err().contains("interim"));
        let switch = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
        assert!(read(switch, 9, false).is_err());
    }

    #[test]
    fn what_is_no_answer() {
        let wrong: [&[u8]; 19] = [
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"<html>old server</html>",
            b"HTTP/2.0 200 OK\r\n\r\n",
            b"HTTP/1.1 20 OK\r\n\r\n",
            b"HTTP/1.1 2000 OK\r\n\r\n",
            b"HTTP/1.1 600 OK\r\n\r\n",
            b"HTTP/1.1 099 OK\r\n\r\n",
            b"HTTP/1.1  200 OK\r\n\r\n",
            b"HTTP/1.1 200OK\r\n\r\n",
            b"HTTP/1.1\r\n\r\n",
            b"HTTP/1.1 200 OK\n\n",
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nHello",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            b"HTTP/1.1 200 O\rK\r\n\r\n",
        ];
        for text in wrong {
            let got = read(text, 9, false);
            assert!(got.as_ref().is_err_and(|why| why.contains("not valid HTTP")), "{got:?}");
        }
        let long = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; HEAD]].concat();
        assert!(read(&long, 9000, false).unwrap_err().contains("too long"));
        assert!(read(b"", 9, false).unwrap_err().contains("without an answer"));
        assert_eq!(read(b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 9, false), Ok((200, Vec::new())));
    }
}
