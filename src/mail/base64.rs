//! Base64: any bytes as letters, digits, `+` and `/`. RFC 4648; for mail in lines of 76, RFC 2045, 6.8.
//!
//! ```text
//! bytes        01001101 01100001 01101110     M a n       three bytes of 8 bits
//! characters   010011 010110 000101 101110    T W F u     four characters of 6 bits
//! ```
//!
//! One byte that is left over gives two characters and `==`, two give three and `=`. Python's
//! `base64.b64encode` and `base64.encodebytes`.

use std::io::{self, Read, Write};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes that make one full line of 76 characters.
const LINE: usize = 57;

/// How much is read and encoded at once: 256 lines.
const BLOCK: usize = 256 * LINE;

/// The bytes as one line.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    encode_into(bytes, &mut text);
    // Every byte is from the alphabet, so nothing is lost.
    String::from_utf8_lossy(&text).into_owned()
}

fn encode_into(bytes: &[u8], text: &mut Vec<u8>) {
    for group in bytes.chunks(3) {
        let [first, second, third] =
            [0, 1, 2].map(|place| u32::from(group.get(place).copied().unwrap_or_default()));
        let bits = first << 16 | second << 8 | third;
        for place in 0..4 {
            let index = bits >> (18 - 6 * place) & 63;
            text.push(if place > group.len() { b'=' } else { ALPHABET[index as usize] });
        }
    }
}

/// The bytes in lines of at most 76 characters, each ended by CRLF.
pub fn encode_lines(bytes: &[u8], text: &mut Vec<u8>) {
    for line in bytes.chunks(LINE) {
        encode_into(line, text);
        text.extend_from_slice(b"\r\n");
    }
}

/// How many bytes [`encode_lines`] makes of `size` bytes.
pub fn encoded_size(size: u64) -> u64 {
    let line = LINE as u64;
    let rest = size % line;
    size / line * 78 + if rest > 0 { rest.div_ceil(3) * 4 + 2 } else { 0 }
}

/// How many lines those are.
pub fn encoded_lines(size: u64) -> u64 {
    size.div_ceil(LINE as u64)
}

/// Copies exactly `size` bytes of `from`, encoded in lines, to `to`: a file of any size passes through
/// a buffer of a few kilobytes. Errs with `UnexpectedEof` when `from` has fewer.
pub fn copy(from: &mut impl Read, size: u64, to: &mut impl Write) -> io::Result<()> {
    let mut block = vec![0; BLOCK];
    let mut text = Vec::with_capacity(encoded_size(BLOCK as u64) as usize);
    let mut left = size;
    while left > 0 {
        let count = left.min(BLOCK as u64) as usize;
        from.read_exact(&mut block[..count])?;
        text.clear();
        encode_lines(&block[..count], &mut text);
        to.write_all(&text)?;
        left -= count as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text);
        }
        assert_eq!(encode(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn a_file_of_any_size_has_the_size_that_was_announced() {
        for size in [0, 1, 56, 57, 58, 114, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 100] {
            let bytes: Vec<u8> = (0..size).map(|number| (number * 7) as u8).collect();
            let mut text = Vec::new();
            copy(&mut &bytes[..], size as u64, &mut text).unwrap();
            assert_eq!(text.len() as u64, encoded_size(size as u64), "{size}");
            let lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
            assert_eq!(lines.len() as u64, encoded_lines(size as u64));
            assert!(lines.iter().all(|line| line.len() <= 78 && line.ends_with(b"\r\n")));
            let joined: Vec<u8> = text.into_iter().filter(|byte| !b"\r\n".contains(byte)).collect();
            assert_eq!(joined, encode(&bytes).into_bytes());
        }
    }

    #[test]
    fn a_file_that_became_shorter_is_an_error() {
        let error = copy(&mut &b"abc"[..], 4, &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
