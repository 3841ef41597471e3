//! The head of a message, as both sides need it: where it ends, and the fields in it.
//!
//! ```text
//! GET /HelloWorld.html HTTP/1.1\r\n     the first line
//! Host: localhost:6789\r\n              fields: name, colon, value
//! Accept: */*\r\n
//! \r\n                                  an empty line ends the head
//! ```
//!
//! What is no head is refused, not repaired (RFC 9112, 2.2 and 5): when two programs on the way
//! repair a broken head differently, one sees a request where the other sees a body, and that
//! difference is what request smuggling is made of. So a bare line feed or carriage return, a blank
//! before the colon and a folded line all end the conversation, also where the RFC would let us guess.

/// Looks for the end of a head in bytes that arrive piece by piece, each byte once.
#[derive(Debug, Default)]
pub struct Scanner {
    /// How far the bytes have been looked at.
    searched: usize,
    /// Where the line begins that is not finished yet.
    line: usize,
}

/// Why a head is refused when a line ends with a line feed alone.
const BARE_LINE_FEED: &str = "a line ends with a bare line feed; HTTP's lines end with CR LF (try `nc -C`)";

impl Scanner {
    /// Looks at `bytes`, the head so far from its beginning: `Some(length)` of the whole head, empty
    /// line included; `None` while its end has not arrived. Errs for a bare line feed.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, &'static str> {
        while let Some(offset) = bytes[self.searched..].iter().position(|&byte| byte == b'\n') {
            let newline = self.searched + offset;
            let Some(line) = bytes[self.line..newline].strip_suffix(b"\r") else {
                return Err(BARE_LINE_FEED);
            };
            self.searched = newline + 1;
            self.line = newline + 1;
            if line.is_empty() {
                return Ok(Some(newline + 1));
            }
        }
        self.searched = bytes.len();
        Ok(None)
    }

    /// Whether the first line is still unfinished.
    pub fn in_first_line(&self) -> bool {
        self.line == 0
    }
}

/// The fields of a head, in their order.
#[derive(Debug, Default)]
pub struct Fields<'a>(Vec<(&'a [u8], &'a [u8])>);

impl<'a> Fields<'a> {
    /// Takes the lines between the first line and the empty one, at most `most` of them. Errs with
    /// what is wrong; `Ok(None)` means that there are too many.
    pub fn parse(lines: &'a [u8], most: usize) -> Result<Option<Fields<'a>>, &'static str> {
        let mut fields = Vec::new();
        for line in lines_of(lines) {
            if fields.len() == most {
                return Ok(None);
            }
            fields.push(field(line)?);
        }
        Ok(Some(Fields(fields)))
    }

    /// Every field in order: name as it came, value without the blanks around it.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + '_ {
        self.0.iter().copied()
    }

    /// Every value of a field. Names are compared without regard to case (RFC 9110, 5.1).
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        self.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// The value of a field that may stand only once; `None` when it is missing or repeated.
    pub fn only(&self, name: &str) -> Option<&'a [u8]> {
        let mut values = self.all(name);
        let first = values.next()?;
        values.next().is_none().then_some(first)
    }

    /// The members of a field that is a list, with commas inside one value or over several
    /// (RFC 9110, 5.6.1); empty members do not count. Not for lists whose members are quoted.
    pub fn members<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        let values = self.all(name).flat_map(|value| value.split(|&byte| byte == b','));
        values.map(trim).filter(|member| !member.is_empty())
    }

    /// Whether a list has this member, without regard to case.
    pub fn has_member(&self, name: &str, member: &str) -> bool {
        self.members(name).any(|known| known.eq_ignore_ascii_case(member.as_bytes()))
    }
}

/// The lines of a block in which each ends with CR LF.
pub fn lines_of(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = block.split_inclusive(|&byte| byte == b'\n');
    lines.map(|line| line.strip_suffix(b"\r\n").unwrap_or(line))
}

/// One field line (RFC 9112, 5): its name, and its value without the blanks around it. Errs with what is
/// wrong.
pub fn field(line: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    if line.first().is_some_and(|&byte| byte == b' ' || byte == b'\t') {
        return Err("a field line begins with a blank (folded lines are obsolete)");
    }
    let Some(colon) = line.iter().position(|&byte| byte == b':') else {
        return Err("a field line has no colon");
    };
    let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
    if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) {
        return Err("a field has an invalid name (a blank before the colon counts as one)");
    }
    if value.iter().any(|&byte| is_control(byte) && byte != b'\t') {
        return Err("a field's value contains a control character");
    }
    Ok((name, value))
}

/// The value without blanks and tabs around it.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Whether a byte may stand in a name or a method (RFC 9110, 5.6.2).
pub fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// CR, LF and NUL among them; bytes over 0x7f are old text, which a value may have.
fn is_control(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\nnext";

    #[test]
    fn the_end_is_found_however_the_bytes_arrive() {
        for step in 1..HEAD.len() {
            let mut scanner = Scanner::default();
            let mut found = None;
            for end in (0..HEAD.len()).step_by(step).chain([HEAD.len()]) {
                found = found.or(scanner.scan(&HEAD[..end]).unwrap());
            }
            assert_eq!(found, Some(HEAD.len() - 4), "in steps of {step}");
        }
    }

    #[test]
    fn a_bare_line_feed_is_found_before_the_end() {
        // RFC 9112, 2.2 lets a recipient take it for a line's end; we do not.
        for text in ["\n", "GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nHost: a\n", "GET / HTTP/1.1\r\r\n\n"] {
            assert_eq!(Scanner::default().scan(text.as_bytes()), Err(BARE_LINE_FEED), "{text:?}");
        }
    }

    fn parse(lines: &[u8]) -> Result<Option<Fields<'_>>, &'static str> {
        Fields::parse(lines, 3)
    }

    #[test]
    fn names_values_and_lists() {
        let fields = parse(b"Host: \t a b\t \r\nx:1, ,2\r\nX: 3\r\n").unwrap().unwrap();
        assert_eq!(fields.only("HOST"), Some(&b"a b"[..]));
        assert_eq!(fields.only("x"), None);
        assert_eq!(fields.members("X").collect::<Vec<_>>(), [b"1", b"2", b"3"]);
        assert!(fields.has_member("x", "2") && !fields.has_member("x", "4"));
        let old = parse(b"A: gr\xf6\xdfer\r\n").unwrap().unwrap();
        assert_eq!(old.only("a"), Some(&b"gr\xf6\xdfer"[..]));
    }

    #[test]
    fn what_is_no_field() {
        let wrong: [&[u8]; 11] = [
            b"Host : a\r\n",
            b" Host: a\r\n",
            b"Host: a\r\n\tb\r\n",
            b"Host\r\n",
            b": a\r\n",
            b"X-[]: a\r\n",
            b"X: a\rb\r\n",
            b"X: a\0b\r\n",
            b"X: \x07\r\n",
            b"X\x80: a\r\n",
            b"\rSome-Header: Test\r\n",
        ];
        for lines in wrong {
            assert!(parse(lines).is_err(), "{}", String::from_utf8_lossy(lines));
        }
        assert!(parse(b"a:1\r\nb:2\r\nc:3\r\n").unwrap().is_some());
        assert!(parse(b"a:1\r\nb:2\r\nc:3\r\nd:4\r\n").unwrap().is_none());
    }
}
