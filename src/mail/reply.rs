//! Replies: three digits and a text, on one line or on several.
//!
//! ```text
//! S: 250-mail.lab greets [127.0.0.1]     a hyphen after the code: more lines follow
//! S: 250-SIZE 26214400
//! S: 250 8BITMIME                        a blank: this is the last line
//! ```
//!
//! The sheet's `recv(1024)[:3]` looks at the first line only and takes whatever arrived in one read
//! for the whole reply. A server that answers EHLO with five lines, or whose lines arrive in two
//! segments, then answers each later command one reply too early. RFC 5321, 4.2.
//!
//! Limits: a reply has at most [`MOST_LINES`] lines of [`LONGEST_LINE`] bytes.

use crate::kit::error::Error;
use crate::kit::line::{Ending, Line};
use crate::kit::screen::escape;

/// The longest line of a reply. RFC 5321 (4.5.3.1.5) allows 512; some servers say more.
pub const LONGEST_LINE: usize = 2000;

/// The most lines of one reply: no server has a hundred extensions to announce.
pub const MOST_LINES: usize = 100;

/// What the first digit of a reply means. RFC 5321, 4.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// 2yz: done.
    Done,
    /// 3yz: go on, the command needs more.
    GoOn,
    /// 4yz: not now; the same command may work later.
    NotNow,
    /// 5yz: no; the same command will not work later either.
    No,
}

/// One reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The three digits.
    pub code: u16,
    /// The text of each line, as it came; at least one line, which may be empty.
    pub lines: Vec<Vec<u8>>,
}

impl Reply {
    /// A reply of our own; each line of `text` becomes one line.
    pub fn new(code: u16, text: &str) -> Reply {
        Reply { code, lines: text.split('\n').map(|line| line.as_bytes().to_vec()).collect() }
    }

    /// What its first digit means.
    pub fn class(&self) -> Class {
        match self.code / 100 {
            2 => Class::Done,
            3 => Class::GoOn,
            4 => Class::NotNow,
            _ => Class::No,
        }
    }

    /// Code and text in one line, escaped: `550 no such user here`.
    pub fn text(&self) -> String {
        format!("{} {}", self.code, escape(&self.lines.join(&b' ')).trim_end()).trim_end().to_string()
    }

    /// The bytes on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (number, line) in self.lines.iter().enumerate() {
            let mark = if number + 1 == self.lines.len() { ' ' } else { '-' };
            bytes.extend_from_slice(format!("{}{mark}", self.code).as_bytes());
            bytes.extend_from_slice(line);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes
    }
}

/// Puts a reply together, line by line.
#[derive(Debug, Default)]
pub struct Parser(Option<Reply>);

impl Parser {
    /// Takes the next line; returns the reply when it was the last one. Errs when the line is none
    /// of a reply, when its code differs from the lines before, and when there are too many.
    pub fn line(&mut self, line: &Line) -> Result<Option<Reply>, Error> {
        let (code, last, text) = match parts(line) {
            Some(parts) => parts,
            None => return Err(not_a_reply(line)),
        };
        let reply = self.0.get_or_insert(Reply { code, lines: Vec::new() });
        if reply.code != code {
            let first = reply.code;
            return Err(Error::Failed(format!("the server mixes {first} and {code} in one reply")));
        }
        reply.lines.push(text.to_vec());
        if last {
            return Ok(self.0.take());
        }
        if reply.lines.len() == MOST_LINES {
            return Err(Error::Failed(format!("the server's reply has over {MOST_LINES} lines")));
        }
        Ok(None)
    }
}

/// Code, whether it is the last line, and the text.
fn parts(line: &Line) -> Option<(u16, bool, &[u8])> {
    // A bare newline is against the standard, and harmless here: it cannot hide a command.
    if !matches!(line.ending, Ending::CrLf | Ending::Lf) {
        return None;
    }
    let (digits, rest) = line.text.split_at_checked(3)?;
    let [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9'] = digits else { return None };
    let code = std::str::from_utf8(digits).ok()?.parse().ok()?;
    match rest {
        [] => Some((code, true, rest)),
        [b' ', text @ ..] => Some((code, true, text)),
        [b'-', text @ ..] => Some((code, false, text)),
        _ => None,
    }
}

/// The error for a line that is none of a reply.
fn not_a_reply(line: &Line) -> Error {
    let why = match line.ending {
        Ending::Full => format!("a line of over {LONGEST_LINE} bytes"),
        Ending::Eof => "it closed the connection in the middle of a line".to_string(),
        Ending::CrLf | Ending::Lf => {
            let start = &line.text[..line.text.len().min(60)];
            format!("it says: {}", escape(start))
        }
    };
    Error::Failed(format!("the server does not speak SMTP: {why} (is this the right port?)"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::line::LineReader;

    fn read(bytes: &[u8]) -> Result<Vec<Reply>, String> {
        let mut lines = LineReader::new(bytes, LONGEST_LINE);
        let (mut parser, mut replies) = (Parser::default(), Vec::new());
        while let Some(line) = lines.line().unwrap() {
            replies.extend(parser.line(&line).map_err(|error| error.to_string())?);
        }
        Ok(replies)
    }

    #[test]
    fn one_line_or_several_both_ways() {
        let bytes = b"220 mail.lab ESMTP\r\n250-mail.lab\r\n250-SIZE 1000\r\n250 8BITMIME\r\n354 \r\n";
        let replies = read(bytes).unwrap();
        assert_eq!(replies[0], Reply::new(220, "mail.lab ESMTP"));
        assert_eq!(replies[1], Reply::new(250, "mail.lab\nSIZE 1000\n8BITMIME"));
        assert_eq!(replies[1].text(), "250 mail.lab SIZE 1000 8BITMIME");
        assert_eq!(replies[2].text(), "354");
        let again: Vec<u8> = replies.iter().flat_map(Reply::bytes).collect();
        assert_eq!(again, bytes);
        assert_eq!(read(b"250\r\n").unwrap()[0].text(), "250");
    }

    #[test]
    fn every_truncation_is_an_error_or_nothing() {
        let bytes = b"250-mail.lab\r\n250 SIZE\r\n";
        for end in 0..bytes.len() {
            assert!(!matches!(read(&bytes[..end]).as_deref(), Ok([_, ..])), "{end}");
        }
    }

    #[test]
    fn what_is_no_reply() {
        for bytes in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"25\r\n",
            b"2500 x\r\n",
            b"250x\r\n",
            b"\r\n",
            b"150 x\r\n",
            b"650 x\r\n",
            b"250 x",
            b"\xff50 x\r\n",
        ] {
            let error = read(bytes).unwrap_err();
            assert!(error.starts_with("the server does not speak SMTP: "), "{error}");
        }
        assert_eq!(read(b"250-a\r\n251 b\r\n").unwrap_err(), "the server mixes 250 and 251 in one reply");
        let endless = b"250-x\r\n".repeat(MOST_LINES);
        assert_eq!(read(&endless).unwrap_err(), "the server's reply has over 100 lines");
        let long = [&b"250 "[..], &[b'x'; LONGEST_LINE]].concat();
        assert!(read(&long).unwrap_err().contains("a line of over 2000 bytes"));
    }

    #[test]
    fn the_first_digit() {
        let classes = [220, 354, 421, 550].map(|code| Reply::new(code, "").class());
        assert_eq!(classes, [Class::Done, Class::GoOn, Class::NotNow, Class::No]);
    }

    #[test]
    fn a_reply_cannot_drive_the_terminal() {
        assert_eq!(read(b"550 \x1b[2J\r\n").unwrap()[0].text(), "550 \\x1b[2J");
    }
}
