//! Percent-encoding: how a URL writes the bytes that it may not contain (RFC 3986, 2.1).

/// Decodes `%41` to `A`, once: what comes out is never decoded again, or `%252e` would become a dot.
/// `None` for a `%` that two hexadecimal digits do not follow. A `+` is a plus: it means a blank only
/// in forms.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let [high, low, after @ ..] = after else { return None };
        decoded.push((digit(*high)? << 4) | digit(*low)?);
        rest = after;
    }
    Some(decoded)
}

/// The value of a hexadecimal digit.
fn digit(byte: u8) -> Option<u8> {
    let value = char::from(byte).to_digit(16)?;
    u8::try_from(value).ok()
}

/// Encodes one name of a path: everything but the unreserved characters, which no part of a URL
/// gives a meaning to (RFC 3986, 2.3). So a `:`, `?`, `#`, `%` or `/` in a file's name stays a name.
pub fn encode(name: &[u8]) -> String {
    let mut encoded = String::with_capacity(name.len());
    for &byte in name {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded += &format!("%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_and_only_once() {
        let table: [(&str, Option<&[u8]>); 10] = [
            ("a%20b", Some(b"a b")),
            ("100%25", Some(b"100%")),
            ("%252e", Some(b"%2e")),
            ("a+b", Some(b"a+b")),
            ("%e2%82%AC", Some("€".as_bytes())),
            ("%ff", Some(b"\xff")),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%+1", None),
        ];
        for (text, decoded) in table {
            assert_eq!(decode(text.as_bytes()).as_deref(), decoded, "{text}");
        }
    }

    #[test]
    fn every_byte_there_and_back() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(encode(&all).as_bytes()), Some(all));
        assert_eq!(encode(b"a:b?c#d%e/f"), "a%3Ab%3Fc%23d%25e%2Ff");
    }
}
