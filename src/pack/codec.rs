//! Values to bytes and back: Python's `struct.pack` and `struct.unpack`.
//!
//! ```text
//! =iif  1 4 2.7        01 00 00 00  04 00 00 00  cd cc 2c 40      on a little-endian machine
//! !iif  1 4 2.7        00 00 00 01  00 00 00 04  40 2c cc cd      network order
//! ```
//!
//! Why 2.7 comes back as 2.700000047683716: `f` has 24 significant bits, and 2.7 is no finite sum of
//! powers of two. The nearest one that fits is sent, and shown with a double's digits afterwards.

use super::float;
use super::format::{Code, Field, Format, Kind};
use super::value::Value;

/// The most bytes that are packed or unpacked. A limit of this program: a format of a few characters
/// can ask for more than the machine has. Python says MemoryError instead.
pub const LARGEST: usize = 1 << 20;

/// Errs if a format's bytes are too many to be held.
pub fn check_size(format: &Format) -> Result<(), String> {
    if format.size > LARGEST {
        return Err(format!("the format has {} bytes; at most {LARGEST} are packed here", format.size));
    }
    Ok(())
}

/// Packs `values`. Errs with the format character and why when there are too many or too few of them
/// or one does not fit.
pub fn pack(format: &Format, values: &[Value]) -> Result<Vec<u8>, String> {
    check_size(format)?;
    check_count(format, values.len())?;
    let mut bytes = vec![0; format.size];
    let mut values = values.iter();
    for field in &format.fields {
        let (start, size) = (field.offset, field.code.size);
        match field.code.kind {
            Kind::Pad => {}
            Kind::Text | Kind::Pascal => {
                if let Some(value) = values.next() {
                    pack_text(field, value, &mut bytes[start..start + field.count])?;
                }
            }
            _ => {
                let items = bytes[start..start + size * field.count].chunks_exact_mut(size);
                for (item, value) in items.zip(values.by_ref()) {
                    pack_item(field.code, value, format, item)?;
                }
            }
        }
    }
    Ok(bytes)
}

/// Errs if a format does not take that many values.
pub fn check_count(format: &Format, given: usize) -> Result<(), String> {
    if given == format.values {
        return Ok(());
    }
    let plural = if format.values == 1 { "" } else { "s" };
    Err(format!("the format takes {} value{plural}, not {given}", format.values))
}

/// Packs one text into its field: cut off, or filled with zeros.
fn pack_text(field: &Field, value: &Value, into: &mut [u8]) -> Result<(), String> {
    let Value::Bytes(text) = value else {
        return Err(format!("'{}' takes text, not {}", char::from(field.code.letter), value.name()));
    };
    let into = match (field.code.kind, into.split_first_mut()) {
        (Kind::Pascal, Some((length, rest))) => {
            // The length's byte says at most 255, even where more bytes follow, as in CPython.
            *length = text.len().min(rest.len()).min(255) as u8;
            rest
        }
        (_, None) => return Ok(()),
        (_, Some(_)) => into,
    };
    let kept = text.len().min(into.len());
    into[..kept].copy_from_slice(&text[..kept]);
    Ok(())
}

/// Packs one item of a fixed size.
fn pack_item(code: Code, value: &Value, format: &Format, into: &mut [u8]) -> Result<(), String> {
    let letter = char::from(code.letter);
    match (code.kind, value) {
        (Kind::Char, Value::Bytes(text)) => match text[..] {
            [byte] => into[0] = byte,
            _ => return Err(format!("'{letter}' takes a text of one byte, not of {}", text.len())),
        },
        (Kind::Char, _) => return Err(format!("'{letter}' takes a text of one byte, not {}", value.name())),
        (Kind::Bool, _) => into[0] = u8::from(is_true(value)),
        (Kind::Float, _) => {
            let number = to_float(code, value)?;
            write_float(code, number, format, into)?;
        }
        (_, &Value::Bool(value)) => write_integer(u64::from(value), format.big_endian, into),
        (_, &Value::Int(number)) => {
            let range = range(code);
            if !range.contains(&number) {
                return Err(format!("'{letter}' takes {} to {}, not {number}", range.start(), range.end()));
            }
            // Two's complement: the low bits are the same for signed and unsigned.
            write_integer(number as u64, format.big_endian, into);
        }
        (_, Value::Huge(digits)) => {
            let range = range(code);
            return Err(format!("'{letter}' takes {} to {}, not {digits}", range.start(), range.end()));
        }
        (_, Value::Float(_) | Value::Bytes(_)) => {
            return Err(format!("'{letter}' takes an integer, not {}: {}", value.name(), value.repr()));
        }
    }
    Ok(())
}

