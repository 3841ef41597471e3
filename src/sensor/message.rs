//! One message of the sensor protocol, to bytes and back. Pure; `docs/sensor-protocol.md` is the
//! specification.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------------------------------+---------------+---------------+
//! |         magic 0x534C          |  version (1)  |     type      |   0
//! +---------------+---------------+---------------+---------------+
//! |     flags     |   time unit   |            length             |   4
//! +---------------+---------------+-------------------------------+
//! |                            device                             |   8
//! +---------------------------------------------------------------+
//! |                            session                            |  12
//! +---------------------------------------------------------------+
//! |                           sequence                            |  16
//! +---------------------------------------------------------------+
//! |                           timestamp                           |  20
//! |                                                               |
//! +---------------------------------------------------------------+
//! |             fields: number, length, value, and so on          |  28
//! +---------------------------------------------------------------+
//! |                            CRC-32                             |  length - 4
//! +---------------------------------------------------------------+
//! ```
//!
//! Reading has two steps, because their failures mean different things: [`open`] finds out whether the
//! bytes are a message at all (if not, nothing in them can be trusted, not even where the next message
//! begins); [`Body::read`] takes its fields (if that fails, the sender can be told which reading is meant).

use super::reading::{Reading, Refused};
use super::statistics::Statistics;
use crate::kit::wire::{crc32, Reader, Writer};

/// "SL".
pub const MAGIC: [u8; 2] = [0x53, 0x4c];
/// The version that this program speaks.
pub const VERSION: u8 = 1;
/// The shortest message: header and CRC.
pub const SHORTEST: usize = 32;
/// The longest message: it fits into one packet everywhere.
pub const LONGEST: usize = 1200;
/// The longest text of an error; with it a reply stays shorter than twice the shortest message.
pub const LONGEST_ERROR: usize = 24;

/// The type of a message.
pub mod kind {
    /// From a sensor.
    pub const READING: u8 = 1;
    /// From the server: the reading is stored.
    pub const ACKNOWLEDGEMENT: u8 = 2;
    /// From the server: it is not, and why.
    pub const ERROR: u8 = 3;
    /// From the server: it is, and the sensor shall change its interval.
    pub const COMMAND: u8 = 4;
}

/// Flag: the sensor sends this reading again.
pub const RESENT: u8 = 1;
/// Flag: the server had received this reading before.
pub const DUPLICATE: u8 = 2;
/// Time unit: microseconds.
pub const MICROSECONDS: u8 = 6;

/// What stands before the fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// Version of the protocol.
    pub version: u8,
    /// One of [`kind`].
    pub kind: u8,
    /// A sum of flags.
    pub flags: u8,
    /// The unit of `timestamp`: 10 to the power of minus this, in seconds.
    pub time_unit: u8,
    /// Who measures.
    pub device: u32,
    /// Drawn at random when the sensor starts.
    pub session: u32,
    /// The reading's number in its session.
    pub sequence: u32,
    /// The sender's clock, since 1970.
    pub timestamp: u64,
}

/// Why bytes are no message. Nothing in them can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noise(pub &'static str);

/// Why a message is refused; its head says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// One of [`code`].
    pub code: u8,
    /// The same in words, at most [`LONGEST_ERROR`] bytes.
    pub why: &'static str,
}

/// Error codes.
pub mod code {
    /// A field does not have its form, or the reading is missing.
    pub const MALFORMED: u8 = 1;
    /// A version that the server does not speak.
    pub const VERSION: u8 = 2;
    /// A type that the server does not know.
    pub const TYPE: u8 = 3;
    /// A value that it cannot read or does not allow.
    pub const VALUE: u8 = 4;
    /// It cannot store the reading.
    pub const STORAGE: u8 = 5;
    /// The sequence number is too far behind.
    pub const STALE: u8 = 6;
}

/// The fields that this version knows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Body {
    /// Field 1.
    pub reading: Option<Reading>,
    /// Field 2, in milliseconds.
    pub interval: Option<u32>,
    /// Field 3: the kind and its statistics.
    pub statistics: Option<(u8, Statistics)>,
    /// Field 4: the code and a text, which is a peer's: it should be UTF-8.
    pub error: Option<(u8, Vec<u8>)>,
}

/// How long a message is by its first eight bytes, for a stream; `None` while fewer are there.
pub fn length(bytes: &[u8]) -> Result<Option<usize>, Noise> {
    if !bytes.iter().zip(&MAGIC).all(|(byte, magic)| byte == magic) {
        return Err(Noise("wrong magic"));
    }
    let Some(&[high, low]) = bytes.get(6..8) else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if (SHORTEST..=LONGEST).contains(&length) {
        Ok(Some(length))
    } else {
        Err(Noise("length is out of range"))
    }
}

