//! What a sensor measures: a kind, a unit and a typed value. Pure; see `docs/sensor-protocol.md`.
//!
//! ```text
//! +--------+--------+--------------+-----------+
//! |  kind  |  unit  |  value type  |   value   |      the value of field 1
//! +--------+--------+--------------+-----------+
//!     1        1           1          0 to 64       bytes
//! ```

use crate::kit::screen::escape;
use crate::kit::wire::{Reader, Writer};

/// The longest text of a reading, in bytes.
pub const LONGEST_TEXT: usize = 64;

/// The kinds, by their number less one.
pub const KINDS: [&str; 8] =
    ["temperature", "humidity", "pressure", "illuminance", "battery", "motion", "pulses", "status"];

/// The symbols of the units (RFC 8428, RFC 8798), by their number; 0 is none.
pub const UNITS: [&str; 7] = ["", "Cel", "%RH", "Pa", "lx", "mV", "count"];

/// A measured value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Value type 1.
    Bool(bool),
    /// Value type 2.
    Signed(i32),
    /// Value type 3.
    Unsigned(u32),
    /// Value type 4; finite.
    Single(f32),
    /// Value type 5; finite.
    Double(f64),
    /// Value type 6; at most [`LONGEST_TEXT`] bytes.
    Text(String),
}

/// One reading.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// What is measured: 1 is the first of [`KINDS`]; others are allowed.
    pub kind: u8,
    /// In which unit: a place in [`UNITS`]; others are allowed.
    pub unit: u8,
    /// The value.
    pub value: Value,
}

/// Why a reading is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Its bytes do not have the form of a reading.
    Malformed,
    /// They have, but the value is of an unknown type or outside what is allowed.
    Value(&'static str),
}

impl Reading {
    /// Appends the reading's bytes.
    pub fn write(&self, to: &mut Writer) {
        to.u8(self.kind);
        to.u8(self.unit);
        match &self.value {
            Value::Bool(value) => {
                to.u8(1);
                to.u8(u8::from(*value));
            }
            Value::Signed(number) => {
                to.u8(2);
                to.bytes(&number.to_be_bytes());
            }
            Value::Unsigned(number) => {
                to.u8(3);
                to.u32(*number);
            }
            Value::Single(number) => {
                to.u8(4);
                to.u32(number.to_bits());
            }
            Value::Double(number) => {
                to.u8(5);
                to.u64(number.to_bits());
            }
            Value::Text(text) => {
                to.u8(6);
                to.bytes(&text.as_bytes()[..text.len().min(LONGEST_TEXT)]);
            }
        }
    }

    /// Reads what [`Reading::write`] wrote.
    pub fn read(bytes: &[u8]) -> Result<Reading, Refused> {
        let mut reader = Reader::new(bytes);
        let (Some(kind), Some(unit), Some(of_type)) = (reader.u8(), reader.u8(), reader.u8()) else {
            return Err(Refused::Malformed);
        };
        let value = match of_type {
            1 => reader.u8().and_then(|byte| (byte < 2).then_some(Value::Bool(byte == 1))),
            2 => reader.array().map(|bytes| Value::Signed(i32::from_be_bytes(bytes))),
            3 => reader.u32().map(Value::Unsigned),
            4 => reader.u32().map(|bits| Value::Single(f32::from_bits(bits))),
            5 => reader.u64().map(|bits| Value::Double(f64::from_bits(bits))),
            6 => return Reading::read_text(kind, unit, reader.rest()),
            _ => return Err(Refused::Value("unknown value type")),
        };
        let value = value.filter(|_| reader.is_empty()).ok_or(Refused::Malformed)?;
        let finite = match value {
            Value::Single(number) => number.is_finite(),
            Value::Double(number) => number.is_finite(),
            _ => true,
        };
        if !finite {
            return Err(Refused::Value("not a finite number"));
        }
        Ok(Reading { kind, unit, value })
    }

