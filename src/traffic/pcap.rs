//! The classic capture file, as `tcpdump -w` writes it.
//!
//! ```text
//! file header, 24 bytes                      each packet: 16 bytes and its data
//! +--------------------------------+        +--------------------------------+
//! |  magic 0xa1b2c3d4 (or ...3c4d) |        |  seconds since 1970            |
//! +----------------+---------------+        +--------------------------------+
//! |  major 2       |  minor 4      |        |  microseconds (or nanoseconds) |
//! +----------------+---------------+        +--------------------------------+
//! |  0, 0                          |        |  captured length               |
//! +--------------------------------+        +--------------------------------+
//! |  longest captured length       |        |  length on the wire            |
//! +--------------------------------+        +--------------------------------+
//! |  link type                     |        |  data ...                      |
//! +--------------------------------+        +--------------------------------+
//! ```
//!
//! All numbers are in the byte order of the machine that wrote the file; the magic tells which. Its last
//! digits tell the unit of the fraction. See pcap-savefile(5) and draft-ietf-opsawg-pcap.
//!
//! Limits: pcapng, which Wireshark writes by default, is another format; the error says how to convert.

use std::io::{self, Read};

/// The longest packet that any capture program writes; a longer one means that the file is damaged.
const LONGEST: u32 = 256 * 1024;

/// One captured packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When, in nanoseconds since 1970.
    pub time: u64,
    /// How long it was on the wire.
    pub length: u32,
    /// Its beginning, as far as it was captured.
    pub data: Vec<u8>,
}

/// A capture file that is being read.
#[derive(Debug)]
pub struct Capture<R> {
    input: R,
    big_endian: bool,
    nanoseconds: bool,
    /// What the packets begin with: 1 is Ethernet. See tcpdump.org/linktypes.html.
    pub link_type: u32,
}

/// What [`Capture::packet`] finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A packet.
    Packet(Record),
    /// None: the file ends here.
    End(End),
}

/// How a file ends.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// Behind the last packet.
    Whole,
    /// Within a packet: tcpdump was killed, or the disk was full.
    Torn,
    /// A length that cannot be.
    Damaged,
}

impl<R: Read> Capture<R> {
    /// Reads the file header. Errs with what the file is instead of a capture.
    pub fn open(mut input: R) -> Result<Capture<R>, String> {
        let mut header = [0; 24];
        let length = fill(&mut input, &mut header).map_err(|why| format!("cannot read: {why}"))?;
        let magic = [header[0], header[1], header[2], header[3]];
        let (big_endian, nanoseconds) = match magic {
            [0xd4, 0xc3, 0xb2, 0xa1] => (false, false),
            [0xa1, 0xb2, 0xc3, 0xd4] => (true, false),
            [0x4d, 0x3c, 0xb2, 0xa1] => (false, true),
            [0xa1, 0xb2, 0x3c, 0x4d] => (true, true),
            [0x0a, 0x0d, 0x0d, 0x0a] => {
                return Err(
                    "a pcapng file; `editcap -F pcap FILE NEW` or `tcpdump -r FILE -w NEW` converts it"
                        .into(),
                );
            }
            _ => return Err("no capture file: it does not begin as `tcpdump -w` writes one".into()),
        };
        if length < header.len() {
            return Err("a capture file that ends within its header".into());
        }
        let mut capture = Capture { input, big_endian, nanoseconds, link_type: 0 };
        // The upper bits tell whether frames end with a checksum, which they never do on Linux.
        capture.link_type = capture.number(&header[20..24]) & 0xffff;
        Ok(capture)
    }

    /// The next packet, or how the file ends. Errs when it cannot be read.
    pub fn packet(&mut self) -> io::Result<Next> {
        let mut header = [0; 16];
        match fill(&mut self.input, &mut header)? {
            0 => return Ok(Next::End(End::Whole)),
            16 => {}
            _ => return Ok(Next::End(End::Torn)),
        }
        let number = |at: usize| self.number(&header[at..at + 4]);
        let (seconds, fraction, captured, length) = (number(0), number(4), number(8), number(12));
        if captured > LONGEST {
            return Ok(Next::End(End::Damaged));
        }
        let unit = if self.nanoseconds { 1 } else { 1000 };
        let time = u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * unit;
        let mut data = vec![0; captured as usize];
        if fill(&mut self.input, &mut data)? < data.len() {
            return Ok(Next::End(End::Torn));
        }
        // Some programs write a length on the wire that is too small, or none; what is there was there.
        Ok(Next::Packet(Record { time, length: length.max(captured), data }))
    }

    fn number(&self, bytes: &[u8]) -> u32 {
        let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
        if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    }
}

/// Reads until `buffer` is full or the input ends; returns how much it was.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with one packet, in either byte order and unit.
    fn file(big_endian: bool, magic: u32) -> Vec<u8> {
        let words: [u32; 10] = [magic, 0, 0, 0, 65_535, 1, 7, 5, 3, 60];
        let mut bytes: Vec<u8> = words
            .iter()
            .flat_map(|word| if big_endian { word.to_be_bytes() } else { word.to_le_bytes() })
            .collect();
        bytes.extend_from_slice(b"abc");
        bytes
    }

    #[test]
    fn both_byte_orders_and_both_units() {
        for big_endian in [false, true] {
            for (magic, fraction) in [(0xa1b2_c3d4, 5000), (0xa1b2_3c4d, 5)] {
                let bytes = file(big_endian, magic);
                let mut capture = Capture::open(&bytes[..]).unwrap();
                assert_eq!(capture.link_type, 1);
                let time = 7_000_000_000 + fraction;
                let record = Record { time, length: 60, data: b"abc".to_vec() };
                assert_eq!(capture.packet().unwrap(), Next::Packet(record));
                assert_eq!(capture.packet().unwrap(), Next::End(End::Whole));
            }
        }
    }

    #[test]
    fn every_truncation_and_forged_lengths() {
        let bytes = file(false, 0xa1b2_c3d4);
        for cut in 0..bytes.len() {
            match Capture::open(&bytes[..cut]) {
                Err(_) => assert!(cut < 24),
                Ok(mut capture) => {
                    let end = if cut == 24 { End::Whole } else { End::Torn };
                    assert_eq!(capture.packet().unwrap(), Next::End(end));
                }
            }
        }
        let whole = Record { time: 7_000_005_000, length: 3, data: b"abc".to_vec() };
        for (at, value, found) in [
            (32, u32::MAX, Next::End(End::Damaged)),
            (32, 61, Next::End(End::Torn)),
            // More captured than there was: what is there counts.
            (36, 2, Next::Packet(whole)),
        ] {
            let mut bytes = bytes.clone();
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            let mut capture = Capture::open(&bytes[..]).unwrap();
            assert_eq!(capture.packet().unwrap(), found);
        }
        assert!(Capture::open(&b"\x0a\x0d\x0d\x0a...."[..]).unwrap_err().contains("editcap"));
        assert!(Capture::open(&b"GIF89a"[..]).unwrap_err().contains("no capture"));
    }
}