/// The integers that a format character takes.
fn range(code: Code) -> std::ops::RangeInclusive<i128> {
    let bits = 8 * code.size as u32;
    let half = 1i128 << (bits - 1);
    match code.kind {
        Kind::Unsigned => 0..=2 * half - 1,
        Kind::Pointer => -half..=2 * half - 1,
        _ => -half..=half - 1,
    }
}

/// What Python takes for true: a number but zero, a text but the empty one.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(value) => *value,
        Value::Int(number) => *number != 0,
        Value::Float(number) => *number != 0.0,
        Value::Bytes(text) => !text.is_empty(),
        Value::Huge(_) => true,
    }
}

/// A number for `e f d`. Errs for an integer beyond every double.
fn to_float(code: Code, value: &Value) -> Result<f64, String> {
    let letter = char::from(code.letter);
    match value {
        Value::Float(number) => Ok(*number),
        Value::Int(number) => Ok(*number as f64),
        Value::Bool(value) => Ok(f64::from(u8::from(*value))),
        Value::Huge(digits) => match digits.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(format!("'{letter}' takes a number, and this integer is too large for any float")),
        },
        Value::Bytes(_) => Err(format!("'{letter}' takes a number, not {}", value.name())),
    }
}

/// Writes a float in its size.
fn write_float(code: Code, number: f64, format: &Format, into: &mut [u8]) -> Result<(), String> {
    let too_large =
        || format!("'{}' cannot hold {}: too large", char::from(code.letter), float::repr(number));
    let bits = match code.size {
        2 => u64::from(float::to_half(number).ok_or_else(too_large)?),
        4 => {
            let single = number as f32;
            // A native float is C's conversion, which makes infinity of what is too large.
            if single.is_infinite() && number.is_finite() && !format.native {
                return Err(too_large());
            }
            u64::from(single.to_bits())
        }
        _ => number.to_bits(),
    };
    write_integer(bits, format.big_endian, into);
    Ok(())
}

/// Writes the low bytes of a number, as many as there is room for.
fn write_integer(number: u64, big_endian: bool, into: &mut [u8]) {
    let length = into.len();
    if big_endian {
        into.copy_from_slice(&number.to_be_bytes()[8 - length..]);
    } else {
        into.copy_from_slice(&number.to_le_bytes()[..length]);
    }
}

/// Unpacks `bytes`. Errs when there are not exactly as many as the format has.
pub fn unpack(format: &Format, bytes: &[u8]) -> Result<Vec<Value>, String> {
    if bytes.len() != format.size {
        let plural = if format.size == 1 { "" } else { "s" };
        return Err(format!("the format has {} byte{plural}, not {}", format.size, bytes.len()));
    }
    let mut values = Vec::new();
    for field in &format.fields {
        let Field { code, count, offset } = *field;
        let bytes = &bytes[offset..offset + code.size * count];
        match code.kind {
            Kind::Pad => {}
            Kind::Text => values.push(Value::Bytes(bytes.to_vec())),
            Kind::Pascal => {
                let text = bytes
                    .split_first()
                    .map_or(&[][..], |(&length, text)| &text[..text.len().min(usize::from(length))]);
                values.push(Value::Bytes(text.to_vec()));
            }
            _ => values.extend(bytes.chunks_exact(code.size).map(|item| unpack_item(code, item, format))),
        }
    }
    Ok(values)
}

