//! One packet, to bytes and back. Pure; `docs/reliable-udp.md` is the specification.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------------------------------+---------------+-------+-------+
//! |         magic 0x5255          |  version (1)  | type  | flags |   0
//! +-------------------------------+---------------+-------+-------+
//! |                            session                            |   4
//! |                                                               |
//! +---------------------------------------------------------------+
//!   OPEN (type 1): cookie (8), window (2), zero (2)        28 in all
//!   COOKIE (2):    cookie (8)                              24
//!   RESET (3):     nothing; the flags are the reason       16
//!   STREAM (4):    what its flags say, in this order:
//! +---------------------------------------------------------------+
//! |         the first message that has not arrived                |   ACK (0x1): 20 bytes
//! +---------------------------------------------------------------+
//! |         the latest packet that has arrived                    |
//! +---------------------------------------------------------------+
//! |         which of the 64 packets up to it have arrived;        |
//! |         the least significant bit is the latest itself        |
//! +-------------------------------+-------------------------------+
//! |             window            |             delay             |
//! +-------------------------------+-------------------------------+
//! |                         packet number                         |   NUMBER (0x2): 4 bytes
//! +---------------------------------------------------------------+
//! |                         message number                        |   MESSAGE (0x4) or END (0x8)
//! +---------------------------------------------------------------+
//! |                   message: 0 to 1,400 bytes                   |   MESSAGE alone
//! +---------------------------------------------------------------+
//! |                            CRC-32                             |   last 4 bytes of every packet
//! +---------------------------------------------------------------+
//! ```
//!
//! A message keeps its number for ever; each time it is sent, the packet that carries it gets a new one.
//! So an acknowledgement says which *transmission* arrived, and nobody has to guess.

use std::time::Duration;

use super::seq::Seq;
use super::{MAGIC, MESSAGE};
use crate::kit::wire::{crc32, Reader};

/// The version that this program speaks.
pub const VERSION: u8 = 1;
/// The longest packet: a message with everything that can go with it.
pub const LONGEST: usize = 12 + 20 + 8 + MESSAGE + 4;
/// How many packets an acknowledgement tells about.
pub const BITMAP: usize = 64;

const OPEN: u8 = 1;
const COOKIE: u8 = 2;
const RESET: u8 = 3;
const STREAM: u8 = 4;

const ACK: u8 = 0x1;
const NUMBER: u8 = 0x2;
const MESSAGE_FLAG: u8 = 0x4;
const END: u8 = 0x8;

/// What has arrived at the sender of this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// The first message that has not arrived; all before it have.
    pub next: Seq,
    /// The latest packet that has arrived.
    pub latest: Seq,
    /// Bit `i` is set if the packet `latest - i` has arrived.
    pub arrived: u64,
    /// How many messages from `next` on there is room for.
    pub window: u16,
    /// How many microseconds the latest packet has waited for this; 65,535: or more.
    pub delay: u16,
}

impl Ack {
    /// How long the latest packet has waited, if it can be said.
    pub fn delay(&self) -> Option<Duration> {
        (self.delay < u16::MAX).then(|| Duration::from_micros(self.delay.into()))
    }
}

/// What a packet with a number carries. Its receiver acknowledges each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// Nothing: a sign of life, and a question for one.
    Ping,
    /// A message and its number.
    Message(Seq, &'a [u8]),
    /// The number behind the last message: no more will come.
    End(Seq),
}

/// Why a conversation does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Not known here.
    Unknown = 1,
    /// No place for another one.
    Full = 2,
}

/// What a packet says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// From the end that opens: let me in. Without a cookie, or with a stale one, it asks for one.
    Open {
        /// The cookie it was given; 0 before.
        cookie: u64,
        /// How many messages there is room for.
        window: u16,
    },
    /// From a listener: ask again with this.
    Cookie(u64),
    /// It does not go on.
    Reset(Reason),
    /// The conversation itself.
    Stream {
        /// What has arrived.
        ack: Option<Ack>,
        /// The packet's number and what it carries; a mere acknowledgement has none.
        content: Option<(Seq, Content<'a>)>,
    },
}

