//! Header fields: folded lines, words beyond ASCII, names of files.
//!
//! ```text
//! Subject: a long line is folded: a line break before a blank, which the
//!  reader takes out again                                        RFC 5322, 2.2.3
//! Subject: =?UTF-8?Q?gr=C3=B6=C3=9Fer?=                          RFC 2047
//! Content-Disposition: attachment; filename*=UTF-8''gr%C3%B6.pdf RFC 2231
//! ```
//!
//! A header is ASCII. Words with other characters are written as *encoded words*; parameters, in which
//! those are not allowed, with percent signs. Python's `email.header.Header` and
//! `email.utils.encode_rfc2231`.

use super::address::Mailbox;
use super::base64;
use super::text::is_mostly_ascii;

/// The longest line of a header without its CRLF, where it can be helped. RFC 5322, 2.1.1.
const LONGEST_LINE: usize = 76;

/// The longest encoded word, so that one fits into a line behind any field's name. RFC 2047, 2,
/// allows 75.
const LONGEST_WORD: usize = 60;

/// A field whose value is free text. `text` has no control characters.
pub fn free_text(name: &str, text: &str) -> String {
    // Text that looks like an encoded word would be decoded; blanks at the ends or in a row might be
    // lost when the line is folded there.
    let words: Vec<&str> = text.split(' ').collect();
    let plain = is_printable(text)
        && !text.contains("=?")
        && words.iter().all(|word| (1..=LONGEST_WORD).contains(&word.len()));
    if plain {
        return fold(name, words.into_iter().map(str::to_string));
    }
    fold(name, encoded_words(text).into_iter())
}

/// A field with one or more addresses.
pub fn addresses(name: &str, mailboxes: &[Mailbox]) -> String {
    let mut tokens = Vec::new();
    for (number, mailbox) in mailboxes.iter().enumerate() {
        let comma = if number + 1 < mailboxes.len() { "," } else { "" };
        match &mailbox.name {
            None => tokens.push(format!("{}{comma}", mailbox.address)),
            Some(owner) => {
                tokens.extend(phrase(owner));
                tokens.push(format!("<{}>{comma}", mailbox.address));
            }
        }
    }
    fold(name, tokens.into_iter())
}

/// A parameter of a field, on a line of its own: `; filename="report.pdf"`.
pub fn parameter(name: &str, value: &str) -> String {
    // Many readers decode what looks like an encoded word here too, and drop blanks at the ends.
    let plain =
        is_printable(value) && !value.contains(['"', '\\']) && !value.contains("=?") && value.trim() == value;
    if plain && value.len() <= LONGEST_WORD {
        return format!(";\r\n {name}=\"{value}\"");
    }
    let mut pieces = vec!["UTF-8''".to_string()];
    for character in value.chars() {
        let mut bytes = [0; 4];
        let mut encoded = String::new();
        for byte in character.encode_utf8(&mut bytes).bytes() {
            // RFC 2231, 7: attribute-char; the signs it allows beside these are not worth a list.
            if byte.is_ascii_alphanumeric() || b".-_".contains(&byte) {
                encoded.push(char::from(byte));
            } else {
                encoded += &format!("%{byte:02X}");
            }
        }
        match pieces.last_mut() {
            Some(piece) if piece.len() + encoded.len() <= LONGEST_WORD => *piece += &encoded,
            _ => pieces.push(encoded),
        }
    }
    if let [piece] = &pieces[..] {
        return format!(";\r\n {name}*={piece}");
    }
    pieces.iter().enumerate().map(|(number, piece)| format!(";\r\n {name}*{number}*={piece}")).collect()
}

/// Whether text is printable ASCII, blanks included.
fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// A person's name in front of an address: as it is, in quotes, or as encoded words.
fn phrase(name: &str) -> Vec<String> {
    if !is_printable(name) || name.contains("=?") || name.len() > LONGEST_WORD {
        return encoded_words(name);
    }
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" -_'".contains(&byte))
        && !name.contains("  ")
    {
        return vec![name.to_string()];
    }
    vec![format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))]
}

