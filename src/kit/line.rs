//! Lines of bounded length out of a stream of bytes.
//!
//! TCP carries bytes, not messages: one `send` may arrive in several reads and several in one. A text
//! protocol marks the end of a message with a newline, so the receiver must collect bytes until it
//! sees one, and must stop collecting somewhere, or a peer that never sends a newline fills the
//! memory. [`LineBuffer`] does the cutting without any I/O; [`LineReader`] feeds one from a `Read`.

use std::io::{self, Read};

/// How a line ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// `\r\n`, as HTTP and SMTP write it.
    CrLf,
    /// A bare `\n`, as Unix writes it.
    Lf,
    /// The limit: this many bytes came without a newline; the rest follows as the next line.
    Full,
    /// The end of the stream: the last line, unfinished.
    Eof,
}

/// One line, without its ending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The bytes before the ending; may be empty, never longer than the limit.
    pub text: Vec<u8>,
    /// What came after them.
    pub ending: Ending,
}

/// Bytes in, lines out.
#[derive(Debug)]
pub struct LineBuffer {
    bytes: Vec<u8>,
    /// Where the bytes begin that have not been handed out yet.
    start: usize,
    /// How far the bytes have been searched for a newline, so that a line that arrives byte by
    /// byte is not searched from its beginning each time.
    searched: usize,
    limit: usize,
}

impl LineBuffer {
    /// Lines of up to `limit` bytes, the ending not counted.
    pub fn new(limit: usize) -> LineBuffer {
        LineBuffer { bytes: Vec::new(), start: 0, searched: 0, limit }
    }

    /// Adds bytes that have arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next complete line, or one that has reached the limit; `None` until more bytes arrive.
    pub fn line(&mut self) -> Option<Line> {
        let newline = self.bytes[self.searched..].iter().position(|&byte| byte == b'\n');
        let end = newline.map_or(self.bytes.len(), |offset| self.searched + offset);
        self.searched = end;
        let mut text = &self.bytes[self.start..end];
        let mut ending = Ending::Lf;
        if let (Some(_), Some(shorter)) = (newline, text.strip_suffix(b"\r")) {
            text = shorter;
            ending = Ending::CrLf;
        }
        // A carriage return at the very end may be half of an ending whose newline is on its way.
        let open = newline.is_none() && text.last() == Some(&b'\r');
        if text.len() > self.limit + usize::from(open) {
            let piece = text[..self.limit].to_vec();
            self.start += self.limit;
            return Some(Line { text: piece, ending: Ending::Full });
        }
        newline?;
        let text = text.to_vec();
        self.start = end + 1;
        self.searched = end + 1;
        Some(Line { text, ending })
    }

    /// What is left when the stream has ended: an unfinished last line, or nothing.
    pub fn rest(&mut self) -> Option<Line> {
        let text = self.bytes.split_off(self.start);
        *self = LineBuffer::new(self.limit);
        (!text.is_empty()).then_some(Line { text, ending: Ending::Eof })
    }

    /// Whether every byte has been handed out: no line has begun.
    pub fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    /// Takes up to `most` bytes out unread, for a protocol that goes from lines to counted bytes.
    pub fn take(&mut self, most: usize) -> &[u8] {
        let end = self.bytes.len().min(self.start + most);
        let taken = self.start..end;
        self.start = end;
        self.searched = self.searched.max(end);
        &self.bytes[taken]
    }
}

/// Lines read from any stream.
#[derive(Debug)]
pub struct LineReader<R> {
    inner: R,
    buffer: LineBuffer,
    ended: bool,
}

/// How much one read asks for. It lies on the stack, so an idle client costs no buffer at all.
const CHUNK: usize = 4096;

impl<R: Read> LineReader<R> {
    /// Lines of up to `limit` bytes from `inner`.
    pub fn new(inner: R, limit: usize) -> LineReader<R> {
        LineReader { inner, buffer: LineBuffer::new(limit), ended: false }
    }

