//! Where a body ends: by its length, by its chunks, or with the connection (RFC 9112, 6 and 7).
//!
//! Both sides must find the same end, or what one takes for the body's last bytes the other takes for
//! the next message. So everything doubtful is an error here.

use super::head::{field, Fields};

/// How the length of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Not at all: for a request no body, for a response one that ends with the connection.
    Untold,
    /// Exactly so many bytes.
    Length(u64),
    /// In chunks.
    Chunked,
}

/// Why the framing cannot be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It contradicts itself or is no number.
    Bad(&'static str),
    /// A length beyond 2^64: well written, and impossible.
    TooLong,
    /// A coding we do not know, so the end cannot be found.
    UnknownCoding,
}

/// Decides by the fields of a head; `http_1_0` when the message is of that version, which has no
/// transfer codings.
pub fn of(fields: &Fields, http_1_0: bool) -> Result<Framing, Fault> {
    let coded = fields.all("Transfer-Encoding").next().is_some();
    let counted = fields.all("Content-Length").next().is_some();
    match (coded, counted) {
        (false, false) => Ok(Framing::Untold),
        (true, true) => Err(Fault::Bad("both Transfer-Encoding and Content-Length are given")),
        (true, false) if http_1_0 => Err(Fault::Bad("HTTP/1.0 has no Transfer-Encoding")),
        (true, false) => coding(fields),
        // RFC 9112, 6.3 would let the same number stand twice; who sends that has been tampered with.
        (false, true) => length(fields.only("Content-Length")),
    }
}

fn length(value: Option<&[u8]>) -> Result<Framing, Fault> {
    // No sign, no blank, no 0x, no list: `str::parse` alone would take a plus.
    let digits = value.filter(|value| !value.is_empty() && value.iter().all(u8::is_ascii_digit));
    let Some(digits) = digits else {
        return Err(Fault::Bad("Content-Length is not one whole number"));
    };
    let text = std::str::from_utf8(digits).unwrap_or_default();
    text.parse().map(Framing::Length).map_err(|_| Fault::TooLong)
}

fn coding(fields: &Fields) -> Result<Framing, Fault> {
    let codings: Vec<&[u8]> = fields.members("Transfer-Encoding").collect();
    let chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
    match codings[..] {
        [] => Err(Fault::Bad("Transfer-Encoding is empty")),
        [ref only] if chunked(only) => Ok(Framing::Chunked),
        [ref before @ .., _] if before.iter().any(chunked) => {
            Err(Fault::Bad("chunked is not the last transfer coding, or stands twice"))
        }
        _ => Err(Fault::UnknownCoding),
    }
}

/// The longest line of a chunk's size and extensions, and of a trailer field, in bytes.
const LINE: usize = 4096;

/// The longest trailer section, and the most that all extensions of a body may take, in bytes.
const EXTRA: usize = 16 * 1024;

/// Takes the chunks of a body apart; it sees each byte once and does no I/O.
///
/// ```text
/// 5\r\n                 a size, in hexadecimal
/// Hello\r\n             so many bytes, and a line's end
/// 0\r\n                 the last chunk
/// X-Sum: 1\r\n          trailer fields: read and dropped, never taken for fields of the head
/// \r\n
/// ```
#[derive(Debug, Default)]
pub struct Chunks {
    state: State,
    /// The unfinished line of a size or a trailer field.
    line: Vec<u8>,
    /// Bytes of extensions and trailers so far.
    extra: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    /// So many bytes of the chunk are still to come.
    Data(u64),
    /// The CR, or the LF, after a chunk's data.
    DataCr,
    DataLf,
    Trailer,
    Done,
}

impl Chunks {
    /// Takes bytes and calls `each` with every piece of the body in them. Returns how many bytes it
    /// has used: all, unless the body ended before. Errs for what is no chunk.
    pub fn take<E: From<&'static str>>(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<usize, E> {
        let mut used = 0;
        while used < bytes.len() && self.state != State::Done {
            let rest = &bytes[used..];
            match self.state {
                State::Data(left) => {
                    let count = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    each(&rest[..count])?;
                    used += count;
                    let left = left - count as u64;
                    self.state = if left == 0 { State::DataCr } else { State::Data(left) };
                }
                State::DataCr if rest[0] == b'\r' => (self.state, used) = (State::DataLf, used + 1),
                State::DataLf if rest[0] == b'\n' => (self.state, used) = (State::Size, used + 1),
                State::DataCr | State::DataLf => return Err("a chunk is longer than its size".into()),
                State::Size | State::Trailer => {
                    used += 1;
                    self.line.push(rest[0]);
                    if rest[0] == b'\n' {
                        self.line_ended()?;
                    } else if self.line.len() > LINE {
                        return Err("a line between chunks is too long".into());
                    }
                }
                State::Done => {}
            }
        }
        Ok(used)
    }

    /// Whether the body has ended.
    pub fn done(&self) -> bool {
        self.state == State::Done
    }

    /// A whole line of a size or a trailer field has arrived.
    fn line_ended(&mut self) -> Result<(), &'static str> {
        let line = std::mem::take(&mut self.line);
        let Some(line) = line.strip_suffix(b"\r\n") else {
            return Err("a line between chunks ends with a bare line feed");
        };
        if line.contains(&b'\r') || line.contains(&0) {
            return Err("a line between chunks contains a control character");
        }
        if self.state == State::Trailer {
            self.extra += line.len();
            if line.is_empty() {
                self.state = State::Done;
            } else {
                field(line)?;
            }
        } else {
            let size = chunk_size(line)?;
            self.extra += line.len();
            self.state = if size == 0 { State::Trailer } else { State::Data(size) };
        }
        // A long body has many size lines, but no honest one needs so many bytes for so little.
        if let State::Data(size) = self.state {
            self.extra = self.extra.saturating_sub(usize::try_from(size).unwrap_or(usize::MAX));
        }
        if self.extra > EXTRA {
            return Err("too much stands between the chunks");
        }
        Ok(())
    }
}

