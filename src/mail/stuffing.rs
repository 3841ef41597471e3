//! Dot-stuffing: how a message with a line that is a single dot still arrives whole.
//!
//! After DATA the message ends with a line that is only a dot. A line of the message that begins with
//! a dot is therefore sent with one more, which the receiver takes off again. RFC 5321, 4.5.2.
//!
//! ```text
//! the message      on the wire
//! .                ..
//! .hidden          ..hidden
//! (its end)        .
//! ```
//!
//! Without it, the message is cut at its first such line, and the server reads what follows as
//! commands: whoever writes the text writes commands too.

use std::io::{self, Write};

/// Writes a message whose lines all end with CRLF, its dots doubled where needed.
#[derive(Debug)]
pub struct DotStuffer<W> {
    inner: W,
    at_line_start: bool,
}

impl<W: Write> DotStuffer<W> {
    /// For a message that begins now.
    pub fn new(inner: W) -> DotStuffer<W> {
        DotStuffer { inner, at_line_start: true }
    }

    /// Ends the message with its dot. To be called once, and only for a message that is complete.
    pub fn finish(mut self) -> io::Result<()> {
        self.inner.write_all(if self.at_line_start { b".\r\n" } else { b"\r\n.\r\n" })?;
        self.inner.flush()
    }
}

impl<W: Write> Write for DotStuffer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.at_line_start && line.first() == Some(&b'.') {
                self.inner.write_all(b".")?;
            }
            self.inner.write_all(line)?;
            self.at_line_start = line.last() == Some(&b'\n');
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_split_gives_the_same_bytes() {
        for (message, wire) in [
            (&b""[..], &b".\r\n"[..]),
            (b"a\r\n", b"a\r\n.\r\n"),
            (b".\r\n..\r\na.\r\n.b", b"..\r\n...\r\na.\r\n..b\r\n.\r\n"),
            (b"\r\n.\r\n\r\n", b"\r\n..\r\n\r\n.\r\n"),
        ] {
            for cut in 0..=message.len() {
                let mut sent = Vec::new();
                let mut stuffer = DotStuffer::new(&mut sent);
                stuffer.write_all(&message[..cut]).unwrap();
                stuffer.write_all(&message[cut..]).unwrap();
                stuffer.finish().unwrap();
                assert_eq!(sent, wire, "cut at {cut}");
            }
        }
    }
}
