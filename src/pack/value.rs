//! One value: from the command line, and as Python shows it.

use super::float;
use super::format::{Code, Kind};
use crate::kit::screen::escape;

/// What a format character takes and gives.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// An integer. No format character takes one of more than 64 bits.
    Int(i128),
    /// A number too large for [`Value::Int`], as its decimal digits: a float may still take it.
    Huge(String),
    /// A floating-point number.
    Float(f64),
    /// Bytes, Python's `b'…'`.
    Bytes(Vec<u8>),
    /// Python's `True` and `False`.
    Bool(bool),
}

impl Value {
    /// Reads an argument of the command line as `code` needs it: text for `c s p`, otherwise a number
    /// as Python writes it (`-5`, `0x1f`, `1_000`, `2.7`, `1e-3`, `inf`), `True` or `False`.
    pub fn parse(argument: &[u8], code: Code) -> Result<Value, String> {
        if matches!(code.kind, Kind::Char | Kind::Text | Kind::Pascal) {
            return Ok(Value::Bytes(argument.to_vec()));
        }
        let text = std::str::from_utf8(argument).unwrap_or_default().trim();
        let value = match text {
            "True" => Some(Value::Bool(true)),
            "False" => Some(Value::Bool(false)),
            text => integer(text).or_else(|| real(text)),
        };
        let wanted = match code.kind {
            Kind::Bool => "True or False",
            Kind::Float => "a number",
            _ => "an integer",
        };
        let shown = escape(argument);
        value.ok_or_else(|| format!("'{}' takes {wanted}, and {shown} is none", char::from(code.letter)))
    }

    /// What kind of value it is, for an error.
    pub fn name(&self) -> &'static str {
        match self {
            Value::Int(_) | Value::Huge(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Bytes(_) => "text",
            Value::Bool(_) => "True or False",
        }
    }

    /// Python's `repr`.
    pub fn repr(&self) -> String {
        match self {
            Value::Int(number) => number.to_string(),
            Value::Huge(digits) => digits.clone(),
            Value::Float(number) => float::repr(*number),
            Value::Bytes(bytes) => bytes_repr(bytes),
            Value::Bool(true) => "True".to_string(),
            Value::Bool(false) => "False".to_string(),
        }
    }
}

/// Values as Python shows a tuple: `(1, 4, 2.5)`, `(1,)`, `()`.
pub fn tuple(values: &[Value]) -> String {
    let inside: Vec<String> = values.iter().map(Value::repr).collect();
    let comma = if values.len() == 1 { "," } else { "" };
    format!("({}{comma})", inside.join(", "))
}

/// Python's `repr` of bytes: `b'Hello\x00'`. All of it is printable, so it needs no escaping.
fn bytes_repr(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    let mut text = format!("b{quote}");
    for &byte in bytes {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b'\t' => text.push_str("\\t"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b' '..=b'~' if char::from(byte) == quote => text.extend(['\\', quote]),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text += &format!("\\x{byte:02x}"),
        }
    }
    text.push(quote);
    text
}

/// An integer as Python writes it; decimal ones may be of any length.
fn integer(text: &str) -> Option<Value> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        _ => (10, digits),
    };
    // Python takes one underscore behind the prefix too: 0x_1f.
    let digits = if radix == 10 { digits } else { digits.strip_prefix('_').unwrap_or(digits) };
    let digits = without_underscores(digits, radix)?;
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    match i128::from_str_radix(&digits, radix) {
        Ok(number) => Some(Value::Int(if negative { -number } else { number })),
        Err(_) if radix == 10 => Some(Value::Huge(format!("{}{digits}", if negative { "-" } else { "" }))),
        Err(_) => None,
    }
}

/// A float as Python writes it. Rust reads the same forms, but for the underscores.
fn real(text: &str) -> Option<Value> {
    without_underscores(text, 10)?.parse().ok().map(Value::Float)
}

/// `1_000` to `1000`; `None` if an underscore does not stand between two digits.
fn without_underscores(text: &str, radix: u32) -> Option<String> {
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(|&byte| char::from(byte).is_digit(radix));
    let misplaced = |&at: &usize| bytes[at] == b'_' && (at == 0 || !is_digit(at - 1) || !is_digit(at + 1));
    if (0..bytes.len()).any(|at| misplaced(&at)) {
        return None;
    }
    Some(text.replace('_', ""))
}

#[cfg(test)]
mod tests {
    use super::super::format::Format;
    use super::*;

    fn parse(letter: &str, argument: &str) -> Result<Value, String> {
        let code = Format::parse(letter.as_bytes()).unwrap().fields[0].code;
        Value::parse(argument.as_bytes(), code)
    }

    #[test]
    fn arguments_are_read_as_python_reads_them() {
        for (letter, argument, value) in [
            ("i", "-5", Value::Int(-5)),
            ("i", "+5", Value::Int(5)),
            ("i", "0x1F", Value::Int(31)),
            ("i", "-0b101", Value::Int(-5)),
            ("i", "0o17", Value::Int(15)),
            ("i", "1_000", Value::Int(1000)),
            ("i", "0x_1f", Value::Int(31)),
            ("i", "0xa_b", Value::Int(0xab)),
            ("i", "True", Value::Bool(true)),
            ("i", "2.5", Value::Float(2.5)),
            ("f", "1", Value::Int(1)),
            ("f", "1e-3", Value::Float(0.001)),
            ("f", ".5", Value::Float(0.5)),
            ("f", "1_0.5", Value::Float(10.5)),
            ("f", "-Infinity", Value::Float(f64::NEG_INFINITY)),
            ("d", "9999999999999999999999999999999999999999", Value::Huge("9".repeat(40))),
            ("s", "2.5", Value::Bytes(b"2.5".to_vec())),
            ("?", "0", Value::Int(0)),
        ] {
            assert_eq!(parse(letter, argument), Ok(value), "{letter} {argument}");
        }
    }

    #[test]
    fn what_is_no_value() {
        for (letter, argument, wanted) in [
            ("i", "", "an integer"),
            ("i", "-", "an integer"),
            ("i", "_1", "an integer"),
            ("i", "1__0", "an integer"),
            ("i", "0x", "an integer"),
            ("i", "0x__1", "an integer"),
            ("i", "0b1_2", "an integer"),
            ("f", "2,7", "a number"),
            ("f", "1_e5", "a number"),
            ("f", "1e_5", "a number"),
            ("f", "ü", "a number"),
            ("?", "true", "True or False"),
        ] {
            let error = parse(letter, argument).unwrap_err();
            assert!(error.contains(wanted) && error.starts_with(&format!("'{letter}'")), "{error}");
        }
    }

    #[test]
    fn values_as_python_shows_them() {
        let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec()).repr();
        assert_eq!(bytes(b"ab\x00\xff\n\r\t\\"), r"b'ab\x00\xff\n\r\t\\'");
        assert_eq!(bytes(b"it's"), "b\"it's\"");
        assert_eq!(bytes(b"'\""), r#"b'\'"'"#);
        assert_eq!(tuple(&[]), "()");
        assert_eq!(tuple(&[Value::Bool(true)]), "(True,)");
        assert_eq!(tuple(&[Value::Int(1), Value::Float(2.5)]), "(1, 2.5)");
    }
}
