//! A format string, parsed: `=iif` is two 4-byte integers and a float in this machine's byte order.
//!
//! ```text
//! [order] { [count] character }        blanks between the items count for nothing
//!
//! order       bytes             sizes      alignment
//! @ or none   this machine's    native     native
//! =           this machine's    standard   none
//! <           little-endian     standard   none
//! > or !      big-endian        standard   none      (! is "network order", and the same as >)
//!
//! character   standard  native (x86-64, ARM64)   takes
//! x           1         1                        nothing: a zero byte
//! c           1         1                        text of one byte
//! s p         1         1                        one text; the count is its length
//! b B         1         1                        integer, signed or unsigned
//! ?           1         1                        True or False
//! h H         2         2                        integer
//! i I         4         4                        integer
//! l L         4         8                        integer
//! q Q         8         8                        integer
//! n N         -         8                        integer: ssize_t and size_t
//! P           -         8                        integer: a pointer
//! e f d       2 4 8     2 4 8                    float: half, single, double (IEEE 754)
//! ```
//!
//! With `@` the fields lie as a C compiler lays them: each begins at a multiple of its own size, so
//! `@ci` has three bytes of padding in the middle. No padding follows the last field; a count of zero
//! asks for it: `@ic` has 5 bytes, `@ic0i` has 8. Native formats are for files and pipes on one
//! machine: two machines need not agree on them, so what travels uses `<`, `>` or `!`.

use std::ffi::{c_int, c_long, c_longlong, c_short};
use std::mem::{align_of, size_of};

use crate::kit::screen::escape;

/// What a format character stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `x`: a byte without a value.
    Pad,
    /// `c`: one byte of text.
    Char,
    /// `s`: text of a fixed length.
    Text,
    /// `p`: text behind a byte with its length, as in Pascal.
    Pascal,
    /// `?`.
    Bool,
    /// `b h i l q n`.
    Signed,
    /// `B H I L Q N`.
    Unsigned,
    /// `P`: shown unsigned, but a negative number is taken.
    Pointer,
    /// `e f d`.
    Float,
}

/// One format character in the table that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The character itself, ASCII.
    pub letter: u8,
    /// What it stands for.
    pub kind: Kind,
    /// Bytes of one item: 1, 2, 4 or 8.
    pub size: usize,
    /// Where it may begin: at a multiple of this. 1: anywhere.
    pub alignment: usize,
}

/// One item of a format: `3i`, `10s`, `x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its character.
    pub code: Code,
    /// Its count; 1 if none was written.
    pub count: usize,
    /// Where its bytes begin.
    pub offset: usize,
}

impl Field {
    /// How many values it takes: `3i` three, `3s` one, `3x` none.
    pub fn values(&self) -> usize {
        match self.code.kind {
            Kind::Pad => 0,
            Kind::Text | Kind::Pascal => 1,
            _ => self.count,
        }
    }
}

/// A whole format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// The items, in order.
    pub fields: Vec<Field>,
    /// Whether the most significant byte comes first.
    pub big_endian: bool,
    /// Whether sizes and alignment are the machine's (`@`).
    pub native: bool,
    /// Bytes altogether: Python's `struct.calcsize`.
    pub size: usize,
    /// How many values it takes.
    pub values: usize,
}

/// The most bytes a format may have: CPython counts them in a signed machine word.
const MOST: usize = isize::MAX as usize;

impl Format {
    /// Parses a format. Errs with which character is wrong, and why.
    pub fn parse(text: &[u8]) -> Result<Format, String> {
        let (native, big_endian, items) = match text {
            [b'@', rest @ ..] => (true, cfg!(target_endian = "big"), rest),
            [b'=', rest @ ..] => (false, cfg!(target_endian = "big"), rest),
            [b'<', rest @ ..] => (false, false, rest),
            [b'>' | b'!', rest @ ..] => (false, true, rest),
            rest => (true, cfg!(target_endian = "big"), rest),
        };
        let mut format = Format { fields: Vec::new(), big_endian, native, size: 0, values: 0 };
        let mut rest = items;
        while let Some((&first, after)) = rest.split_first() {
            if is_blank(first) {
                rest = after;
                continue;
            }
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (count, after) = rest.split_at(digits);
            let Some((&letter, after)) = after.split_first() else {
                let count = String::from_utf8_lossy(count);
                return Err(format!("the count {count} at the end has no format character"));
            };
            let count = if digits == 0 { Some(1) } else { number(count) };
            format.add(find(letter, native)?, count)?;
            rest = after;
        }
        Ok(format)
    }

    /// Puts one item behind the others. `count` is `None` for one that is larger than any size.
    fn add(&mut self, code: Code, count: Option<usize>) -> Result<(), String> {
        let too_long = || format!("'{}': the format is longer than memory can be", char::from(code.letter));
        let count = count.ok_or_else(too_long)?;
        let offset = self.size.checked_next_multiple_of(code.alignment).ok_or_else(too_long)?;
        let length = code.size.checked_mul(count).ok_or_else(too_long)?;
        let end = offset.checked_add(length).filter(|&end| end <= MOST).ok_or_else(too_long)?;
        let field = Field { code, count, offset };
        self.values += field.values();
        self.size = end;
        self.fields.push(field);
        Ok(())
    }
}