/// Checks magic, length and CRC of exactly one message; returns its head and its fields, unread.
pub fn open(bytes: &[u8]) -> Result<(Head, &[u8]), Noise> {
    if length(bytes)? != Some(bytes.len()) {
        return Err(Noise("length is not the message's"));
    }
    let (checked, crc) = bytes.split_at(bytes.len() - 4);
    if crc != crc32(checked).to_be_bytes() {
        return Err(Noise("wrong CRC"));
    }
    let mut reader = Reader::new(&checked[2..]);
    let mut head = || {
        let (version, kind, flags, time_unit) = (reader.u8()?, reader.u8()?, reader.u8()?, reader.u8()?);
        let _length = reader.u16()?;
        let (device, session, sequence) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let timestamp = reader.u64()?;
        Some(Head { version, kind, flags, time_unit, device, session, sequence, timestamp })
    };
    let head = head().ok_or(Noise("too short"))?;
    Ok((head, reader.rest()))
}

/// The bytes of a message. The fields of one of our own always fit.
pub fn write(head: &Head, body: &Body) -> Vec<u8> {
    let mut fields = Writer::new();
    body.write(&mut fields);
    let fields = fields.finish();
    let mut writer = Writer::new();
    writer.bytes(&MAGIC);
    for byte in [head.version, head.kind, head.flags, head.time_unit] {
        writer.u8(byte);
    }
    writer.u16((SHORTEST + fields.len()) as u16);
    for number in [head.device, head.session, head.sequence] {
        writer.u32(number);
    }
    writer.u64(head.timestamp);
    writer.bytes(&fields);
    let mut bytes = writer.finish();
    let crc = crc32(&bytes);
    bytes.extend_from_slice(&crc.to_be_bytes());
    bytes
}

impl Body {
    /// Reads the fields; unknown ones are skipped.
    pub fn read(fields: &[u8]) -> Result<Body, Fault> {
        const MALFORMED: Fault = Fault { code: code::MALFORMED, why: "malformed field" };
        let mut body = Body::default();
        let mut reader = Reader::new(fields);
        while !reader.is_empty() {
            let number = reader.u8().ok_or(MALFORMED)?;
            let length = reader.u8().ok_or(MALFORMED)?;
            let value = reader.bytes(usize::from(length)).ok_or(MALFORMED)?;
            let again = match number {
                1 => body.reading.replace(Reading::read(value).map_err(fault)?).is_some(),
                2 => {
                    let bytes = value.try_into().map_err(|_| MALFORMED)?;
                    body.interval.replace(u32::from_be_bytes(bytes)).is_some()
                }
                3 => body.statistics.replace(read_statistics(value).ok_or(MALFORMED)?).is_some(),
                4 => {
                    let (&code, text) = value.split_first().ok_or(MALFORMED)?;
                    body.error.replace((code, text.to_vec())).is_some()
                }
                _ => false,
            };
            if again {
                return Err(MALFORMED);
            }
        }
        Ok(body)
    }

    /// Appends the fields that are there.
    fn write(&self, to: &mut Writer) {
        if let Some(reading) = &self.reading {
            let mut value = Writer::new();
            reading.write(&mut value);
            write_field(1, &value.finish(), to);
        }
        if let Some((kind, statistics)) = &self.statistics {
            let mut value = Writer::new();
            value.u8(*kind);
            value.u32(statistics.count);
            for number in [statistics.minimum, statistics.mean, statistics.maximum] {
                value.u64(number.to_bits());
            }
            write_field(3, &value.finish(), to);
        }
        if let Some(interval) = self.interval {
            write_field(2, &interval.to_be_bytes(), to);
        }
        if let Some((code, text)) = &self.error {
            write_field(4, &[&[*code], cut(text, LONGEST_ERROR)].concat(), to);
        }
    }
}

/// One field; ours are all shorter than 256 bytes.
fn write_field(number: u8, value: &[u8], to: &mut Writer) {
    to.u8(number);
    to.u8(value.len() as u8);
    to.bytes(value);
}

fn read_statistics(value: &[u8]) -> Option<(u8, Statistics)> {
    let mut reader = Reader::new(value);
    let (kind, count) = (reader.u8()?, reader.u32()?);
    let mut number = || reader.u64().map(f64::from_bits);
    let (minimum, mean, maximum) = (number()?, number()?, number()?);
    // One from outside could be shown as anything, or poison what is computed from it.
    let finite = [minimum, mean, maximum].iter().all(|number| number.is_finite());
    (finite && reader.is_empty()).then_some((kind, Statistics { count, minimum, mean, maximum }))
}

