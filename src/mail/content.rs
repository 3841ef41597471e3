//! The message on its way in: where it ends, what is stored of it, and what is wrong with it.
//!
//! After DATA everything is message until the five bytes `CR LF . CR LF`, and nothing else ends it. Some
//! servers also accept `LF . LF` or `LF . CR LF`. An attacker then hides a second message behind such
//! an end inside a first one: the sending server sees one message, the receiving one sees two, the
//! second with a sender that nobody has checked ("SMTP smuggling", 2023; CVE-2023-51764 and others).
//!
//! ```text
//! Subject: harmless\r\n\r\nhello\n.\r\nMAIL FROM:<boss@example.org>\r\n…
//!                              ^^^^^^ no end: the line before ended with a bare LF
//! ```
//!
//! A bare CR or LF is not allowed in a mail at all (RFC 5321, 2.3.8). Such a message is read to its true
//! end and then refused, so that whatever it hides stays part of the refused message.

use super::text::LONGEST_LINE;
use crate::kit::line::{Ending, Line};

/// The longest line on the wire: a message's longest, and the dot that the sender may have put in
/// front of it, which is not counted (RFC 5321, 4.5.3.1.6).
pub const LONGEST_WIRE_LINE: usize = LONGEST_LINE + 1;

/// Why a message is refused at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// More bytes than the server takes.
    TooLarge,
    /// A line of over 998 bytes.
    LongLine,
    /// A CR or LF that is no part of a CRLF.
    BareEnding,
}

/// What to do with a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// Store these bytes, and a line break after them.
    Store(&'a [u8]),
    /// The message is refused already; only its end still matters.
    Skip,
    /// That was the end.
    End,
}

/// A message that is being received.
#[derive(Debug)]
pub struct Content {
    /// How the line before ended; the line `DATA` itself ended with CRLF.
    previous: Ending,
    /// Bytes so far, as SIZE counts them.
    size: u64,
    largest: u64,
    fault: Option<Fault>,
}

impl Content {
    /// For a message of at most `largest` bytes.
    pub fn new(largest: u64) -> Content {
        Content { previous: Ending::CrLf, size: 0, largest, fault: None }
    }

    /// Takes the next line, read with a limit of [`LONGEST_WIRE_LINE`].
    pub fn line<'a>(&mut self, line: &'a Line) -> Next<'a> {
        let at_start = self.previous == Ending::CrLf;
        self.previous = line.ending;
        let ended = line.ending == Ending::CrLf;
        if at_start && ended && line.text == b"." {
            return Next::End;
        }
        let text = match &line.text[..] {
            [b'.', rest @ ..] if at_start => rest,
            text => text,
        };
        self.size += text.len() as u64 + if ended { 2 } else { 1 };
        if line.ending == Ending::Full || text.len() > LONGEST_LINE {
            self.fault.get_or_insert(Fault::LongLine);
        } else if !ended || line.text.contains(&b'\r') {
            self.fault.get_or_insert(Fault::BareEnding);
        }
        if self.size > self.largest {
            self.fault.get_or_insert(Fault::TooLarge);
        }
        match self.fault {
            None => Next::Store(text),
            Some(_) => Next::Skip,
        }
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What is wrong with it, if anything.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::line::LineReader;

    /// What is stored, what is wrong, and what is left for the next command; `None` without an end.
    fn receive(bytes: &[u8]) -> Option<(Vec<u8>, Option<Fault>, Vec<u8>)> {
        let mut lines = LineReader::new(bytes, LONGEST_WIRE_LINE);
        let (mut content, mut stored) = (Content::new(5000), Vec::new());
        while let Some(line) = lines.line().unwrap() {
            match content.line(&line) {
                Next::Store(text) => stored.extend([text, b"\r\n"].concat()),
                Next::Skip => {}
                Next::End => return Some((stored, content.fault(), lines.into_parts().1)),
            }
        }
        None
    }

    #[test]
    fn dots_and_the_end() {
        for (wire, message) in [
            (&b".\r\n"[..], &b""[..]),
            (b"a\r\n.\r\n", b"a\r\n"),
            (b"..\r\n...\r\n.a\r\n.\r\n", b".\r\n..\r\na\r\n"),
            (b"\r\n\r\n.\r\n", b"\r\n\r\n"),
        ] {
            let wire = [wire, b"NOOP\r\n"].concat();
            assert_eq!(receive(&wire), Some((message.to_vec(), None, b"NOOP\r\n".to_vec())));
        }
    }

    #[test]
    fn nothing_else_ends_a_message() {
        // The list of the smuggling paper (SEC Consult, 2023), and its relatives.
        for hidden in [
            &b"\n.\n"[..],
            b"\n.\r\n",
            b"\r.\r",
            b"\r.\r\n",
            b"\r\n.\r",
            b"\r\n.\n",
            b"\n.\r",
            b"\r.\n",
            b"\r\n.\r\r\n",
            b"\r\r\n.\r\r\n",
            b"\r\n\0.\r\n",
            b"\r\n.\0\r\n",
            b"\n\n.\r\n",
        ] {
            let wire = [b"a", hidden, b"MAIL FROM:<boss@example.org>\r\n.\r\nQUIT\r\n"].concat();
            let (stored, fault, rest) = receive(&wire).unwrap();
            assert_eq!(rest, b"QUIT\r\n", "{hidden:?}");
            let whole = stored.windows(4).any(|window| window == b"MAIL");
            assert!(fault == Some(Fault::BareEnding) || whole, "{hidden:?}");
        }
    }

    #[test]
    fn long_lines_and_long_messages() {
        let line = |length: usize| [&vec![b'x'; length][..], b"\r\n.\r\n"].concat();
        assert_eq!(receive(&line(998)).unwrap().1, None);
        assert_eq!(receive(&line(999)).unwrap().1, Some(Fault::LongLine));
        // A dot in front is not counted when the sender has put it there.
        let dotted = |length: usize| [&b"."[..], &line(length)].concat();
        assert_eq!(receive(&dotted(998)).unwrap().1, None);
        assert_eq!(receive(&dotted(999)).unwrap().1, Some(Fault::LongLine));
        // The rest of a long line is no new line: its dot ends nothing and loses nothing.
        let tail = [&vec![b'x'; LONGEST_WIRE_LINE][..], b".\r\n.\r\n"].concat();
        assert_eq!(receive(&tail).unwrap().1, Some(Fault::LongLine));
        assert_eq!(receive(&[&b"x\r\n".repeat(1666)[..], b".\r\n"].concat()).unwrap().1, None);
        assert_eq!(
            receive(&[&b"x\r\n".repeat(1667)[..], b".\r\n"].concat()).unwrap().1,
            Some(Fault::TooLarge)
        );
    }

    #[test]
    fn no_truncation_is_a_message() {
        let wire = b"a\r\n..\r\n.\r\n";
        for end in 0..wire.len() {
            assert_eq!(receive(&wire[..end]), None, "{end}");
        }
    }
}