/// Writes a packet into `datagram`, whose old content is dropped.
pub fn encode(session: u64, body: &Body, datagram: &mut Vec<u8>) {
    let (kind, flags) = match body {
        Body::Open { .. } => (OPEN, 0),
        Body::Cookie(_) => (COOKIE, 0),
        Body::Reset(reason) => (RESET, *reason as u8),
        Body::Stream { ack, content } => {
            let carries = match content {
                None => 0,
                Some((_, Content::Ping)) => NUMBER,
                Some((_, Content::Message(..))) => NUMBER | MESSAGE_FLAG,
                Some((_, Content::End(_))) => NUMBER | END,
            };
            (STREAM, carries | if ack.is_some() { ACK } else { 0 })
        }
    };
    datagram.clear();
    datagram.extend_from_slice(&MAGIC);
    datagram.extend_from_slice(&[VERSION, kind << 4 | flags]);
    datagram.extend_from_slice(&session.to_be_bytes());
    match body {
        Body::Open { cookie, window } => {
            datagram.extend_from_slice(&cookie.to_be_bytes());
            datagram.extend_from_slice(&window.to_be_bytes());
            datagram.extend_from_slice(&[0, 0]);
        }
        Body::Cookie(cookie) => datagram.extend_from_slice(&cookie.to_be_bytes()),
        Body::Reset(_) => {}
        Body::Stream { ack, content } => {
            if let Some(ack) = ack {
                datagram.extend_from_slice(&ack.next.0.to_be_bytes());
                datagram.extend_from_slice(&ack.latest.0.to_be_bytes());
                datagram.extend_from_slice(&ack.arrived.to_be_bytes());
                datagram.extend_from_slice(&ack.window.to_be_bytes());
                datagram.extend_from_slice(&ack.delay.to_be_bytes());
            }
            if let Some((number, content)) = content {
                datagram.extend_from_slice(&number.0.to_be_bytes());
                match content {
                    Content::Ping => {}
                    Content::Message(sequence, message) => {
                        datagram.extend_from_slice(&sequence.0.to_be_bytes());
                        datagram.extend_from_slice(message);
                    }
                    Content::End(sequence) => datagram.extend_from_slice(&sequence.0.to_be_bytes()),
                }
            }
        }
    }
    datagram.extend_from_slice(&crc32(datagram).to_be_bytes());
}

/// Takes a packet apart: its session and what it says. `None` if it is cut, changed, of another version
/// or never was ours: then nothing in it can be trusted.
pub fn decode(datagram: &[u8]) -> Option<(u64, Body<'_>)> {
    let (body, crc) = datagram.split_last_chunk::<4>()?;
    if datagram.len() > LONGEST || !super::ours(body) || crc32(body) != u32::from_be_bytes(*crc) {
        return None;
    }
    let mut reader = Reader::new(&body[MAGIC.len()..]);
    if reader.u8()? != VERSION {
        return None;
    }
    let kind = reader.u8()?;
    let session = reader.u64()?;
    let body = match (kind >> 4, kind & 0xf) {
        (OPEN, 0) => {
            let (cookie, window) = (reader.u64()?, reader.u16()?);
            reader.u16()?;
            Body::Open { cookie, window }
        }
        (COOKIE, 0) => Body::Cookie(reader.u64()?),
        (RESET, flags) if flags == Reason::Unknown as u8 => Body::Reset(Reason::Unknown),
        (RESET, flags) if flags == Reason::Full as u8 => Body::Reset(Reason::Full),
        (STREAM, flags) => stream(flags, &mut reader)?,
        _ => return None,
    };
    reader.is_empty().then_some((session, body))
}

