//! Commands: one line each, which nothing in them can turn into two.
//!
//! ```text
//! EHLO [127.0.0.1]
//! MAIL FROM:<ada@example.org> SIZE=1234       no blank after the colon (RFC 5321, 3.3)
//! RCPT TO:<bob@example.org>
//! ```
//!
//! Every command of the client is made by [`Command::new`], which refuses what would end the line
//! early. The addresses have been checked before ([`super::address`]); this is the second lock.

use crate::kit::error::Error;

/// The longest line of a command without its CRLF. RFC 5321, 4.5.3.1.4, allows 512 with it.
pub const LONGEST: usize = 510;

/// The longest line of an AUTH exchange without its CRLF. RFC 4954, 4.
const LONGEST_SECRET: usize = 12_286;

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The line without its CRLF.
    line: String,
    /// What the transcript shows instead, where the line has a secret.
    mask: Option<String>,
}

impl Command {
    /// A command from its whole line. Errs when it has a character that is no printable ASCII, or is
    /// longer than [`LONGEST`].
    pub fn new(line: String) -> Result<Command, Error> {
        Command::checked(line, None, LONGEST)
    }

    /// A command with a secret, of which the transcript shows `mask`.
    pub fn secret(line: String, mask: &str) -> Result<Command, Error> {
        Command::checked(line, Some(mask.to_string()), LONGEST_SECRET)
    }

    fn checked(line: String, mask: Option<String>, longest: usize) -> Result<Command, Error> {
        let command = Command { line, mask };
        if !command.line.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            let shown = crate::kit::screen::escape(command.shown().as_bytes());
            return Err(Error::Failed(format!("a command must be one line of ASCII: {shown}")));
        }
        if command.line.len() > longest {
            return Err(Error::Failed(format!("a command of over {longest} bytes")));
        }
        Ok(command)
    }

    /// `MAIL FROM:<address>` with what the server's extensions allow to say about the message.
    pub fn mail(address: &str, size: Option<u64>, eight_bit: bool) -> Result<Command, Error> {
        let size = size.map_or(String::new(), |size| format!(" SIZE={size}"));
        let body = if eight_bit { " BODY=8BITMIME" } else { "" };
        Command::new(format!("MAIL FROM:<{address}>{size}{body}"))
    }

    /// `RCPT TO:<address>`.
    pub fn rcpt(address: &str) -> Result<Command, Error> {
        Command::new(format!("RCPT TO:<{address}>"))
    }

    /// The bytes on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        format!("{}\r\n", self.line).into_bytes()
    }

    /// What the transcript shows.
    pub fn shown(&self) -> &str {
        self.mask.as_deref().unwrap_or(&self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire() {
        let mail = Command::mail("ada@example.org", Some(1234), true).unwrap();
        assert_eq!(mail.bytes(), b"MAIL FROM:<ada@example.org> SIZE=1234 BODY=8BITMIME\r\n");
        assert_eq!(Command::mail("", None, false).unwrap().bytes(), b"MAIL FROM:<>\r\n");
        assert_eq!(Command::rcpt("b@x").unwrap().bytes(), b"RCPT TO:<b@x>\r\n");
    }

    #[test]
    fn one_line_stays_one_line() {
        for text in ["b@x>\r\nDATA\r\n", "b\n", "b\r", "b\0", "b\t", "\u{7f}", "é"] {
            let error = Command::rcpt(text).unwrap_err().to_string();
            assert!(error.starts_with("a command must be one line of ASCII: "), "{error}");
            assert!(!error.contains(['\r', '\n']), "{error}");
        }
        assert!(Command::new("x".repeat(510)).is_ok());
        assert!(Command::new("x".repeat(511)).is_err());
    }

    #[test]
    fn secrets_are_masked_also_in_errors() {
        let secret = Command::secret("AUTH PLAIN c2VjcmV0".to_string(), "AUTH PLAIN ****").unwrap();
        assert_eq!(secret.shown(), "AUTH PLAIN ****");
        let error = Command::secret("secret\n".to_string(), "****").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