/// Text as encoded words, as `Q` where that can be read and as `B` (base64) where not. Readers put adjacent ones together
/// without the blank between them; none ends inside a character (RFC 2047, 5).
fn encoded_words(text: &str) -> Vec<String> {
    let quoted = |piece: &str| {
        let byte = |byte: u8| match byte {
            b' ' => "_".to_string(),
            byte if byte.is_ascii_alphanumeric() || b"!*+-/".contains(&byte) => char::from(byte).to_string(),
            byte => format!("={byte:02X}"),
        };
        format!("=?UTF-8?Q?{}?=", piece.bytes().map(byte).collect::<String>())
    };
    let based = |piece: &str| format!("=?UTF-8?B?{}?=", base64::encode(piece.as_bytes()));
    let readable = is_mostly_ascii(text);
    let word = |piece: &str| if readable { quoted(piece) } else { based(piece) };

    let mut words = Vec::new();
    let mut piece = String::new();
    for character in text.chars() {
        piece.push(character);
        if word(&piece).len() > LONGEST_WORD {
            piece.pop();
            words.push(word(&piece));
            piece = character.to_string();
        }
    }
    words.push(word(&piece));
    words
}

/// A field from its name and the tokens of its value, folded between tokens where a line is full.
fn fold(name: &str, tokens: impl Iterator<Item = String>) -> String {
    let mut field = format!("{name}:");
    let mut column = field.len();
    for token in tokens {
        if column + 1 + token.len() > LONGEST_LINE && column > name.len() + 1 {
            field += "\r\n";
            column = 0;
        }
        field.push(' ');
        field += &token;
        column += 1 + token.len();
    }
    field + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(text: &str) -> Mailbox {
        Mailbox::parse("--to", text).unwrap()
    }

    #[test]
    fn free_text_plain_folded_and_encoded() {
        assert_eq!(free_text("Subject", "Networks"), "Subject: Networks\r\n");
        assert_eq!(free_text("Subject", ""), "Subject: =?UTF-8?Q??=\r\n");
        assert_eq!(free_text("Subject", "größer"), "Subject: =?UTF-8?Q?gr=C3=B6=C3=9Fer?=\r\n");
        assert_eq!(free_text("Subject", "=?x?="), "Subject: =?UTF-8?Q?=3D=3Fx=3F=3D?=\r\n");
        assert_eq!(free_text("Subject", "ネット"), "Subject: =?UTF-8?B?44ON44OD44OI?=\r\n");
        let folded = free_text("Subject", "lecture ".repeat(20).trim_end());
        assert!(folded.split("\r\n").all(|line| line.len() <= 76), "{folded}");
        assert_eq!(folded.replace("\r\n", ""), format!("Subject:{}", " lecture".repeat(20)));
    }

    #[test]
    fn no_line_is_too_long_and_no_word_ends_inside_a_character() {
        for text in ["ö".repeat(300), "x".repeat(2000), "🦀 ".repeat(100), " a  b ".repeat(50)] {
            let field = free_text("Subject", &text);
            for line in field.trim_end().split("\r\n") {
                assert!(line.len() <= 76 && line.trim() != "" && line.is_ascii(), "{line:?}");
            }
        }
    }

    #[test]
    fn names_in_front_of_addresses() {
        let field = addresses("To", &[mailbox("a@x"), mailbox("Ada L. <b@x>"), mailbox("Bob <c@x>")]);
        assert_eq!(field, "To: a@x, \"Ada L.\" <b@x>, Bob <c@x>\r\n");
        let field = addresses("To", &[mailbox("Jürg <a@x>"), mailbox("a \"b\\ c <c@x>")]);
        assert_eq!(field, "To: =?UTF-8?Q?J=C3=BCrg?= <a@x>, \"a \\\"b\\\\ c\" <c@x>\r\n");
        let many = addresses("To", &vec![mailbox("someone.with.a.name@example.org"); 50]);
        assert!(many.split("\r\n").all(|line| line.len() <= 76));
        assert_eq!(many.matches("someone").count(), 50);
    }

    #[test]
    fn names_of_files() {
        assert_eq!(parameter("filename", "a b.png"), ";\r\n filename=\"a b.png\"");
        assert_eq!(parameter("filename", "grö.pdf"), ";\r\n filename*=UTF-8''gr%C3%B6.pdf");
        assert_eq!(parameter("filename", "a\"b\r\nX: y"), ";\r\n filename*=UTF-8''a%22b%0D%0AX%3A%20y");
        assert_eq!(parameter("filename", "=?x?=.txt"), ";\r\n filename*=UTF-8''%3D%3Fx%3F%3D.txt");
        assert_eq!(parameter("filename", " a.txt"), ";\r\n filename*=UTF-8''%20a.txt");
        let long = parameter("filename", &"ö".repeat(30));
        assert!(long.starts_with(";\r\n filename*0*=UTF-8''%C3%B6"), "{long}");
        assert!(long.contains(";\r\n filename*1*=%C3%B6"), "{long}");
        assert!(long.split("\r\n").all(|line| line.len() <= 78));
    }
}