fn stream<'a>(flags: u8, reader: &mut Reader<'a>) -> Option<Body<'a>> {
    let ack = if flags & ACK == 0 {
        None
    } else {
        let (next, latest) = (Seq(reader.u32()?), Seq(reader.u32()?));
        Some(Ack { next, latest, arrived: reader.u64()?, window: reader.u16()?, delay: reader.u16()? })
    };
    let content = match flags & !ACK {
        // A packet that says nothing at all is none of ours.
        0 if ack.is_some() => None,
        NUMBER => Some((Seq(reader.u32()?), Content::Ping)),
        flags if flags == NUMBER | MESSAGE_FLAG => {
            let (number, sequence) = (Seq(reader.u32()?), Seq(reader.u32()?));
            let message = reader.bytes(reader.rest().len())?;
            (message.len() <= MESSAGE).then_some(())?;
            Some((number, Content::Message(sequence, message)))
        }
        flags if flags == NUMBER | END => Some((Seq(reader.u32()?), Content::End(Seq(reader.u32()?)))),
        _ => return None,
    };
    Some(Body::Stream { ack, content })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::random::Random;

    const SESSION: u64 = 0x0123_4567_89ab_cdef;

    /// One packet of each kind, and its bytes without the CRC.
    fn golden() -> Vec<(Body<'static>, &'static str)> {
        let ack = Ack {
            next: Seq(0x89ab_cdf1),
            latest: Seq(0x89ab_cdf5),
            arrived: 0b110111,
            window: 2046,
            delay: 5000,
        };
        let message = |ack| Body::Stream { ack, content: Some((Seq(5), Content::Message(Seq(3), b"Hello"))) };
        vec![
            (Body::Open { cookie: 0, window: 2048 }, "5255 01 10 S 0000000000000000 0800 0000"),
            (Body::Cookie(0xfeed), "5255 01 20 S 000000000000feed"),
            (Body::Reset(Reason::Unknown), "5255 01 31 S"),
            (Body::Reset(Reason::Full), "5255 01 32 S"),
            (
                Body::Stream { ack: Some(ack), content: None },
                "5255 01 41 S 89abcdf1 89abcdf5 0000000000000037 07fe 1388",
            ),
            (Body::Stream { ack: None, content: Some((Seq(9), Content::Ping)) }, "5255 01 42 S 00000009"),
            (message(None), "5255 01 46 S 00000005 00000003 48656c6c6f"),
            (
                message(Some(ack)),
                "5255 01 47 S 89abcdf1 89abcdf5 0000000000000037 07fe 1388 00000005 00000003 48656c6c6f",
            ),
            (
                Body::Stream { ack: Some(ack), content: Some((Seq(6), Content::End(Seq(4)))) },
                "5255 01 4b S 89abcdf1 89abcdf5 0000000000000037 07fe 1388 00000006 00000004",
            ),
        ]
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let hex = hex.replace('S', "0123456789abcdef").replace(' ', "");
        let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(digits).collect()
    }

    fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
        let crc = crc32(&bytes);
        bytes.extend(crc.to_be_bytes());
        bytes
    }

    #[test]
    fn each_kind_has_its_golden_bytes_in_both_directions() {
        for (body, hex) in golden() {
            let expected = sealed(bytes(hex));
            let mut datagram = b"old".to_vec();
            encode(SESSION, &body, &mut datagram);
            assert_eq!(datagram, expected, "{body:?}");
            assert_eq!(decode(&expected), Some((SESSION, body)));
        }
    }

    #[test]
    fn every_truncation_every_damaged_bit_and_a_longer_one_is_refused() {
        for (body, hex) in golden() {
            let whole = sealed(bytes(hex));
            for cut in 0..whole.len() {
                assert_eq!(decode(&whole[..cut]), None, "{body:?} cut to {cut}");
            }
            for bit in 0..whole.len() * 8 {
                let mut changed = whole.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(decode(&changed), None, "{body:?} with bit {bit} changed");
            }
            assert_eq!(decode(&[&whole[..], b"x"].concat()), None);
        }
    }

    #[test]
    fn with_a_correct_crc_the_form_still_has_to_be_right() {
        for wrong in [
            "5255 01 40 S",
            "5255 01 44 S 00000003 48656c6c6f",
            "5255 01 4e S 00000005 00000003",
            "5255 01 42 S 00000009 00",
            "5255 01 42 S 000000",
            "5255 01 46 S 00000009 0000",
            "5255 01 41 S 89abcdf1 89abcdf5 0000000000000037",
            "5255 02 42 S 00000009",
            "5255 01 00 S",
            "5255 01 50 S",
            "5255 01 30 S",
            "5255 01 10 S 0000000000000000 0800",
            "534c 01 42 S 00000009",
        ] {
            assert_eq!(decode(&sealed(bytes(wrong))), None, "{wrong}");
        }
    }

    #[test]
    fn the_longest_message_fits_and_a_longer_one_does_not() {
        let ack = Some(Ack { next: Seq(0), latest: Seq(0), arrived: 0, window: 0, delay: 0 });
        for (length, fits) in [(MESSAGE, true), (MESSAGE + 1, false)] {
            let message = vec![7; length];
            for ack in [None, ack] {
                let content = Some((Seq(1), Content::Message(Seq(1), &message)));
                let body = Body::Stream { ack, content };
                let mut datagram = Vec::new();
                encode(SESSION, &body, &mut datagram);
                assert_eq!(decode(&datagram), fits.then_some((SESSION, body)));
                assert!(datagram.len() <= LONGEST || !fits);
            }
        }
    }

    #[test]
    fn whatever_decodes_encodes_to_the_same_bytes() {
        let mut random = Random::new(Some(9));
        let mut again = Vec::new();
        let mut decoded = 0;
        for _ in 0..50_000 {
            let mut datagram = vec![0x52, 0x55, 1, (random.below(5) << 4 | random.below(16)) as u8];
            datagram.extend((0..8 + random.below(40)).map(|_| random.bits() as u8));
            let datagram = sealed(datagram);
            if let Some((session, body)) = decode(&datagram) {
                decoded += 1;
                encode(session, &body, &mut again);
                let reserved = matches!(body, Body::Open { .. });
                assert!(reserved || again == datagram, "{body:?}");
            }
        }
        assert!(decoded > 500, "{decoded}");
    }
}