/// C's `isspace`.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// A count; `None` if it does not fit.
fn number(digits: &[u8]) -> Option<usize> {
    digits
        .iter()
        .try_fold(0usize, |number, digit| number.checked_mul(10)?.checked_add(usize::from(digit - b'0')))
}

/// The code of a character, in the native or the standard table.
fn find(letter: u8, native: bool) -> Result<Code, String> {
    use Kind::{Bool, Char, Float, Pad, Pascal, Pointer, Signed, Text, Unsigned};
    /// Size and alignment of a C type here.
    const fn of<T>() -> (usize, usize) {
        (size_of::<T>(), align_of::<T>())
    }
    // In the native table C has the last word, in the standard one the documentation of `struct`.
    let (kind, (native_size, native_alignment), standard) = match letter {
        b'x' => (Pad, (1, 1), 1),
        b'c' => (Char, (1, 1), 1),
        b's' => (Text, (1, 1), 1),
        b'p' => (Pascal, (1, 1), 1),
        b'b' => (Signed, (1, 1), 1),
        b'B' => (Unsigned, (1, 1), 1),
        b'?' => (Bool, of::<bool>(), 1),
        b'h' => (Signed, of::<c_short>(), 2),
        b'H' => (Unsigned, of::<c_short>(), 2),
        b'i' => (Signed, of::<c_int>(), 4),
        b'I' => (Unsigned, of::<c_int>(), 4),
        b'l' => (Signed, of::<c_long>(), 4),
        b'L' => (Unsigned, of::<c_long>(), 4),
        b'q' => (Signed, of::<c_longlong>(), 8),
        b'Q' => (Unsigned, of::<c_longlong>(), 8),
        b'e' => (Float, of::<c_short>(), 2),
        b'f' => (Float, of::<f32>(), 4),
        b'd' => (Float, of::<f64>(), 8),
        b'n' if native => (Signed, of::<isize>(), 0),
        b'N' if native => (Unsigned, of::<usize>(), 0),
        b'P' if native => (Pointer, of::<*const u8>(), 0),
        _ => return Err(bad(letter)),
    };
    let (size, alignment) = if native { (native_size, native_alignment) } else { (standard, 1) };
    Ok(Code { letter, kind, size, alignment })
}

/// Why a character is none.
fn bad(letter: u8) -> String {
    let shown = escape(&[letter]);
    match letter {
        b'n' | b'N' | b'P' => {
            format!("'{shown}': its size differs from machine to machine, so only native formats (@) have it")
        }
        b'@' | b'=' | b'<' | b'>' | b'!' => format!("'{shown}': the byte order comes first, before blanks"),
        b' ' | b'\t'..=b'\r' => "a blank: a count stands directly before its format character".to_string(),
        _ => format!("'{shown}': no format character; there are x c b B ? h H i I l L q Q e f d s p n N P"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(format: &str) -> usize {
        Format::parse(format.as_bytes()).unwrap().size
    }

    #[test]
    fn standard_sizes_have_no_padding() {
        for (format, expected) in [
            ("=iif", 12),
            ("<", 0),
            (">cbBxp?", 6),
            ("!hHiIlLqQ", 36),
            ("<efd", 14),
            ("=10s5p", 15),
            ("<bq", 9),
            ("< 2h\t i\n", 8),
            ("=0q0s", 0),
        ] {
            assert_eq!(size(format), expected, "{format}");
        }
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn native_sizes_are_aligned_but_not_padded_at_the_end() {
        for (format, expected) in [
            ("ci", 8),
            ("@ic", 5),
            ("ic0i", 8),
            ("llh", 18),
            ("llh0l", 24),
            ("bq", 16),
            ("nNP", 24),
            ("b0q", 8),
            ("0qb", 1),
            ("@bsq", 16),
            ("bh3sd", 16),
        ] {
            assert_eq!(size(format), expected, "{format}");
        }
    }

    #[test]
    fn how_many_values_a_format_takes() {
        for (format, expected) in [("", 0), ("3i", 3), ("10s", 1), ("0s", 1), ("0p", 1), ("4x", 0), ("0i", 0)]
        {
            assert_eq!(Format::parse(format.as_bytes()).unwrap().values, expected, "{format}");
        }
    }

    #[test]
    fn what_is_wrong_and_where() {
        for (format, part) in [
            ("z", "'z': no format character"),
            ("ü", "'\\xc3': no format"),
            ("3 i", "a blank"),
            (" <i", "'<': the byte order comes first"),
            ("<n", "'n': its size differs"),
            ("=P", "'P'"),
            ("i4", "the count 4"),
            ("99999999999999999999i", "'i': the format is longer"),
            ("9223372036854775807h", "'h'"),
            ("9223372036854775807xx", "'x'"),
            ("9223372036854775807x0q", "'q'"),
            ("i\0", "'\\x00'"),
        ] {
            let error = Format::parse(format.as_bytes()).unwrap_err();
            assert!(error.contains(part), "{format:?}: {error}");
        }
        assert_eq!(size("<9223372036854775807x"), isize::MAX as usize);
    }
}