/// The fault that a refused reading is.
fn fault(refused: Refused) -> Fault {
    match refused {
        Refused::Malformed => Fault { code: code::MALFORMED, why: "malformed reading" },
        Refused::Value(why) => Fault { code: code::VALUE, why },
    }
}

/// At most so many bytes of a UTF-8 text, cut between two characters.
fn cut(text: &[u8], most: usize) -> &[u8] {
    let continues = |end: &usize| text.get(*end).is_some_and(|byte| byte & 0xc0 == 0x80);
    let end = (0..=most.min(text.len())).rev().find(|end| !continues(end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::super::reading::Value;
    use super::*;

    const READING: &str = "534c01010006002f000000071a2b3c4d0000000100064417 09d2a400\
        0107010104 41ac0000 0204 000003e8 020204f8";
    const ACKNOWLEDGEMENT: &str = "534c01020006003f000000071a2b3c4d0000000100064417 09d2a4fa\
        031d0100000001 4035800000000000 4035800000000000 4035800000000000 ee368432";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(byte).collect()
    }

    fn head(kind: u8, timestamp: u64) -> Head {
        let (flags, time_unit, device, session, sequence) = (0, MICROSECONDS, 7, 0x1a2b_3c4d, 1);
        Head { version: VERSION, kind, flags, time_unit, device, session, sequence, timestamp }
    }

    /// The two messages of the worked example.
    fn golden() -> [(Vec<u8>, Head, Body); 2] {
        let reading = Reading { kind: 1, unit: 1, value: Value::Single(21.5) };
        let statistics = Statistics { count: 1, minimum: 21.5, mean: 21.5, maximum: 21.5 };
        let sent = Body { reading: Some(reading), interval: Some(1000), ..Body::default() };
        let answered = Body { statistics: Some((1, statistics)), ..Body::default() };
        let now = 1_763_715_600_000_000;
        [
            (bytes(READING), head(kind::READING, now), sent),
            (bytes(ACKNOWLEDGEMENT), head(kind::ACKNOWLEDGEMENT, now + 250), answered),
        ]
    }

    #[test]
    fn the_worked_example_both_ways() {
        for (bytes, head, body) in golden() {
            assert_eq!(write(&head, &body), bytes);
            let (read, fields) = open(&bytes).unwrap();
            assert_eq!((read, Body::read(fields).unwrap()), (head, body));
            assert_eq!(length(&bytes[..8]), Ok(Some(bytes.len())));
        }
    }

    #[test]
    fn every_truncation_and_every_damaged_bit_is_noticed() {
        for (mut bytes, _, _) in golden() {
            for cut in 0..bytes.len() {
                assert!(open(&bytes[..cut]).is_err());
                assert!(length(&bytes[..cut]).is_ok());
            }
            for bit in 0..8 * bytes.len() {
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert!(open(&bytes).is_err(), "bit {bit}");
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            bytes.push(0);
            assert_eq!(open(&bytes), Err(Noise("length is not the message's")));
        }
    }

    #[test]
    fn unknown_fields_are_skipped_and_broken_ones_refused() {
        let read = |hex: &str| Body::read(&bytes(hex));
        let reading = "0107010104 41ac0000";
        let skipped = read(&format!("63 03 aabbcc {reading} 00 00 ff 01 00")).unwrap();
        assert_eq!(skipped, read(reading).unwrap());
        assert_eq!(read("").unwrap(), Body::default());
        for broken in [
            "01",
            "0108010104 41ac0000",
            "0106010104 41ac00",
            "0200",
            "0205 0000000000",
            "031c0100000001 4035800000000000 4035800000000000 40358000000000",
            "031d0100000001 4035800000000000 7ff0000000000000 4035800000000000",
            "0400",
            "63ff00",
            &reading.repeat(2),
        ] {
            assert_eq!(read(broken).map_err(|fault| fault.code), Err(code::MALFORMED), "{broken}");
        }
        assert_eq!(read("0107010104 7fc00000").map_err(|fault| fault.code), Err(code::VALUE));
    }

    #[test]
    fn an_error_is_cut_between_two_characters_and_answers_stay_small() {
        let error = Some((code::STORAGE, "é".repeat(20).into_bytes()));
        let message = write(&head(kind::ERROR, 0), &Body { error, ..Body::default() });
        assert!(message.len() < 2 * SHORTEST);
        let (_, fields) = open(&message).unwrap();
        assert_eq!(Body::read(fields).unwrap().error, Some((code::STORAGE, "é".repeat(12).into_bytes())));
    }
}
