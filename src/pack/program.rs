//! `pack` and `unpack`: formats tried out without a network.
//!
//! Sheet: IoT lab 1, "Sending binary data via sockets", task 1.4.
//!
//! ```text
//! Python                                       here
//! struct.pack("=iif", 1, 4, 2.7).hex()         socklab pack =iif 1 4 2.7
//! struct.unpack("=iif", bytes.fromhex(…))      socklab unpack =iif 0100000004000000cdcc2c40
//! struct.calcsize(format)                      the number that unpack names when the length is wrong
//! ```
//!
//! The sheet calls `=` network order. It is this machine's own order in standard sizes, which on
//! nearly all machines of today is the opposite; network order is `!`. The sheet's `unpack(">iii")`
//! lacks its second argument, the bytes.
//!
//! Limits: 1 MiB for all bytes together. Text is taken as it is typed: there is no way to type a NUL.

use std::iter::repeat_n;

use super::codec;
use super::format::Format;
use super::value::{tuple, Value};
use crate::kit::args::Args;
use crate::kit::error::Error;
use crate::kit::screen;
use crate::kit::screen::escape;
use crate::kit::usage::{Kind, Operand, Usage};

const FORMAT: Operand = Operand {
    name: "FORMAT",
    kind: Kind::Bytes,
    default: None,
    help: "the types of the values, as for Python's struct: =iif, <3h10s, !Qd",
};

/// The characters of a format, for `--help`.
const NOTES: &str = "\
order first: @ or none native, = native order in standard sizes, < little-endian, > or ! big-endian
characters: x pad, c one byte of text, s p text, ? True or False, e f d float of 2, 4, 8 bytes,
            b h i l q n signed, B H I L Q N P unsigned; a number before one repeats it";

/// What `pack` takes.
pub const PACK: Usage = Usage { operands: &[FORMAT], list: Some("VALUE"), notes: NOTES, ..Usage::NONE };

/// What `unpack` takes.
pub const UNPACK: Usage = Usage { operands: &[FORMAT], list: Some("HEX"), notes: NOTES, ..Usage::NONE };

/// Runs `pack`: prints the bytes as hex.
pub fn pack(args: &Args) -> Result<(), Error> {
    let format = parse(args.bytes("FORMAT"))?;
    let values: Vec<&[u8]> = args.list().iter().map(|value| value.as_encoded_bytes()).collect();
    screen::say(&hex(&pack_arguments(&format, &values)?))
}

/// Runs `unpack`: prints the values as a tuple.
pub fn unpack(args: &Args) -> Result<(), Error> {
    let format = parse(args.bytes("FORMAT"))?;
    codec::check_size(&format).map_err(Error::Usage)?;
    let digits: Vec<&[u8]> = args.list().iter().map(|part| part.as_encoded_bytes()).collect();
    let bytes = from_hex(&digits.concat())?;
    screen::say(&tuple(&codec::unpack(&format, &bytes).map_err(Error::Usage)?))
}

/// A format as an argument of the command line.
pub fn parse(text: &[u8]) -> Result<Format, Error> {
    let wrong = |why| Error::Usage(format!("format \"{}\": {why}", escape(text)));
    Format::parse(text).map_err(wrong)
}

/// Packs arguments of the command line.
pub fn pack_arguments(format: &Format, arguments: &[&[u8]]) -> Result<Vec<u8>, Error> {
    codec::check_size(format)
        .and_then(|()| codec::check_count(format, arguments.len()))
        .map_err(Error::Usage)?;
    let codes = format.fields.iter().flat_map(|field| repeat_n(field.code, field.values()));
    let values: Result<Vec<Value>, String> =
        codes.zip(arguments).map(|(code, argument)| Value::parse(argument, code)).collect();
    values.and_then(|values| codec::pack(format, &values)).map_err(Error::Usage)
}

/// Bytes as hex digits: Python's `bytes.hex()`.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Hex digits, blanks between them or not, as bytes.
fn from_hex(text: &[u8]) -> Result<Vec<u8>, Error> {
    let mut digits = Vec::with_capacity(text.len());
    for &byte in text.iter().filter(|byte| !byte.is_ascii_whitespace()) {
        let digit = char::from(byte).to_digit(16);
        let digit = digit.ok_or_else(|| Error::Usage(format!("{} is no hex digit", escape(&[byte]))))?;
        digits.push(digit as u8);
    }
    if digits.len() % 2 != 0 {
        return Err(Error::Usage(format!("{} hex digits: a byte has two", digits.len())));
    }
    Ok(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_there_and_back() {
        assert_eq!(hex(&[0, 0x1f, 0xff]), "001fff");
        assert_eq!(from_hex(b"00 1F\tfF").unwrap(), [0, 0x1f, 0xff]);
        assert!(from_hex(b"0").is_err());
        assert!(from_hex(b"0g").is_err());
        assert!(from_hex("ü".as_bytes()).is_err());
    }
}
