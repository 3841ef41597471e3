//! Half-precision numbers, and a float's text as Python shows it.
//!
//! ```text
//!   15  14        10 9                  0
//!  +---+------------+--------------------+      exponent 0: subnormal, fraction × 2^-24
//!  | s |  exponent  |      fraction      |      exponent 31: infinity, or NaN if the fraction is not 0
//!  +---+------------+--------------------+      else (1024 + fraction) × 2^(exponent - 25)
//! ```
//!
//! IEEE 754 binary16, format character `e`: eleven significant bits, up to 65,504. Sensors and machine
//! learning use it where two bytes must do.

/// The nearest half-precision number (a tie goes to the even one); `None` when a finite number is too
/// large for it.
pub fn to_half(number: f64) -> Option<u16> {
    let sign = if number.is_sign_negative() { 0x8000 } else { 0 };
    let magnitude = number.abs();
    if number.is_nan() {
        return Some(sign | 0x7e00);
    }
    if number.is_infinite() {
        return Some(sign | 0x7c00);
    }
    // The distance between two neighbours is 2^-24 up to 2^-13, and twice as much in each binade
    // after. Dividing by a power of two is exact, so this rounds once.
    let exponent = exponent(magnitude).max(-14);
    let steps = (magnitude * 2f64.powi(10 - exponent)).round_ties_even();
    // `steps` counts from 1024 up for normal numbers. When rounding reaches 2048, or 1024 from below,
    // the sum carries into the exponent, which is just the next number.
    let bits = f64::from((exponent + 14) * 1024) + steps;
    (bits < f64::from(0x7c00)).then_some(sign | bits as u16)
}

/// The binary exponent of a magnitude: 0 for 1 to 2. For subnormal doubles a number far below -14.
fn exponent(magnitude: f64) -> i32 {
    ((magnitude.to_bits() >> 52) as i32) - 1023
}

/// The value of a half-precision number.
pub fn from_half(half: u16) -> f64 {
    let sign = if half & 0x8000 == 0 { 1.0 } else { -1.0 };
    let fraction = f64::from(half & 0x03ff);
    match i32::from(half >> 10 & 0x1f) {
        0 => sign * fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => sign * f64::INFINITY,
        31 => f64::NAN,
        exponent => sign * (1024.0 + fraction) * 2f64.powi(exponent - 25),
    }
}

/// Python's `repr` of a float: the shortest digits that are read back as the same number, with an
/// exponent below 1e-4 and from 1e16 up.
pub fn repr(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_string();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_string();
    }
    let scientific = shortest(number);
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        return with_point(digits, exponent);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

/// The shortest digits as `-1.25e-7`.
///
/// Rust's `{:e}` has them, but where the number lies exactly between two texts of that length it takes
/// the upper one and Python the one with the even last digit. Rounding to as many digits once more
/// settles it; beside a power of two the result may be another number, and then the first one stands.
fn shortest(number: f64) -> String {
    let text = format!("{number:e}");
    let digits = text.bytes().take_while(|&byte| byte != b'e').filter(u8::is_ascii_digit).count();
    let rounded = format!("{number:.*e}", digits - 1);
    if rounded.parse() == Ok(number) {
        rounded
    } else {
        text
    }
}

/// `-1.25` and an exponent from -4 to 15 without the exponent: `-0.00125`, `-125.0`.
fn with_point(digits: &str, exponent: i32) -> String {
    let sign = if digits.starts_with('-') { "-" } else { "" };
    let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
    if exponent < 0 {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("{sign}0.{zeros}{digits}");
    }
    let whole = exponent as usize + 1;
    let padded = format!("{digits:0<width$}", width = whole + 1);
    format!("{sign}{}.{}", &padded[..whole], &padded[whole..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_there_and_back() {
        for half in 0..=u16::MAX {
            let number = from_half(half);
            if number.is_nan() {
                assert_eq!(to_half(number).map(|bits| bits & 0x7fff), Some(0x7e00));
            } else {
                assert_eq!(to_half(number), Some(half), "{half:04x} is {number}");
            }
        }
    }

    #[test]
    fn halves_are_rounded_to_the_nearest_and_ties_to_even() {
        for (number, half) in [
            (1.0, Some(0x3c00)),
            (-2.0, Some(0xc000)),
            (65504.0, Some(0x7bff)),
            (65519.999, Some(0x7bff)),
            (65520.0, None),
            (-1e300, None),
            (f64::INFINITY, Some(0x7c00)),
            (2f64.powi(-25), Some(0)),
            (2f64.powi(-25) * 1.000001, Some(1)),
            (2f64.powi(-24) * 1.5, Some(2)),
            (2f64.powi(-14) * (1.0 - 2f64.powi(-12)), Some(0x0400)),
            (1.0 + 2f64.powi(-11), Some(0x3c00)),
            (1.0 + 3.0 * 2f64.powi(-11), Some(0x3c02)),
            (2.0 - 2f64.powi(-12), Some(0x4000)),
            (5e-324, Some(0)),
            (-0.0, Some(0x8000)),
        ] {
            assert_eq!(to_half(number), half, "{number}");
        }
    }

    #[test]
    fn floats_as_python_shows_them() {
        for (number, text) in [
            (2.700000047683716, "2.700000047683716"),
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (123456789012345680.0, "1.2345678901234568e+17"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-1.5e-7, "-1.5e-07"),
            (-0.0017099380493164062, "-0.0017099380493164062"),
            (-12.5, "-12.5"),
            (9007199254740992.0, "9007199254740992.0"),
            (2f64.powi(-44), "5.684341886080802e-14"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(repr(number), text);
        }
    }
}