    /// The next line; `None` at the end of the stream. Errs as `inner` does (a timeout, a reset);
    /// after a timeout it may be called again and has lost nothing.
    pub fn line(&mut self) -> io::Result<Option<Line>> {
        loop {
            if let Some(line) = self.buffer.line() {
                return Ok(Some(line));
            }
            if self.ended {
                return Ok(self.buffer.rest());
            }
            let mut chunk = [0; CHUNK];
            match self.inner.read(&mut chunk) {
                Ok(0) => self.ended = true,
                Ok(count) => self.buffer.push(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The stream underneath, and the bytes that were read from it but not handed out: for a protocol
    /// that changes into another one.
    pub fn into_parts(mut self) -> (R, Vec<u8>) {
        let unread = self.buffer.rest().map_or(Vec::new(), |rest| rest.text);
        (self.inner, unread)
    }

    /// The stream underneath, to write to.
    pub fn inner(&mut self) -> &mut R {
        &mut self.inner
    }
}

/// Bytes that follow a line, unchanged: first those that were read along with it.
impl<R: Read> Read for LineReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let kept = self.buffer.take(into.len());
        if kept.is_empty() {
            return self.inner.read(into);
        }
        into[..kept.len()].copy_from_slice(kept);
        Ok(kept.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::random::Random;

    fn lines_of(input: &[u8], limit: usize) -> Vec<(String, Ending)> {
        let mut reader = LineReader::new(input, limit);
        let mut lines = Vec::new();
        while let Some(line) = reader.line().unwrap() {
            lines.push((String::from_utf8(line.text).unwrap(), line.ending));
        }
        lines
    }

    #[test]
    fn every_ending() {
        let found = lines_of(b"one\ntwo\r\n\n\r\na\rb\nlast", 80);
        let expected = [
            ("one", Ending::Lf),
            ("two", Ending::CrLf),
            ("", Ending::Lf),
            ("", Ending::CrLf),
            ("a\rb", Ending::Lf),
            ("last", Ending::Eof),
        ];
        assert_eq!(found, expected.map(|(text, ending)| (text.to_string(), ending)));
        assert_eq!(lines_of(b"", 80), []);
    }

    #[test]
    fn the_limit_cuts_and_loses_nothing() {
        let found = lines_of(b"abcdefgh\nabcd\r\nabcde\nx", 4);
        let expected = [
            ("abcd", Ending::Full),
            ("efgh", Ending::Lf),
            ("abcd", Ending::CrLf),
            ("abcd", Ending::Full),
            ("e", Ending::Lf),
            ("x", Ending::Eof),
        ];
        assert_eq!(found, expected.map(|(text, ending)| (text.to_string(), ending)));
    }

    #[test]
    fn any_split_gives_the_same_lines() {
        let input = b"GET / HTTP/1.1\r\n\nabcdefghijklmnopqrstuvwxyz\n\r\r\n.\r\nend";
        let whole = lines_of(input, 10);
        for seed in 0..200 {
            let mut random = Random::new(Some(seed));
            let mut buffer = LineBuffer::new(10);
            let mut rest = &input[..];
            let mut found = Vec::new();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(1 + random.below(rest.len() as u64) as usize);
                buffer.push(piece);
                rest = after;
                found.extend(std::iter::from_fn(|| buffer.line()));
            }
            found.extend(buffer.rest());
            let found: Vec<_> =
                found.into_iter().map(|line| (String::from_utf8(line.text).unwrap(), line.ending)).collect();
            assert_eq!(found, whole, "seed {seed}");
        }
    }

    #[test]
    fn what_was_read_ahead_is_handed_over() {
        let mut reader = LineReader::new(&b"STARTTLS\r\nearly\r\n"[..], 80);
        assert_eq!(reader.line().unwrap().unwrap().text, b"STARTTLS");
        assert_eq!(reader.into_parts().1, b"early\r\n");
    }

    #[test]
    fn counted_bytes_after_a_line() {
        let mut reader = LineReader::new(&b"length 5\r\nhellonext\n"[..], 80);
        assert_eq!(reader.line().unwrap().unwrap().text, b"length 5");
        let mut body = [0; 5];
        reader.read_exact(&mut body).unwrap();
        assert_eq!(&body, b"hello");
        assert_eq!(reader.line().unwrap().unwrap().text, b"next");
    }
}