/// One item of a fixed size.
fn unpack_item(code: Code, item: &[u8], format: &Format) -> Value {
    let mut wide = [0; 8];
    for (place, position) in wide.iter_mut().zip(0..item.len()) {
        *place = if format.big_endian { item[item.len() - 1 - position] } else { item[position] };
    }
    let bits = u64::from_le_bytes(wide);
    match code.kind {
        Kind::Char => Value::Bytes(item.to_vec()),
        Kind::Bool => Value::Bool(bits != 0),
        Kind::Float => Value::Float(match code.size {
            2 => float::from_half(bits as u16),
            4 => f64::from(f32::from_bits(bits as u32)),
            _ => f64::from_bits(bits),
        }),
        Kind::Signed => {
            // The item's highest bit is the sign: move it to the top and back down.
            let unused = 64 - 8 * code.size as u32;
            Value::Int(i128::from((bits << unused) as i64 >> unused))
        }
        _ => Value::Int(i128::from(bits)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(format: &str, values: &[Value]) -> Result<String, String> {
        let bytes = pack(&Format::parse(format.as_bytes()).unwrap(), values)?;
        Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn text(text: &str) -> Value {
        Value::Bytes(text.as_bytes().to_vec())
    }

    #[test]
    fn the_sheets_values_in_every_order() {
        let values = [Value::Int(1), Value::Int(4), Value::Float(2.7)];
        assert_eq!(packed("<iif", &values).unwrap(), "0100000004000000cdcc2c40");
        assert_eq!(packed(">iif", &values).unwrap(), "0000000100000004402ccccd");
        assert_eq!(packed("!iif", &values), packed(">iif", &values));
    }

    #[test]
    fn texts_are_cut_or_filled() {
        assert_eq!(packed("<5s", &[text("abc")]).unwrap(), "6162630000");
        assert_eq!(packed("<2s", &[text("abc")]).unwrap(), "6162");
        assert_eq!(packed("<5p", &[text("abcdef")]).unwrap(), "0461626364");
        assert_eq!(packed("<0s0p", &[text("abc"), text("abc")]).unwrap(), "");
        let long = packed("<300p", &[text(&"a".repeat(299))]).unwrap();
        assert_eq!(long, format!("ff{}", "61".repeat(299)));
    }

    #[test]
    fn errors_name_the_character() {
        for (format, value, part) in [
            ("<b", Value::Int(128), "'b' takes -128 to 127, not 128"),
            ("<B", Value::Int(-1), "'B' takes 0 to 255, not -1"),
            ("<Q", Value::Int(1 << 64), "'Q' takes 0 to 18446744073709551615"),
            ("<i", Value::Float(2.5), "'i' takes an integer, not a float: 2.5"),
            ("<f", Value::Float(1e39), "'f' cannot hold 1e+39"),
            ("@e", Value::Float(65520.0), "'e' cannot hold 65520.0"),
            ("<c", text("ab"), "'c' takes a text of one byte, not of 2"),
            ("<s", Value::Int(1), "'s' takes text, not an integer"),
            ("<d", Value::Huge("1".repeat(400)), "'d' takes a number"),
        ] {
            let error = packed(format, &[value]).unwrap_err();
            assert!(error.starts_with(part), "{error}");
        }
        assert!(packed("ii", &[Value::Int(1)]).unwrap_err().contains("takes 2 values, not 1"));
        assert!(packed("999999999s", &[text("")]).unwrap_err().contains("at most"));
        assert_eq!(
            packed("@f", &[Value::Float(1e39)]).unwrap(),
            packed("@f", &[Value::Float(f64::INFINITY)]).unwrap()
        );
    }

    #[test]
    fn there_and_back() {
        let format = Format::parse(b">bBhHiIqQ?c3sxefd").unwrap();
        let values = [
            Value::Int(-128),
            Value::Int(255),
            Value::Int(-2),
            Value::Int(65535),
            Value::Int(i128::from(i32::MIN)),
            Value::Int(i128::from(u32::MAX)),
            Value::Int(i128::from(i64::MIN)),
            Value::Int(i128::from(u64::MAX)),
            Value::Bool(true),
            text("x"),
            text("abc"),
            Value::Float(0.5),
            Value::Float(-1.25),
            Value::Float(0.1),
        ];
        let bytes = pack(&format, &values).unwrap();
        assert_eq!(unpack(&format, &bytes).unwrap(), values);
        for cut in 0..bytes.len() {
            assert!(unpack(&format, &bytes[..cut]).unwrap_err().contains("not "));
        }
    }
}