/// The number in front of a chunk; extensions after a `;` are ignored.
fn chunk_size(line: &[u8]) -> Result<u64, &'static str> {
    let count = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, rest) = line.split_at(count);
    // Blanks before the `;` are allowed to be read (7.1.1), anything else is not a size.
    let after = rest.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
    let text = std::str::from_utf8(digits).unwrap_or_default();
    match (u64::from_str_radix(text, 16), after) {
        (Ok(size), None) if rest.is_empty() => Ok(size),
        (Ok(size), Some(b';')) => Ok(size),
        _ => Err("a chunk's size is not a hexadecimal number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(lines: &str) -> Result<Framing, Fault> {
        of(&Fields::parse(lines.as_bytes(), 10).unwrap().unwrap(), false)
    }

    #[test]
    fn lengths_rfc_9112_6_3() {
        assert_eq!(framing(""), Ok(Framing::Untold));
        assert_eq!(framing("Content-Length: 5\r\n"), Ok(Framing::Length(5)));
        assert_eq!(framing("Content-Length: 18446744073709551615\r\n"), Ok(Framing::Length(u64::MAX)));
        assert_eq!(framing("Content-Length: 18446744073709551616\r\n"), Err(Fault::TooLong));
        for value in ["", "+5", "-1", "abc", "0x5", "5,5", "5 5", "1_0", "5;", "5.0"] {
            let line = format!("Content-Length: {value}\r\n");
            assert!(matches!(framing(&line), Err(Fault::Bad(_))), "{value}");
        }
        for second in ["5", "6"] {
            let lines = format!("Content-Length: 5\r\nContent-Length: {second}\r\n");
            assert!(matches!(framing(&lines), Err(Fault::Bad(_))));
        }
    }

    #[test]
    fn codings_rfc_9112_6_1() {
        assert_eq!(framing("Transfer-Encoding: Chunked\r\n"), Ok(Framing::Chunked));
        for value in ["xchunked", "identity", "gzip", "gzip, chunked", "chunked;q=1"] {
            assert_eq!(framing(&format!("Transfer-Encoding: {value}\r\n")), Err(Fault::UnknownCoding));
        }
        for lines in [
            "Transfer-Encoding: chunked, gzip\r\n",
            "Transfer-Encoding: chunked, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding:\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        ] {
            assert!(matches!(framing(lines), Err(Fault::Bad(_))), "{lines}");
        }
        let fields = Fields::parse(b"Transfer-Encoding: chunked\r\n", 10).unwrap().unwrap();
        assert!(matches!(of(&fields, true), Err(Fault::Bad(_))));
    }

    /// The body of a chunked message and how many bytes it used, fed in pieces of `step` bytes.
    fn unchunk(text: &[u8], step: usize) -> Result<Option<(Vec<u8>, usize)>, &'static str> {
        let (mut chunks, mut body, mut used) = (Chunks::default(), Vec::new(), 0);
        for piece in text.chunks(step) {
            used += chunks.take(piece, |part| {
                body.extend_from_slice(part);
                Ok::<(), &'static str>(())
            })?;
        }
        Ok(chunks.done().then_some((body, used)))
    }

    #[test]
    fn chunks_in_pieces_of_any_size() {
        let text = b"5\r\nHello\r\n00a ;x=\"y\"\r\n, world!\r\n\r\n0\r\nX: y\r\n\r\nnext";
        for step in 1..=text.len() {
            let got = unchunk(text, step).unwrap().unwrap();
            assert_eq!(got, (b"Hello, world!\r\n".to_vec(), text.len() - 4), "in steps of {step}");
        }
        for end in 0..text.len() - 4 {
            assert_eq!(unchunk(&text[..end], 7), Ok(None), "cut at {end}");
        }
    }

    #[test]
    fn what_is_no_chunk_rfc_9112_7_1() {
        let wrong: [&[u8]; 15] = [
            b"0x5\r\nHello\r\n",
            b"\r\n",
            b"5 \r\nHello\r\n",
            b"+5\r\nHello\r\n",
            b"-1\r\n",
            b"10000000000000005\r\nHello\r\n",
            b"5\nHello\r\n",
            b"5\r\nHello\n",
            b"5\r\nHello!\r\n",
            b"5\r\nHello\r5\r\n",
            b"5;\rx\r\n",
            b"0\r\n\n",
            b"0\r\nno field\r\n\r\n",
            b"0\r\nX: y\x07\r\n\r\n",
            b"g\r\n",
        ];
        for text in wrong {
            for step in [1, 100] {
                assert!(unchunk(text, step).is_err(), "{}", String::from_utf8_lossy(text));
            }
        }
        let endless = format!("5;{}", "x".repeat(LINE));
        assert!(unchunk(endless.as_bytes(), 100).is_err(), "an extension without end");
        let trailers = format!("0\r\n{}", "X: y\r\n".repeat(EXTRA / 4));
        assert!(unchunk(trailers.as_bytes(), 100).is_err(), "trailers without end");
        let thin = format!("1;{}\r\nx\r\n", "y".repeat(1000)).repeat(20);
        assert!(unchunk(thin.as_bytes(), 100).is_err(), "more extension than body");
    }
}
