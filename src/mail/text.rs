//! Text for the body of a message: which transfer encoding it needs, and that encoding.
//!
//! SMTP was made for lines of at most 998 ASCII characters, and RFC 5321 still promises no more. Other
//! text is written in such lines (RFC 2045, 6):
//!
//! | encoding | when | `größe = 3` becomes |
//! |---|---|---|
//! | `7bit` | lines of ASCII, none too long | itself |
//! | `8bit` | UTF-8, and the server offers 8BITMIME (RFC 6152) | itself |
//! | `quoted-printable` | mostly ASCII: still readable as it is | `gr=C3=B6=C3=9Fe =3D 3` |
//! | `base64` | mostly something else: nobody could read the escapes | `Z3LDtsOfZSA9IDM=` |

use super::base64;

/// The longest line of a message without its CRLF. RFC 5321, 4.5.3.1.6; RFC 5322, 2.1.1.
pub const LONGEST_LINE: usize = 998;

/// The longest line of quoted-printable, its `=` included. RFC 2045, 6.7, rule 5.
const LONGEST_QUOTED: usize = 76;

/// How text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// As it is; only ASCII.
    SevenBit,
    /// As it is.
    EightBit,
    /// `=C3=B6`.
    QuotedPrintable,
    /// Groups of four characters for three bytes.
    Base64,
}

impl Coding {
    /// The value of `Content-Transfer-Encoding`.
    pub fn name(self) -> &'static str {
        match self {
            Coding::SevenBit => "7bit",
            Coding::EightBit => "8bit",
            Coding::QuotedPrintable => "quoted-printable",
            Coding::Base64 => "base64",
        }
    }
}

/// The text with every line ended by CRLF, the last one too: what a file calls a line ends in `\n`
/// here, in `\r\n` or `\r` elsewhere, and a bare `\r` or `\n` may not stand in a mail.
pub fn canonical(text: &str) -> String {
    let mut lines = text.replace("\r\n", "\n").replace('\r', "\n");
    if !lines.is_empty() && !lines.ends_with('\n') {
        lines.push('\n');
    }
    lines.replace('\n', "\r\n")
}

/// Encodes canonical text; `eight_bit` says whether the server offers 8BITMIME.
pub fn encode(text: &str, eight_bit: bool) -> (Coding, Vec<u8>) {
    let fits = text.split("\r\n").all(|line| line.len() <= LONGEST_LINE) && !text.contains('\0');
    if fits && text.is_ascii() {
        return (Coding::SevenBit, text.as_bytes().to_vec());
    }
    if fits && eight_bit {
        return (Coding::EightBit, text.as_bytes().to_vec());
    }
    if is_mostly_ascii(text) {
        return (Coding::QuotedPrintable, quoted_printable(text).into_bytes());
    }
    let mut encoded = Vec::new();
    base64::encode_lines(text.as_bytes(), &mut encoded);
    (Coding::Base64, encoded)
}

/// Whether text stays readable when its other characters are escaped. Base64 is shorter from one escape
/// in six bytes on; being able to read what is on the wire is worth more than a few bytes.
pub fn is_mostly_ascii(text: &str) -> bool {
    text.chars().filter(|character| !character.is_ascii()).count() * 2 <= text.chars().count()
}

/// Canonical text as quoted-printable. Python's `quopri.encodestring`.
pub fn quoted_printable(text: &str) -> String {
    let mut result = String::with_capacity(text.len() * 5 / 4);
    for (number, line) in text.split("\r\n").enumerate() {
        if number > 0 {
            result += "\r\n";
        }
        let mut column = 0;
        for (place, &byte) in line.as_bytes().iter().enumerate() {
            let last = place + 1 == line.len();
            // A blank at the end of a line is what relays like to lose (rule 3).
            let plain = matches!(byte, b'!'..=b'<' | b'>'..=b'~') || (!last && matches!(byte, b' ' | b'\t'));
            let width = if plain { 1 } else { 3 };
            // The last column is kept for the `=` of a soft line break, which the reader takes out.
            if column + width > LONGEST_QUOTED - 1 {
                result += "=\r\n";
                column = 0;
            }
            column += width;
            if plain {
                result.push(char::from(byte));
            } else {
                result += &format!("={byte:02X}");
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_endings_become_crlf() {
        for (text, lines) in [
            ("", ""),
            ("a", "a\r\n"),
            ("a\nb\n", "a\r\nb\r\n"),
            ("a\r\n\rb\n\n", "a\r\n\r\nb\r\n\r\n"),
            ("\n", "\r\n"),
        ] {
            assert_eq!(canonical(text), lines, "{text:?}");
        }
    }

    #[test]
    fn the_encoding_that_fits() {
        let coding = |text: &str, eight_bit| encode(&canonical(text), eight_bit).0;
        assert_eq!(coding("I love computer networks!", false), Coding::SevenBit);
        assert_eq!(coding(&"x".repeat(998), false), Coding::SevenBit);
        assert_eq!(coding(&"x".repeat(999), true), Coding::QuotedPrintable);
        assert_eq!(coding("größer", true), Coding::EightBit);
        assert_eq!(coding("größer als die anderen", false), Coding::QuotedPrintable);
        assert_eq!(coding("ネットワークが大好きです", false), Coding::Base64);
        assert_eq!(coding("a\0b and some text", true), Coding::QuotedPrintable);
        assert_eq!(encode("größe = 3\r\n", false).1, b"gr=C3=B6=C3=9Fe =3D 3\r\n");
        assert_eq!(encode("ネット\r\n", false).1, b"44ON44OD44OIDQo=\r\n");
    }

    #[test]
    fn quoted_printable_by_its_rules() {
        assert_eq!(quoted_printable("a=b \t\r\n.\r\nFrom x"), "a=3Db =09\r\n.\r\nFrom x");
        let long = quoted_printable(&"ö".repeat(60));
        let lines: Vec<&str> = long.split("\r\n").collect();
        assert!(lines.iter().all(|line| line.len() <= 76), "{lines:?}");
        assert_eq!(long.replace("=\r\n", ""), "=C3=B6".repeat(60));
        assert_eq!(quoted_printable(&"x".repeat(75)), "x".repeat(75));
        assert_eq!(quoted_printable(&"x".repeat(76)), format!("{}=\r\nx", "x".repeat(75)));
    }
}