    fn read_text(kind: u8, unit: u8, bytes: &[u8]) -> Result<Reading, Refused> {
        if bytes.len() > LONGEST_TEXT {
            return Err(Refused::Value("text over 64 bytes"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| Refused::Value("text is not UTF-8"))?;
        Ok(Reading { kind, unit, value: Value::Text(text.to_string()) })
    }

    /// What is measured, in a word.
    pub fn kind_name(&self) -> String {
        let known = KINDS.get(usize::from(self.kind).wrapping_sub(1));
        known.map_or_else(|| format!("kind-{}", self.kind), |name| (*name).to_string())
    }

    /// The unit's symbol; empty for none.
    pub fn unit_name(&self) -> String {
        let known = UNITS.get(usize::from(self.unit));
        known.map_or_else(|| format!("unit-{}", self.unit), |name| (*name).to_string())
    }

    /// The value as text, safe to show: texts are a peer's and are escaped.
    pub fn value_text(&self) -> String {
        match &self.value {
            Value::Bool(value) => value.to_string(),
            Value::Signed(number) => number.to_string(),
            Value::Unsigned(number) => number.to_string(),
            // The debug form has an exponent where `{}` would write 300 zeros.
            Value::Single(number) => format!("{number:?}"),
            Value::Double(number) => format!("{number:?}"),
            Value::Text(text) => escape(text.as_bytes()),
        }
    }

    /// The value as a number, for statistics; `None` for text.
    pub fn number(&self) -> Option<f64> {
        match self.value {
            Value::Bool(value) => Some(f64::from(u8::from(value))),
            Value::Signed(number) => Some(f64::from(number)),
            Value::Unsigned(number) => Some(f64::from(number)),
            Value::Single(number) => Some(f64::from(number)),
            Value::Double(number) => Some(number),
            Value::Text(_) => None,
        }
    }

    /// The whole reading in a line: `temperature 21.5 Cel`.
    pub fn show(&self) -> String {
        format!("{} {} {}", self.kind_name(), self.value_text(), self.unit_name()).trim_end().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reading: &Reading) -> Vec<u8> {
        let mut writer = Writer::new();
        reading.write(&mut writer);
        writer.finish()
    }

    #[test]
    fn every_type_there_and_back_and_every_truncation() {
        for (value, shown) in [
            (Value::Bool(true), "kind-200 true unit-9"),
            (Value::Signed(-7), "kind-200 -7 unit-9"),
            (Value::Unsigned(u32::MAX), "kind-200 4294967295 unit-9"),
            (Value::Single(21.53), "kind-200 21.53 unit-9"),
            (Value::Double(-1e300), "kind-200 -1e300 unit-9"),
        ] {
            let reading = Reading { kind: 200, unit: 9, value };
            let bytes = written(&reading);
            assert_eq!(Reading::read(&bytes), Ok(reading.clone()));
            assert_eq!(reading.show(), shown);
            for cut in 0..bytes.len() {
                assert_eq!(Reading::read(&bytes[..cut]), Err(Refused::Malformed), "{shown} cut at {cut}");
            }
            assert_eq!(Reading::read(&[&bytes[..], &[0]].concat()), Err(Refused::Malformed));
        }
    }

    #[test]
    fn text_is_bounded_and_cannot_drive_a_terminal() {
        let reading = Reading { kind: 8, unit: 0, value: Value::Text("ok \u{1b}[2J".to_string()) };
        assert_eq!(Reading::read(&written(&reading)), Ok(reading.clone()));
        assert_eq!(reading.show(), "status ok \\x1b[2J");
        let long = [&[8, 0, 6][..], &[b'a'; LONGEST_TEXT + 1]].concat();
        assert!(matches!(Reading::read(&long), Err(Refused::Value(_))));
        assert!(Reading::read(&long[..3 + LONGEST_TEXT]).is_ok());
        assert!(matches!(Reading::read(&[8, 0, 6, 0xff]), Err(Refused::Value(_))));
    }

    #[test]
    fn what_would_poison_the_statistics_is_refused() {
        for bits in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY].map(f32::to_bits) {
            let bytes = [&[1, 1, 4][..], &bits.to_be_bytes()].concat();
            assert_eq!(Reading::read(&bytes), Err(Refused::Value("not a finite number")));
        }
        assert_eq!(Reading::read(&[1, 1, 9, 0]), Err(Refused::Value("unknown value type")));
        assert_eq!(Reading::read(&[6, 0, 1, 2]), Err(Refused::Malformed));
    }
}
