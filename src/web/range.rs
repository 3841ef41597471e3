//! Ranges: a part of a file, to resume a download or to jump in a film (RFC 9110, 14).
//!
//! ```text
//! Range: bytes=0-4        the first five bytes
//! Range: bytes=5-         all but the first five
//! Range: bytes=-5         the last five
//! ```
//!
//! Several ranges at once are answered with the whole file, as 14.2 allows: hardly a client asks for
//! them, and a server that does as told can be made to send a file hundreds of times over.

/// What a Range field asks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The whole file.
    Whole,
    /// `length` bytes from `first` on; `length` is not 0.
    Part {
        /// Offset of the first byte.
        first: u64,
        /// How many.
        length: u64,
    },
    /// 416: nothing of it is in the file, or it is no range at all.
    Unsatisfiable,
}

/// Reads the value of a Range field for a file of `size` bytes.
pub fn wanted(value: &[u8], size: u64) -> Wanted {
    let Some(equals) = value.iter().position(|&byte| byte == b'=') else { return Wanted::Whole };
    // A unit we do not know must be ignored (14.2).
    if !value[..equals].eq_ignore_ascii_case(b"bytes") {
        return Wanted::Whole;
    }
    let mut within = None;
    let mut several = false;
    for spec in value[equals + 1..].split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
        if spec.is_empty() {
            continue;
        }
        match part(spec, size) {
            None => return Wanted::Unsatisfiable,
            Some(None) => {}
            Some(Some(part)) => {
                several = within.is_some();
                within = Some(part);
                if several {
                    break;
                }
            }
        }
    }
    match within {
        Some(_) if several => Wanted::Whole,
        Some((first, length)) => Wanted::Part { first, length },
        None => Wanted::Unsatisfiable,
    }
}

/// One range: `None` if it is none, `Some(None)` if the file has nothing of it, otherwise where it
/// begins and how long it is, cut to the file.
fn part(spec: &[u8], size: u64) -> Option<Option<(u64, u64)>> {
    let dash = spec.iter().position(|&byte| byte == b'-')?;
    let (first, last) = (&spec[..dash], &spec[dash + 1..]);
    if first.is_empty() {
        let length = number(last)?.min(size);
        return Some((length > 0).then_some((size - length, length)));
    }
    let first = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    if last < first {
        return None;
    }
    if first >= size {
        return Some(None);
    }
    let last = last.min(size - 1);
    Some(Some((first, last - first + 1)))
}

/// Digits only. A number beyond 2^64 counts as the largest: it lies behind the end of every file.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let text = std::str::from_utf8(digits).ok()?;
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_26_bytes_rfc_9110_14_1_2() {
        let part = |first, length| Wanted::Part { first, length };
        let table = [
            ("bytes=0-4", part(0, 5)),
            ("Bytes=0-4", part(0, 5)),
            ("bytes=5-", part(5, 21)),
            ("bytes=-5", part(21, 5)),
            ("bytes=-26", part(0, 26)),
            ("bytes=-100", part(0, 26)),
            ("bytes=20-99", part(20, 6)),
            ("bytes=25-25", part(25, 1)),
            ("bytes=20-99999999999999999999999999", part(20, 6)),
            ("bytes=-99999999999999999999999999", part(0, 26)),
            ("bytes= 0-4 ,", part(0, 5)),
            ("bytes=0-4,30-", part(0, 5)),
            ("bytes=-0", Wanted::Unsatisfiable),
            ("bytes=26-", Wanted::Unsatisfiable),
            ("bytes=99999999999999999999999999-", Wanted::Unsatisfiable),
            ("bytes=30-40,50-", Wanted::Unsatisfiable),
            ("bytes=5-2", Wanted::Unsatisfiable),
            ("bytes=0-4,5-2", Wanted::Unsatisfiable),
            ("bytes=abc", Wanted::Unsatisfiable),
            ("bytes=+1-2", Wanted::Unsatisfiable),
            ("bytes=-", Wanted::Unsatisfiable),
            ("bytes=--1", Wanted::Unsatisfiable),
            ("bytes=1-2-3", Wanted::Unsatisfiable),
            ("bytes=", Wanted::Unsatisfiable),
            ("bytes=0-4,6-8", Wanted::Whole),
            ("bytes=0-,0-,0-,0-", Wanted::Whole),
            ("lines=0-4", Wanted::Whole),
            ("0-4", Wanted::Whole),
            ("", Wanted::Whole),
        ];
        for (value, expected) in table {
            assert_eq!(wanted(value.as_bytes(), 26), expected, "{value}");
        }
    }

    #[test]
    fn an_empty_file_satisfies_no_range() {
        for value in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(wanted(value.as_bytes(), 0), Wanted::Unsatisfiable, "{value}");
        }
    }
}
