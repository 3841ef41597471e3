//! A message: header, text, and files, in the form that travels. RFC 5322 and MIME (RFC 2045, 2046).
//!
//! Sheet: CSE3214 assignment 3, the sheet's `msg`, and option 2 (text and images).
//!
//! ```text
//! Date: Sat, 21 Nov 2026 09:31:35 +0000
//! From: ada@example.org
//! To: bob@example.org
//! Subject: A picture
//! Message-ID: <1795253495.0123456789abcdef@example.org>
//! MIME-Version: 1.0
//! Content-Type: multipart/mixed; boundary="=_0123456789abcdef"
//!                                           an empty line ends the header
//! --=_0123456789abcdef                      each part begins with the boundary
//! Content-Type: text/plain; charset=utf-8
//! Content-Transfer-Encoding: 7bit
//!
//! I love computer networks!
//! --=_0123456789abcdef
//! Content-Type: image/png
//! Content-Disposition: inline; filename="picture.png"
//! Content-Transfer-Encoding: base64
//!
//! iVBORw0KGgo…
//! --=_0123456789abcdef--                    and the last one ends with it
//! ```
//!
//! The sheet's message begins with CRLF, so it has no header at all: no sender, no date, no subject.
//! Servers may refuse that (RFC 5322, 3.6, requires From and Date), and junk filters do.
//!
//! Limits: the text is held in memory (the client reads at most 10 MiB of it); files are streamed.

use super::address::Mailbox;
use super::attachment::Attachment;
use super::{base64, header, text};

/// What the user wants to send.
#[derive(Debug)]
pub struct Letter {
    /// Who sends it.
    pub from: Mailbox,
    /// Whom it is for.
    pub to: Vec<Mailbox>,
    /// Who gets a copy, for all to see.
    pub cc: Vec<Mailbox>,
    /// Who gets a copy that the others do not know of: in the envelope only.
    pub bcc: Vec<Mailbox>,
    /// One line, free of control characters.
    pub subject: String,
    /// Any text.
    pub text: String,
    /// Files.
    pub attachments: Vec<Attachment>,
}

/// What makes one message differ from the next.
#[derive(Debug, Clone)]
pub struct Stamp {
    /// Now, as mail writes it.
    pub date: String,
    /// Something that no other message has, for its Message-ID: digits, letters and dots.
    pub unique: String,
    /// Random characters for the boundary.
    pub boundary: String,
}

/// A piece of a message on its way.
#[derive(Debug)]
pub enum Piece<'a> {
    /// Bytes that end with CRLF.
    Text(Vec<u8>),
    /// A file, to be encoded as base64.
    File(&'a Attachment),
}

/// A message in the form that travels, but for the encoding of its files.
#[derive(Debug)]
pub struct Message<'a> {
    /// Its pieces in order.
    pub pieces: Vec<Piece<'a>>,
    /// Whether it has characters beyond ASCII, which the server must be told.
    pub eight_bit: bool,
}

impl Letter {
    /// Everyone it goes to, each once.
    pub fn recipients(&self) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        for mailbox in self.to.iter().chain(&self.cc).chain(&self.bcc) {
            if !found.contains(&mailbox.address.as_str()) {
                found.push(&mailbox.address);
            }
        }
        found
    }

    /// The message. `eight_bit` says whether the server takes bytes beyond ASCII.
    pub fn message(&self, stamp: &Stamp, eight_bit: bool) -> Message<'_> {
        let (coding, body) = text::encode(&text::canonical(&self.text), eight_bit);
        let text_header = format!(
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {}\r\n\r\n",
            coding.name()
        );
        let eight_bit = coding == text::Coding::EightBit;
        let header = self.header(stamp).into_bytes();
        if self.attachments.is_empty() {
            return Message {
                pieces: vec![Piece::Text([header, text_header.into(), body].concat())],
                eight_bit,
            };
        }
        let boundary = boundary(&stamp.boundary, &body);
        let mime = format!(
            "Content-Type: multipart/mixed{}\r\n\r\n--{boundary}\r\n",
            header::parameter("boundary", &boundary)
        );
        let mut pieces = vec![Piece::Text([header, mime.into(), text_header.into(), body].concat())];
        for attachment in &self.attachments {
            // The line break before a boundary belongs to the boundary, not to the part.
            pieces.push(Piece::Text(format!("\r\n--{boundary}\r\n{}", attachment.header()).into()));
            pieces.push(Piece::File(attachment));
        }
        pieces.push(Piece::Text(format!("\r\n--{boundary}--\r\n").into()));
        Message { pieces, eight_bit }
    }

    /// The fields that every message has. Bcc is not among them.
    fn header(&self, stamp: &Stamp) -> String {
        let mut fields = format!("Date: {}\r\n", stamp.date);
        fields += &header::addresses("From", std::slice::from_ref(&self.from));
        fields += &header::addresses("To", &self.to);
        if !self.cc.is_empty() {
            fields += &header::addresses("Cc", &self.cc);
        }
        if !self.subject.is_empty() {
            fields += &header::free_text("Subject", &self.subject);
        }
        fields += &format!("Message-ID: <{}@{}>\r\n", stamp.unique, self.from.domain());
        fields + "MIME-Version: 1.0\r\n"
    }
}

impl Message<'_> {
    /// Its length in bytes, as `SIZE=` announces it (RFC 1870): dots not doubled.
    pub fn size(&self) -> u64 {
        let size = |piece: &Piece| match piece {
            Piece::Text(bytes) => bytes.len() as u64,
            Piece::File(attachment) => base64::encoded_size(attachment.size),
        };
        self.pieces.iter().map(size).sum()
    }
}

/// A boundary that the text does not contain. Base64 has no `_`, and in quoted-printable `=` is never
/// followed by one, so `=_` can only occur in text that is sent as it is.
fn boundary(random: &str, body: &[u8]) -> String {
    let mut boundary = format!("=_{random}");
    while body.windows(boundary.len()).any(|window| window == boundary.as_bytes()) {
        boundary.push('_');
    }
    boundary
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn letter(text: &str) -> Letter {
        let mailbox = |text| Mailbox::parse("--to", text).unwrap();
        Letter {
            from: mailbox("Ada <ada@example.org>"),
            to: vec![mailbox("bob@example.org")],
            cc: vec![mailbox("carol@example.org"), mailbox("bob@example.org")],
            bcc: vec![mailbox("dave@example.org")],
            subject: "Größe".to_string(),
            text: text.to_string(),
            attachments: Vec::new(),
        }
    }

    fn stamp() -> Stamp {
        Stamp {
            date: "Sat, 21 Nov 2026 09:31:35 +0000".to_string(),
            unique: "1795253495.0123".to_string(),
            boundary: "0123".to_string(),
        }
    }

    fn bytes(message: &Message) -> Vec<u8> {
        let mut bytes = Vec::new();
        for piece in &message.pieces {
            match piece {
                Piece::Text(text) => bytes.extend_from_slice(text),
                Piece::File(attachment) => attachment.copy(&mut bytes).unwrap(),
            }
        }
        assert_eq!(bytes.len() as u64, message.size());
        bytes
    }

    const HEADER: &str = "Date: Sat, 21 Nov 2026 09:31:35 +0000\r
From: Ada <ada@example.org>\r
To: bob@example.org\r
Cc: carol@example.org, bob@example.org\r
Subject: =?UTF-8?Q?Gr=C3=B6=C3=9Fe?=\r
Message-ID: <1795253495.0123@example.org>\r
MIME-Version: 1.0\r
";

    #[test]
    fn text_alone() {
        let letter = letter("I love computer networks!");
        let message = letter.message(&stamp(), true);
        let body = "Content-Type: text/plain; charset=utf-8\r
Content-Transfer-Encoding: 7bit\r
\r
I love computer networks!\r
";
        assert_eq!(String::from_utf8(bytes(&message)).unwrap(), format!("{HEADER}{body}"));
        assert!(!message.eight_bit);
        assert_eq!(letter.recipients(), ["bob@example.org", "carol@example.org", "dave@example.org"]);
    }

    #[test]
    fn text_and_a_picture() {
        let path = std::env::temp_dir().join(format!("socklab-picture-{}.png", std::process::id()));
        fs::write(&path, b"\x89PNG\r\n\x1a\n picture").unwrap();
        let mut letter = letter("--=_0123\ngrößer\n");
        letter.attachments.push(Attachment::open(&path).unwrap());
        fs::remove_file(&path).unwrap();
        let message = letter.message(&stamp(), true);
        let name = path.file_name().unwrap().to_str().unwrap();
        let body = format!(
            "Content-Type: multipart/mixed;\r
 boundary=\"=_0123_\"\r
\r
--=_0123_\r
Content-Type: text/plain; charset=utf-8\r
Content-Transfer-Encoding: 8bit\r
\r
--=_0123\r
größer\r
\r
--=_0123_\r
Content-Type: image/png\r
Content-Disposition: inline;\r
 filename=\"{name}\"\r
Content-Transfer-Encoding: base64\r
\r
iVBORw0KGgogcGljdHVyZQ==\r
\r
--=_0123_--\r
"
        );
        assert_eq!(String::from_utf8(bytes(&message)).unwrap(), format!("{HEADER}{body}"));
        assert!(message.eight_bit);
    }
}
